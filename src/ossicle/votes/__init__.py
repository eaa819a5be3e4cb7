"""Votes: one answer from the outputs of several models. To add one, add its file and a line."""

from collections.abc import Mapping
from typing import Any, Final

from ossicle.errors import AdapterFileError, RunError, did_you_mean
from ossicle.tasks import Task
from ossicle.votes.cross_fit import cross_fitted
from ossicle.votes.majority import Majority
from ossicle.votes.rover import Rover
from ossicle.votes.soft import Soft
from ossicle.votes.stacked import Stacked
from ossicle.votes.temperature import at_temperature, fit_temperature
from ossicle.votes.vote import Decision, Vote
from ossicle.votes.weighted import Weighted

VOTES: Final[dict[str, type[Vote]]] = {
    vote.name: vote for vote in (Majority, Soft, Weighted, Stacked, Rover)
}


def votes_of(task: Task) -> tuple[type[Vote], ...]:
    """Return the votes that can be taken on the answers of a task."""
    return tuple(vote for vote in VOTES.values() if vote.supports(task))


def check_vote(name: str, task: Task) -> type[Vote]:
    """Return the vote of a name.

    Raises:
        RunError: there is no such vote, or it cannot be taken on the answers of the task.
    """
    known = [vote.name for vote in votes_of(task)]
    if name not in known:
        what = "is not possible for" if name in VOTES else "does not exist. Those of"
        raise RunError(
            f"the vote '{name}' {what} the task {task.name}; choose one of: {', '.join(known)}."
            f"{did_you_mean(name, known)}"
        )
    return VOTES[name]


def read_vote(data: Mapping[str, Any]) -> Vote:
    """Return the vote that `Vote.to_dict` described.

    Raises:
        AdapterFileError: an entry is missing or has a wrong type or value, or no vote has the name.
    """
    name = data.get("name")
    if not isinstance(name, str) or name not in VOTES:
        raise AdapterFileError(
            f"the saved vote has the name {name!r:.80}; expected one of: {', '.join(VOTES)}. Copy "
            "the file again, or install the version of ossicle that wrote it"
        )
    return VOTES[name].from_dict(data)


__all__ = [
    "VOTES",
    "Decision",
    "Majority",
    "Rover",
    "Soft",
    "Stacked",
    "Vote",
    "Weighted",
    "at_temperature",
    "check_vote",
    "cross_fitted",
    "fit_temperature",
    "read_vote",
    "votes_of",
]
