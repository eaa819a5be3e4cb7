"""Compute trials in a process of its own, one after the other, until the parent ends.

    python -m ossicle.trials.worker THREADS

The worker reads lines of JSON, each with the order of a trial (`Job.to_dict`), and writes lines of
JSON: {"ready": process id} when it can take them, {"step": [stage, done, total, facts]}, {"log":
[level, message]}, and at the end of each trial {"end": what `run_trial` returns}.
"""

import json
import logging
import os
import signal
import sys
from threading import Lock
from typing import Any, BinaryIO

from ossicle.child import orders


class _Handler(logging.Handler):
    """Passes log messages on to the parent."""

    def __init__(self, parent: "_Parent") -> None:
        super().__init__(logging.WARNING)
        self._parent = parent

    def emit(self, record: logging.LogRecord) -> None:
        self._parent.send("log", [record.levelno, record.getMessage()])


class _Parent:
    """The process that started this one."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._lock = Lock()

    def send(self, name: str, value: Any) -> None:
        """Write one line."""
        with self._lock:
            self._output.write(json.dumps({name: value}).encode() + b"\n")
            self._output.flush()

    def progress(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Send progress."""
        self.send("step", [stage, done, total, facts])


def main() -> None:
    """Compute the trials that the parent asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and so this process
    given = orders()
    parent = _Parent(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print is not for the parent
    logging.getLogger("ossicle").addHandler(_Handler(parent))
    import torch

    from ossicle.trials.kept import Kept
    from ossicle.trials.run_trial import run_trial

    torch.set_num_threads(int(sys.argv[1]))
    kept = Kept()
    parent.send("ready", os.getpid())
    for order in given:
        parent.send("end", run_trial(json.loads(order), kept, parent.progress))


if __name__ == "__main__":
    main()
