"""Run the trials of a study that are not finished, with any engine."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.trials.engine import Engine, Event, Job
from ossicle.trials.folder import TrialFolders
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How far a study is.

    Attributes:
        total: Number of different trials.
        finished: Trials with a result, earlier ones included.
        failed: Trials that have failed.
        running: Trials that are being computed here.
        elsewhere: Trials that other processes compute.
        remaining_s: Estimated time until the last trial has ended, in seconds; None until one has.
    """

    total: int
    finished: int
    failed: int
    running: int
    elsewhere: int
    remaining_s: float | None


def run_trials(
    trials: Sequence[Trial],
    names: Sequence[str],
    folder: Path,
    *,
    engine: Engine,
    on_event: Callable[[Event, Standing], None] = lambda *_: None,
) -> list[Outcome]:
    """Compute the trials that are not finished, and return the outcomes of all.

    A failed trial is computed again; one that another process computes is left to it.

    Args:
        trials: The trials, in the order in which they should be run.
        names: The name of each, from `Naming`.
        folder: The folder of trials.
        engine: What computes them.
        on_event: Called with every event, and how far the study is after it.

    Raises:
        RunError: no trial can go on; see `Engine.run`.
    """
    folders = TrialFolders(folder)
    before = folders.read(trials, names)
    jobs = {
        one.name: Job(name=one.name, folder=one.folder, trial=one.trial)
        for one in before
        if one.state not in ("finished", "running")
    }
    if not jobs:
        return before
    counter = _Counter(before)
    engine.run(list(jobs.values()), lambda event: on_event(event, counter.after(event)))
    return folders.read(trials, names)


class _Counter:
    """Counts trials by state."""

    def __init__(self, before: Sequence[Outcome]) -> None:
        states = {one.name: one.state for one in before}
        self._total = len(states)
        self._finished = {name for name, state in states.items() if state == "finished"}
        self._elsewhere = {name for name, state in states.items() if state == "running"}
        self._failed: set[str] = set()
        self._running: set[str] = set()
        self._left = self._total - len(self._finished) - len(self._elsewhere)
        self._started, self._ended = time.monotonic(), 0

    def after(self, event: Event) -> Standing:
        """Count an event, and return how far the study is."""
        if event.what == "started":
            self._running.add(event.name)
        elif event.what in ("finished", "failed", "elsewhere"):
            self._running.discard(event.name)
            self._ended += 1
            ended = {"finished": self._finished, "failed": self._failed}
            ended.get(event.what, self._elsewhere).add(event.name)
        return Standing(
            total=self._total,
            finished=len(self._finished),
            failed=len(self._failed),
            running=len(self._running),
            elsewhere=len(self._elsewhere),
            remaining_s=self._remaining_s(),
        )

    def _remaining_s(self) -> float | None:
        if not self._ended:
            return None
        each = (time.monotonic() - self._started) / self._ended  # of all workers together
        return each * (self._left - self._ended)
