"""Child processes that end with their parent, also when it is killed.

A child gets orders, one a line, on its standard input, which the parent keeps open. When the parent
ends, however that happens, the operating system closes the pipe, and the child ends too.
"""

import os
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import Final, Self

ENDED: Final = 143  # as after TERM


class Child:
    """A Python child that reads its orders from `orders`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None):
        """Start it.

        Args:
            command: The command.
            environment: Variables to set in addition to those of this process.
        """
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child, and wait until it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def send(self, order: bytes) -> None:
        """Give it an order; do nothing if it has ended.

        Args:
            order: One line, without a line break.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(order + b"\n")
            self._process.stdin.flush()

    def lines(self) -> Iterator[bytes]:
        """Yield each whole line of its output until it has ended."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):  # else it was killed while writing
                yield line

    def kill(self) -> None:
        """End it at once; another thread may be reading its lines."""
        self._process.kill()

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status; -9 if it was killed by signal 9."""
        return self._process.wait()


def run_child(command: Sequence[str], order: bytes, on_line: Callable[[bytes], None]) -> int:
    """Run a Python child that calls `read_order`, and return its exit status.

    Args:
        command: The command.
        order: One line for the child, without a line break.
        on_line: Called with each line of the child's output. If it raises, the child ends.
    """
    with Child(command) as child:
        child.send(order)
        for line in child.lines():
            on_line(line)
        return child.wait()


def read_order() -> bytes:
    """Return the first order of the parent; see `orders`."""
    return next(orders())


def orders() -> Iterator[bytes]:
    """Yield the orders of the parent, and end this process as soon as the parent ends.

    The child may end at any moment, so what it writes to disk has to be whole at any moment.
    """
    queue = SimpleQueue[bytes]()
    Thread(target=_read, args=(queue,), daemon=True).start()
    while True:
        yield queue.get()


def _read(queue: SimpleQueue[bytes]) -> None:
    """Put every line of the standard input in a queue; at its end, end this process."""
    with os.fdopen(0, "rb", closefd=False) as source:
        for line in source:
            queue.put(line.removesuffix(b"\n"))
    os._exit(ENDED)
