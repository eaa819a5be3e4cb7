"""The interface of an engine: it computes trials, wherever that is.

Every engine calls `ossicle.trials.run_trial.run_trial` in its workers, and passes on what happens.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from ossicle.errors import RunError
from ossicle.trials.trial import Trial

Happening: TypeAlias = Literal["started", "step", "restarted", "finished", "failed", "elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A trial to compute, and where.

    Attributes:
        name: Name of the trial.
        folder: Its folder; new, or that of an interrupted or failed computation.
        trial: The trial.
    """

    name: str
    folder: Path
    trial: Trial

    def to_dict(self) -> dict[str, Any]:
        """Return the order to a worker, as plain data: what `run_trial` takes."""
        return {
            "folder": str(self.folder.absolute()),
            "config": self.trial.config.to_dict(),
            "runner": self.trial.runner,
            "settings": dict(self.trial.settings),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened to a trial.

    Attributes:
        name: Name of the trial.
        what: `started`; `step`, progress within it; `restarted`, because its worker ended;
            `finished`; `failed`; or `elsewhere`, if another process computes it at the moment.
        reason: Why it failed or was restarted.
        seconds: Time that the computation took, once it has ended.
        stage: Of a step: the stage, as in `Progress`.
        done: Of a step: steps of the stage so far.
        total: Of a step: steps of the stage.
        facts: Of a step: numbers to show with it.
    """

    name: str
    what: Happening
    reason: str | None = None
    seconds: float | None = None
    stage: str = ""
    done: int = 0
    total: int = 0
    facts: Mapping[str, float] = field(default_factory=dict)


class OnEvent(Protocol):
    """A function that is called with every event, from the thread that called `Engine.run`."""

    def __call__(self, event: Event) -> None:
        """Take note of an event. If it raises, the engine ends its workers and raises the same."""


class Engine(Protocol):
    """Computes trials."""

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> None:
        """Compute all trials; a trial that fails is an event, and the others go on.

        Args:
            jobs: The trials, all with different names; none is finished.
            on_event: Called with every event.

        Raises:
            RunError: no trial can go on: the disk is full, or no worker can be started. Finished
                trials are kept, and the others resume when the same command is repeated.
        """


def outcome_event(job: Job, answer: Mapping[str, Any]) -> Event:
    """Return the event of a trial that has ended, from what `run_trial` answered.

    Raises:
        RunError: the disk is full.
    """
    if answer["what"] == "full":
        raise RunError(str(answer["reason"]))
    return Event(
        name=job.name, what=answer["what"], reason=answer["reason"], seconds=answer["seconds"]
    )
