"""A server in a process of its own: ossicle's, or peft's adapters behind the same application.

    python -m load.server ossicle|paired|peft < order.json

The order names a port, folders of adapters by name, the limits that differ from the usual ones, and
a file to which every batch is written: the lengths of its rows, and with `paired` the processor
time of the bare backbone, which runs each batch once more after its answers are given.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import torch

from load.alone import sharing
from load.peft_engine import PeftEngine
from ossicle.backbones import Backbone
from ossicle.serving import run
from ossicle.serving.batcher import Asked
from ossicle.serving.engine import Engine
from ossicle.serving.settings import ServeSettings


class Recorded(Engine):
    """The engine, which writes down every batch."""

    sink: TextIO

    def _observe(self, batch: Sequence[Asked]) -> None:
        super()._observe(batch)
        self.sink.write(json.dumps(self._record(batch)) + "\n")

    def _record(self, batch: Sequence[Asked]) -> dict[str, Any]:
        return {"lengths": [one.row[1] for one in batch]}


class Paired(Recorded):
    """The engine, which also runs the backbone without adapters on every batch."""

    @torch.no_grad()
    def _record(self, batch: Sequence[Asked]) -> dict[str, Any]:
        backbone = self._bare()
        begun = time.thread_time()
        backbone(*backbone.collate([one.row for one in batch]))
        return {**super()._record(batch), "bare_s": time.thread_time() - begun}

    def _bare(self) -> Backbone:
        if not hasattr(self, "_own"):
            (host,) = self.hosts.all()
            self._own = sharing(host.backbone)
        return self._own


ENGINES = {"ossicle": Recorded, "paired": Paired, "peft": PeftEngine}


def main() -> None:
    """Serve until SIGTERM."""
    order = json.load(sys.stdin)
    torch.set_num_threads(order.get("threads", 1))
    with Path(order["batches"]).open("w", buffering=1, encoding="utf-8") as Recorded.sink:
        run.Engine = ENGINES[sys.argv[1]]  # type: ignore[misc] # replaces a class
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
