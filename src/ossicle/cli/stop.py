"""Ctrl-C and TERM: one line that says how to go on, and the status that a shell expects."""

import functools
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from ossicle.paths import expand

INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """TERM, handled wherever Ctrl-C is."""


class Stopped(BaseException):
    """The end of a command that was stopped: what to print, and the exit status."""

    def __init__(self, advice: str, status: int) -> None:
        super().__init__(f"Stopped.{advice}")
        self.status = status


@contextmanager
def listening() -> Iterator[None]:
    """Let TERM end a command as Ctrl-C does, unless somebody else handles it."""
    before = signal.getsignal(signal.SIGTERM)
    if before is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
    raise Terminated


def stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that ends in `Stopped` when it is interrupted, while torch loads too."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        try:
            command(*arguments, **options)
        except KeyboardInterrupt as stop:
            advise = ADVICE.get(command.__name__)
            advice = "" if advise is None else advise(options)
            terminated = isinstance(stop, Terminated)
            raise Stopped(advice, TERMINATED if terminated else INTERRUPTED) from None

    return run


def _after_train(options: dict[str, Any]) -> str:
    from ossicle.training.folder import CONFIG

    out: Path = options["out"]
    if (expand(out) / CONFIG).is_file():
        return f" Continue with: ossicle train --out {shlex.quote(str(out))} --resume"
    return " Nothing was written; start again with the same command."


def _after_compare(_: dict[str, Any]) -> str:
    return " Finished runs and epochs are kept; continue with the same command."


ADVICE: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "train": _after_train,
    "compare": _after_compare,
}
