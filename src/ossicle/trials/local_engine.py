"""The engine of one machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ossicle.trials.engine import Event, Job, OnEvent, outcome_event
from ossicle.trials.kept import Kept
from ossicle.trials.run_trial import run_trial


@dataclass(frozen=True)
class LocalEngine:
    """Computes trials in worker processes on this machine.

    Attributes:
        workers: Number of worker processes.
        threads: Threads of each; results depend on it bit by bit.
    """

    workers: int = 1
    threads: int = 1

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        """Compute all trials; see `Engine.run`."""
        kept = Kept()
        for job in jobs:
            on_event(Event(name=job.name, what="started"))
            answer = run_trial(job.to_dict(), kept, partial(_step, on_event, job.name))
            on_event(outcome_event(job, answer))


def _step(on_event: OnEvent, name: str, stage: str, done: int, total: int, **facts: float) -> None:
    on_event(Event(name=name, what="step", stage=stage, done=done, total=total, facts=facts))
