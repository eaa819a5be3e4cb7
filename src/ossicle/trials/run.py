"""Run the trials of a study that are not finished, with any engine.

Trials that start from the run of another one are computed after it: first those that start from
none, then those that start from these, and so on.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ossicle.trials.engine import Engine, Event, Job
from ossicle.trials.folder import TrialFolders
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial, names_of_parents


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

    A failed trial is computed again; one that another process computes is left to it. A trial whose
    parent has not finished is not computed.

    Args:
        trials: The trials, in the order in which they should be run; each after its parent.
        names: The name of each, from `Naming`.
        folder: The folder of trials.
        engine: What computes them.
        on_event: Called with every event, and how far the study is after it.

    Raises:
        RunError: no trial can go on; see `Engine.run`.
    """
    folders = TrialFolders(folder)
    found = folders.read(trials, names)
    parents = names_of_parents(trials, names)
    counter = _Counter(found)

    def tell(event: Event) -> None:
        on_event(event, counter.after(event))

    for depth in range(max((one.depth for one in trials), default=-1) + 1):
        jobs, blocked = _wave(depth, found, parents)
        for event in blocked:
            tell(event)
        if jobs:
            engine.run(jobs, tell)
            found = folders.read(trials, names)
    return found


def _wave(
    depth: int, found: Sequence[Outcome], parents: Sequence[str | None]
) -> tuple[list[Job], list[Event]]:
    """Return the trials of a depth that can be computed now, and an event of each that cannot."""
    by_name = {one.name: one for one in found}
    jobs: dict[str, Job] = {}
    blocked: dict[str, Event] = {}
    for one, name in zip(found, parents, strict=True):
        if one.trial.depth != depth or one.state in ("finished", "running"):
            continue
        parent = None if name is None else by_name[name]
        if parent is None or parent.state == "finished":
            jobs[one.name] = _job(one, parent)
        elif parent.state == "failed":
            blocked[one.name] = Event(name=one.name, what="failed", reason=one.reason)
        else:
            reason = f"the trial that it starts from is {parent.state}"
            blocked[one.name] = Event(name=one.name, what="elsewhere", reason=reason)
    return list(jobs.values()), list(blocked.values())


def _job(one: Outcome, parent: Outcome | None) -> Job:
    trial = one.trial
    if parent is not None:
        config = replace(trial.config, parent=str(parent.folder.absolute()))
        trial = replace(trial, config=config)
    return Job(name=one.name, folder=one.folder, trial=trial)


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
