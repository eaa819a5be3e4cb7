"""Processes that end with the one that started them, also when that one is killed.

A child holds the reading end of a pipe as its standard input. Nothing is written to it: it ends
when its writing end does, which the operating system closes with the parent, however that ends.
"""

import os
import subprocess
from collections.abc import Sequence
from threading import Thread
from typing import Final

VARIABLE: Final = "OSSICLE_ENDS_WITH_STDIN"
ENDED: Final = 143  # as after TERM


def run_child(command: Sequence[str]) -> int:
    """Run a command of ossicle without its output and return its status; it dies with this one."""
    reading, writing = os.pipe()  # no child inherits the writing end
    try:
        return subprocess.run(
            command,
            stdin=reading,
            stdout=subprocess.DEVNULL,
            env={**os.environ, VARIABLE: "1"},
            check=False,
        ).returncode
    finally:
        os.close(reading)
        os.close(writing)


def is_child() -> bool:
    """Return whether `run_child` has started this process."""
    return VARIABLE in os.environ


def end_with_parent() -> None:
    """End this process as soon as its parent ends. What it writes is whole at any moment."""
    Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    while os.read(0, 1):
        pass
    os._exit(ENDED)
