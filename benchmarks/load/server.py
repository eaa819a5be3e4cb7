"""A server in a process of its own: ossicle's, or peft's adapters behind the same application.

    python -m load.server ossicle|peft < order.json

The order names a port, folders of adapters by name, the limits that differ from the usual ones, and
a file to which the lengths of the rows of every batch are written.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import torch

from load.peft_engine import PeftEngine
from ossicle.serving import run
from ossicle.serving.batcher import Asked
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings


class Recorded(Engine):
    """The engine, which writes down every batch."""

    sink: TextIO

    def _observe(self, batch: Sequence[Asked]) -> None:
        super()._observe(batch)
        self.sink.write(json.dumps([one.row[1] for one in batch]) + "\n")


def main() -> None:
    """Serve until SIGTERM."""
    order = json.load(sys.stdin)
    torch.set_num_threads(order.get("threads", 1))
    with Path(order["batches"]).open("w", buffering=1, encoding="utf-8") as Recorded.sink:
        run.Engine = PeftEngine if sys.argv[1] == "peft" else Recorded  # type: ignore[misc] # replaces a class
        root = None if order.get("root") is None else Path(order["root"])
        settings = ServeSettings(
            port=order["port"],
            root=root,
            allow_loading=root is not None,
            device="cpu",
            **order.get("limits", {}),
        )
        run.serve(settings, {name: Path(folder) for name, folder in order["folders"].items()}, {})


if __name__ == "__main__":
    main()
