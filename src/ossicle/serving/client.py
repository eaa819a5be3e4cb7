"""Whether the client of a request still waits, as its threads see it."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextvars import ContextVar
from typing import Any, Final


class Client:
    """The client of a request.

    Attributes:
        gone: Set when it has left.
    """

    def __init__(self) -> None:
        """Let it wait."""
        self.gone = threading.Event()
        self._lock = threading.Lock()
        self._waited_for: list[Future[Any]] = []

    def waits_for(self, futures: Sequence["Future[Any]"]) -> None:
        """Cancel these when it leaves, unless they run by then."""
        with self._lock:
            self._waited_for += futures
            if self.gone.is_set():
                self._cancel()

    def leave(self) -> None:
        """Drop what it waits for."""
        with self._lock:
            self.gone.set()
            self._cancel()

    def _cancel(self) -> None:
        for future in self._waited_for:
            future.cancel()


CLIENT: Final[ContextVar[Client]] = ContextVar("CLIENT")


def client() -> Client:
    """Return the client that this thread works for; without one, one that does not leave."""
    return CLIENT.get(None) or Client()
