"""Progress on stderr: a bar with loss, rate and remaining time, or plain lines in a log."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


class RateColumn(ProgressColumn):
    """Steps per second."""

    def render(self, task: Task) -> Text:
        """Return the rate of a task."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.1f}/s")


class Bars:
    """A bar for the stage at hand, in the form that training calls."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = ""
        self._bar = progress.add_task("", total=None, visible=False, facts="")

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Move the bar; a new stage starts a new one."""
        if stage != self._stage:
            self._stage = stage
            self._progress.remove_task(self._bar)
            self._bar = self._progress.add_task(stage, total=total, completed=done - 1, facts="")
        self._progress.update(self._bar, completed=done, total=total, facts=_shown(facts))


class Lines:
    """A line for each stage that comes to its end with something to show, such as a loss."""

    def __init__(self) -> None:
        self._stage = ""
        self._line = ""

    def __call__(self, stage: str, done: int, total: int, **facts: float) -> None:
        """Take note of where the stage stands; print where the one before it came to."""
        if stage != self._stage:
            self.end()
        self._stage = stage
        self._line = f"{stage} {done}/{total}  {_shown(facts)}" if facts else ""

    def end(self) -> None:
        """Print where the last stage came to."""
        if self._line:
            print(self._line, file=sys.stderr, flush=True)
        self._line = ""


def _shown(facts: dict[str, float]) -> str:
    return "  ".join(
        f"{name} {value}" if isinstance(value, int) else f"{name} {value:.3f}"
        for name, value in facts.items()
    )


@contextmanager
def progress_bars() -> Iterator[Bars | Lines]:
    """Show a bar on stderr for as long as the context lasts; lines where it is no terminal."""
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
