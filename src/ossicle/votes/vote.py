"""The interface of a vote: one answer from the outputs of several models for a recording.

    members' outputs, windows combined --decide--> Decision: what the task decodes, and one output

A vote works on the answers of a task (`Task.answers`), so that votes x tasks cost a file each.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from msgspec import Struct
from torch import Tensor

from ossicle.errors import AdapterFileError
from ossicle.strict_json import fit
from ossicle.tasks import Task

_Entries = TypeVar("_Entries", bound=Struct)


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision of a vote on a recording.

    Attributes:
        decoded: The prediction as `Task.decode` returns it.
        output: The combined output, (C,) or (T, C), as the task's loss takes it; None if the vote
            was on decoded texts.
    """

    decoded: dict[str, Any]
    output: Tensor | None


class Vote(ABC):
    """A rule that makes one answer of several.

    Attributes:
        name: Its name in `--vote`.
        about: What it does, in one sentence.
        learns: Whether it is fitted on validation recordings, by `fit`.
        needs_equal_frames: Whether members of a task by frame must have the same frame rate.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    learns: ClassVar[bool] = False
    needs_equal_frames: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def supports(cls, task: Task) -> bool:
        """Return whether the vote can be taken on the answers of a task."""

    @classmethod
    def fit(
        cls,
        task: Task,  # noqa: ARG003 - most votes learn nothing
        outputs: Sequence[Sequence[Tensor]],  # noqa: ARG003 - as above
        labels: Sequence[str],  # noqa: ARG003 - as above
    ) -> Self:
        """Return the vote, fitted on labelled recordings that no member has learnt from.

        Args:
            task: The task of all members.
            outputs: For each recording, the output of every member, windows combined.
            labels: The true label of each recording.

        Raises:
            LabelError: there are too few recordings to learn from.
        """
        return cls()

    @abstractmethod
    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the decision on a recording, given the output of every member.

        Raises:
            RunError: the outputs cannot be combined, because they differ in their frames.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the name, and what the vote has learnt."""
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:  # noqa: ARG003 - most learn nothing
        """Return the vote that `to_dict` described.

        Raises:
            AdapterFileError: an entry is missing, or has a wrong type.
        """
        return cls()


def read_entries(data: Mapping[str, Any], kind: type[_Entries]) -> _Entries:
    """Return what a vote has learnt, from a file; entries that the type does not name are ignored.

    Raises:
        AdapterFileError: an entry is missing, or has a wrong type or value.
    """
    try:
        return fit(dict(data), kind)
    except ValueError as error:
        raise AdapterFileError(f"the saved vote: {error}. Copy the file again") from error
