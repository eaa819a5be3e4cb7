"""Train one run of a study in a process of its own, so that its peak memory and its end are too.

    python -m ossicle.studies.worker

The worker reads one line of JSON, {"config": ..., "folder": ..., "resume": ...}, and writes lines
of JSON: {"progress": [stage, done, total, facts]}, {"log": [level, message]}, {"error": message}.
"""

import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Final

from ossicle.child import read_order, run_child
from ossicle.errors import OssicleError, RunError
from ossicle.progress import Progress
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG

_LOGGER: Final = logging.getLogger(__name__)
FAILED: Final = 2


def train_in_worker(config: TrainConfig, folder: Path, progress: Progress) -> None:
    """Train in a worker process, or resume the run in the folder; return when it has finished.

    The worker ends with this process. Its progress and log messages are passed on.

    Raises:
        RunError: the run failed; the message gives the reason.
    """
    errors: list[str] = []

    def on_line(line: bytes) -> None:
        ((name, value),) = json.loads(line).items()
        if name == "progress":
            stage, done, total, facts = value
            progress(stage, done, total, **facts)
        elif name == "log":
            _LOGGER.log(*value)
        else:
            errors.append(value)

    resume = (folder / CONFIG).is_file()
    order = {"config": config.to_dict(), "folder": str(folder), "resume": resume}
    command = [sys.executable, "-m", "ossicle.studies.worker"]
    status = run_child(command, json.dumps(order).encode(), on_line)
    if errors:
        raise RunError(errors[0])
    if status != 0:
        raise RunError(f"its process ended with status {status}")


class _Handler(logging.Handler):
    """Passes log messages on to the parent."""

    def __init__(self, parent: "_Parent") -> None:
        super().__init__()
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
        self.send("progress", [stage, done, total, facts])


def main() -> None:
    """Train the run that the parent asks for."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the parent, and so this process
    order: Mapping[str, Any] = json.loads(read_order())
    parent = _Parent(os.fdopen(os.dup(1), "wb"))
    os.dup2(2, 1)  # what libraries print is not for the parent
    logger = logging.getLogger("ossicle")
    logger.addHandler(_Handler(parent))
    logger.setLevel(logging.INFO)
    from ossicle.training.run import train

    try:
        config = TrainConfig.from_dict(order["config"])
        train(config, order["folder"], resume=order["resume"], progress=parent.progress)
    except OssicleError as error:
        parent.send("error", str(error))
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
