"""A server in a process of its own: ossicle's, or peft's adapters behind the same application.

    python -m load.server ossicle|peft < order.json

The order names a port, folders of adapters by name, and the limits that differ from the usual ones.
"""

import json
import sys
from pathlib import Path

import torch

from load.peft_engine import PeftEngine
from ossicle.serving import run
from ossicle.serving.settings import ServeSettings


def main() -> None:
    """Serve until SIGTERM."""
    order = json.load(sys.stdin)
    torch.set_num_threads(order.get("threads", 1))
    if sys.argv[1] == "peft":
        run.Engine = PeftEngine  # type: ignore[misc]
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
