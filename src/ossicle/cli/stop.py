"""Ctrl-C and SIGTERM: a line that says how to continue, and the exit status shells expect.

A signal raises an exception in the main thread. Inside a destructor or a callback from C code that
exception is lost, so the signal is recorded and `check_stopped` raises it again.
"""

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
    """SIGTERM, handled like Ctrl-C."""


class Stopped(BaseException):
    """The end of a command that was stopped: what to print, and the exit status."""

    def __init__(self, advice: str, status: int) -> None:
        super().__init__(f"Stopped.{advice}")
        self.status = status


_DEFAULT: Final[dict[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
_pending: list[type[KeyboardInterrupt]] = []  # signals since the command began


@contextmanager
def listening() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end a command, unless other code handles them."""
    ours = [number for number, usual in _DEFAULT.items() if signal.getsignal(number) is usual]
    for number in ours:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        _pending.clear()
        for number in ours:
            signal.signal(number, _DEFAULT[number])


def check_stopped() -> None:
    """Raise for a signal whose exception was lost.

    Raises:
        KeyboardInterrupt: a signal was received.
    """
    if _pending:
        raise _pending[-1]


def _stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
    _pending.append(Terminated if number == signal.SIGTERM else KeyboardInterrupt)
    raise _pending[-1]


def stoppable(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command that raises `Stopped` when interrupted, even while torch is imported."""

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
    from ossicle.training.ensemble_folder import PLAN
    from ossicle.training.folder import CONFIG

    out: Path = options["out"]
    if any((expand(out) / name).is_file() for name in (CONFIG, PLAN)):
        return f" Continue with: ossicle train --out {shlex.quote(str(out))} --resume"
    return " Nothing was written; start again with the same command."


def _after_study(_: dict[str, Any]) -> str:
    return " Finished trials and epochs are kept; continue with the same command."


ADVICE: Final[dict[str, Callable[[dict[str, Any]], str]]] = {
    "train": _after_train,
    "study": _after_study,
    "search": _after_study,
}
