"""An engine that computes trials in this process, for tests of what is around engines."""

from collections.abc import Sequence

from ossicle.progress import no_progress
from ossicle.trials.engine import Event, Job, OnEvent, outcome_event
from ossicle.trials.kept import Kept
from ossicle.trials.run_trial import run_trial


class Here:
    """Computes one trial after the other, and remembers which."""

    def __init__(self) -> None:
        self.computed: list[Job] = []

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        kept = Kept()
        for job in jobs:
            self.computed.append(job)
            on_event(Event(name=job.name, what="started"))
            on_event(outcome_event(job, run_trial(job.to_dict(), kept, no_progress)))
