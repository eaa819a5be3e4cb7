"""The engine of a trial that consists of trials: they are computed in its own process."""

from collections.abc import Sequence
from dataclasses import dataclass

from ossicle.progress import Progress
from ossicle.trials.engine import Event, Job, OnEvent, outcome_event
from ossicle.trials.kept import Kept


@dataclass(frozen=True)
class InProcessEngine:
    """Computes trials in this process, one after the other.

    Attributes:
        kept: What this process keeps between trials.
    """

    kept: Kept

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        """Compute all trials; see `Engine.run`."""
        from ossicle.trials.run_trial import run_trial  # its runners use this engine

        for job in jobs:
            on_event(Event(name=job.name, what="started"))
            answer = run_trial(job.to_dict(), self.kept, _steps(job.name, on_event))
            on_event(outcome_event(job, answer))


def _steps(name: str, on_event: OnEvent) -> Progress:
    """Return what passes the progress of a trial on as events."""

    def step(stage: str, done: int, total: int, **facts: float) -> None:
        on_event(Event(name=name, what="step", stage=stage, done=done, total=total, facts=facts))

    return step
