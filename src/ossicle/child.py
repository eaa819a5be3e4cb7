"""Child processes that end with their parent, also when it is killed.

A child gets one line on its standard input, which the parent keeps open. When the parent ends,
however that happens, the operating system closes the pipe, and the child ends too.
"""

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Final

ENDED: Final = 143  # as after TERM


def run_child(command: Sequence[str], order: bytes, on_line: Callable[[bytes], None]) -> int:
    """Run a Python child that calls `read_order`, and return its exit status.

    Args:
        command: The command.
        order: One line for the child, without a line break.
        on_line: Called with each line of the child's output. If it raises, the child ends.
    """
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with suppress(BrokenPipeError):  # it has ended already
            child.stdin.write(order + b"\n")
            child.stdin.flush()
        for line in child.stdout:
            on_line(line)
        return child.wait()
    finally:
        with suppress(BrokenPipeError):
            child.stdin.close()
        child.wait()
        child.stdout.close()


def read_order() -> bytes:
    """Return the line that the parent gave, and end this process as soon as the parent ends.

    The child may end at any moment, so what it writes to disk has to be whole at any moment.
    """
    order = bytearray()
    while (byte := os.read(0, 1)) not in (b"\n", b""):
        order += byte
    Thread(target=_watch, daemon=True).start()
    return bytes(order)


def _watch() -> None:
    while os.read(0, 1):
        pass
    os._exit(ENDED)
