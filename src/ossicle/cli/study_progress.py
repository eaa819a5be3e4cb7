"""Progress of a study on stderr: a bar of its trials on a terminal, lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from ossicle.cli.stop import check_stopped

if TYPE_CHECKING:
    from ossicle.studies.checks import Checked
    from ossicle.trials.engine import Event
    from ossicle.trials.run import Standing

EVERY_S: Final = 30.0  # time between lines on the steps of trials, in a pipe


class StudyProgress:
    """Shows how far a study is. The bar, if there is one, is that of all trials."""

    def __init__(
        self, bar: Progress | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Show nothing yet.

        Args:
            bar: The bar of a terminal; None: print lines.
            clock: Returns the time in seconds.
        """
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=None, visible=False, facts="")
        self._clock = clock
        self._next = clock() + EVERY_S
        self._descriptions: Mapping[str, str] = {}

    def checking(self, stage: str, done: int, total: int, **facts: float) -> None:  # noqa: ARG002
        """Show the progress of what precedes the first trial."""
        check_stopped()
        self._show(stage, done, total, "")
        if self._due():
            self._print(f"{stage} {done}/{total}")

    def on_declared(self, checked: "Checked", descriptions: Mapping[str, str]) -> None:
        """Say which trials cannot run, and remember the descriptions of the others by name."""
        from ossicle.studies.checks import reasons

        self._descriptions = descriptions
        for note in checked.notes:
            self._print(note)
        if checked.refused:
            self._print(f"trials that cannot run: {len(checked.refused)}")
            for line in reasons(checked.refused):
                self._print(f"  {line}")

    def describe(self, descriptions: Mapping[str, str]) -> None:
        """Remember the descriptions of more trials by name."""
        self._descriptions = {**self._descriptions, **descriptions}

    def on_event(self, event: "Event", standing: "Standing") -> None:
        """Show an event, and how far the study is after it."""
        check_stopped()
        ended = standing.finished + standing.failed + standing.elsewhere
        self._show("trials", ended, standing.total, _summary(standing))
        what = self._descriptions.get(event.name, event.name)
        place = f"[{ended}/{standing.total}] {what}"
        if event.what == "step":
            if self._due():
                self._print(f"{place}: {event.stage} {event.done}/{event.total}")
        elif event.what == "finished":
            if self._bar is None:
                seconds = f" in {event.seconds:.0f} s" if event.seconds is not None else ""
                self._print(f"{place}: finished{seconds}{_left(standing)}")
        elif event.what != "started":
            self._print(f"{place}: {event.what}; {event.reason}")

    def _show(self, stage: str, done: int, total: int, facts: str) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task,
                description=stage,
                completed=done,
                total=total,
                facts=facts,
                visible=True,
            )

    def _due(self) -> bool:
        """Return whether it is time for a line on a step; never where there is a bar."""
        if self._bar is not None or self._clock() < self._next:
            return False
        self._next = self._clock() + EVERY_S
        return True

    def _print(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)


def _summary(standing: "Standing") -> str:
    facts = [f"{standing.running} running"]
    facts += [f"{standing.failed} failed"] if standing.failed else []
    return ", ".join(facts) + _left(standing)


def _left(standing: "Standing") -> str:
    if not standing.remaining_s:
        return ""
    return f", about {duration(standing.remaining_s)} left"


def duration(seconds: float) -> str:
    """Return a time in the largest unit that suits it, e.g. `40 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@contextmanager
def study_progress() -> Iterator[StudyProgress]:
    """Show the progress of a study inside the context."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield StudyProgress()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[facts]}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        yield StudyProgress(bar)
