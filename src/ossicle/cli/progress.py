"""Progress on stderr: a bar with loss, rate and remaining time."""

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
        shown = "  ".join(
            f"{name} {value}" if isinstance(value, int) else f"{name} {value:.3f}"
            for name, value in facts.items()
        )
        self._progress.update(self._bar, completed=done, total=total, facts=shown)


@contextmanager
def progress_bars() -> Iterator[Bars]:
    """Show a bar on stderr for as long as the context lasts."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)
