"""Progress on stderr: a bar with loss, rate and remaining time, or plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ossicle.cli.stop import check_stopped

FIRST_S: Final = 3.0  # time to the first line of a stage if stderr is not a terminal
EVERY_S: Final = 10.0


class RateColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate of a task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class Bars:
    """A progress bar for the current stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._bar = progress.add_task("", total=None, visible=False, facts="")

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Move the bar; a new stage starts a new one."""
        check_stopped()
        if stage != self._stage:
            self._stage = stage
            self._progress.remove_task(self._bar)
            self._bar = self._progress.add_task(stage, total=total, completed=done - 1, facts="")
        self._progress.update(self._bar, completed=done, total=total, facts=_shown(facts))


class Lines:
    """A line three seconds after a stage begins, then every ten seconds, and at its end.

    A stage without values to show, such as a loss, prints no line at its end.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stage = ""
        self._last = ""  # last line of the stage, not yet printed
        self._next = 0.0

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Record the progress of a stage and print a line when it is due."""
        check_stopped()
        now = self._clock()
        if stage != self._stage:
            self.end()
            self._next = now + FIRST_S
        self._stage = stage
        line = f"{stage} {done}/{total}  {_shown(facts)}".rstrip()
        self._last = line if facts else ""
        if now >= self._next:
            self._next = now + EVERY_S
            self._last = ""
            _print(line)

    def end(self) -> None:
        """Print the last line of the last stage, if it is not yet printed."""
        if self._last:
            _print(self._last)
        self._last = ""


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _shown(facts: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value}" if isinstance(value, int) else f"{name} {value:.3f}"
        for name, value in facts.items()
    )


@contextmanager
def progress_bars() -> Iterator[Bars | Lines]:
    """Show a progress bar on stderr inside the context; lines if stderr is not a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines()
        try:
            yield lines
        finally:
            lines.end()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bars(progress)
