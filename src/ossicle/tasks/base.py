"""A task: what a head's output means, how it is trained and how it is judged.

What is to be predicted is text in every corpus (`Utterance.label`): a class, tags, numbers, a
transcript. The task reads it. An output is what the head made of one recording: (C,), or (T, C) for
a task that works by frame, with T its real frames alone.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeGuard

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ossicle.data import Dataset, Trial, Utterance
from ossicle.errors import LabelError, RunError
from ossicle.settings import Setting


class Task(ABC):
    """Target, loss, decoding and figures of one kind of problem.

    Attributes:
        name: The word for it in `--task` and in saved adapters.
        about: What it is, in one line.
        heads: Names of the heads that suit it; the first is the default.
        by_frame: Whether an output has a row for each frame.
        example: Two labels of such a corpus.
        primary: The figure that chooses the best epoch.
        best: What `score` gives where everything is right: 1, or 0 for an error rate.
        shown: The figures with an interval, by key, as the field writes them.
        plain: Those of `shown` that are written as they are, and not in percent.
        each_name: What the mean of `each` is called.
        settings: What can be chosen, by name.
        closed: Whether what is judged has to be known from training, and so has a loss.
        cohort_size: Recordings of training by which scores are normalised; 0: none.
        fewest_steps: Steps of the optimiser that a run has by default, on however few recordings.
        num_outputs: Width of the head's output.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    heads: ClassVar[tuple[str, ...]] = ("mean", "cls", "meanstd", "superb")
    by_frame: ClassVar[bool] = False
    example: ClassVar[tuple[str, str]]
    best: ClassVar[float] = 1.0
    primary: ClassVar[str]
    shown: ClassVar[Mapping[str, str]]
    plain: ClassVar[tuple[str, ...]] = ()
    each_name: ClassVar[str] = ""
    settings: ClassVar[Mapping[str, Setting]] = {}
    closed: ClassVar[bool] = True
    cohort_size: ClassVar[int] = 0
    fewest_steps: ClassVar[int] = 0
    num_outputs: int

    @classmethod
    @abstractmethod
    def of(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task that the training recordings set, after looking at all sides.

        Args:
            dataset: The recordings.
            frame_rate: Frames per second of the backbone.
            settings: By name; those that are not given are at their default.

        Raises:
            LabelError: what is to be predicted cannot be read, learnt or judged.
        """

    @abstractmethod
    def loss(self, outputs: Sequence[Tensor], labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the loss of a batch, a mean over its recordings."""

    @abstractmethod
    def combine_members(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return one output from those of several models for the same recording.

        The models are the members of an ensemble, with the same task. The result is in the form
        that `decode` expects, and does not depend on their order unless the task says so.

        Raises:
            RunError: the outputs cannot be combined, because they differ in their frames.
        """

    def combine_windows(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return one output for a long recording from those of its windows.

        Here: windows are combined as members are. A task with an output for each frame has only
        one window, since its recordings are not cut.
        """
        if not self.by_frame:
            return self.combine_members(outputs)
        (whole,) = outputs
        return whole

    @abstractmethod
    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return what the output says, as plain data: at least a `label`, as a corpus writes it.

        Figures are made of these, with the utterance's `key` added to each.
        """

    @abstractmethod
    def figures(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the figures of a set of recordings, as plain data; among them `count`."""

    @abstractmethod
    def resampler(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a quick function from chosen rows to the figures of `shown`."""

    def score(self, figures: Mapping[str, Any]) -> float:
        """Return the primary figure, an error rate turned round, so that more is better."""
        value: float = figures[self.primary]
        return value if self.best > 0 else -value

    def chance(self, labels: Sequence[str]) -> float:  # noqa: ARG002 - most tasks have none
        """Return the score that an answer reaches on these labels without listening.

        Epochs that are no better are compared by their loss. -inf: the score always decides.
        """
        return -math.inf

    def not_learnt(self, figures: Mapping[str, Any], chance: float) -> str:
        """Return a sentence for a run whose best epoch scores no better than `chance`."""
        name, value = self.shown[self.primary], figures[self.primary]
        reached = chance if self.best > 0 else -chance
        return (
            f"The best epoch has a validation {name} of {100 * value:.1f} %, and an answer that "
            f"does not listen reaches {100 * reached:.1f} %: nothing has been learnt that {name} "
            "shows. The epoch with the lowest validation loss is kept"
        )

    def each(
        self,
        labels: Sequence[str],  # noqa: ARG002 - most tasks have one
        decoded: Sequence[Mapping[str, Any]],  # noqa: ARG002 - likewise
    ) -> list[float] | None:
        """Return a score for each recording, more being better; None where only pairs have one.

        Two recipes are compared by it. Its mean is `each_name`.
        """
        return None

    def judged_by(self, trials: Sequence[Trial]) -> Self:
        """Return the task with the pairs that it is judged by; only verification has any."""
        if trials:
            raise LabelError(f"the task {self.name} has no use for a list of trials")
        return self

    def decoded_by(self, decoder: str) -> Self:
        """Return the task with another decoder; only a transcription has any.

        Raises:
            RunError: the task has none, or the decoder cannot be made.
        """
        raise RunError(f"the task {self.name} has no choice of decoder; leave '{decoder}' out")

    def against(
        self,
        first: Mapping[str, Any],  # noqa: ARG002 - most tasks have nothing to say
        one: Mapping[str, Any],  # noqa: ARG002 - likewise
    ) -> dict[str, Any]:
        """Return what a prediction says in the light of the first; only verification has any."""
        return {}

    def with_cohort(
        self,
        embeddings: NDArray[np.float64],  # noqa: ARG002 - only verification normalises
    ) -> Self:
        """Return the task with the embeddings (K, E) by which scores are normalised."""
        return self

    def notices(
        self,
        side: str,  # noqa: ARG002 - most tasks have nothing to say
        labels: Sequence[str],  # noqa: ARG002 - as above
    ) -> tuple[str, ...]:
        """Return sentences that a user must know about the labels of a side that is judged."""
        return ()

    @abstractmethod
    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first label that the task cannot be trained or judged on."""

    def check_lengths(
        self,
        utterances: Sequence[Utterance],  # noqa: ARG002 - most labels state no times
        seconds: Sequence[float],  # noqa: ARG002 - likewise
    ) -> None:
        """Raise LabelError for labels that do not fit into the lengths of their recordings."""
        return

    def frames_needed(self, label: str) -> int:  # noqa: ARG002 - only tasks by frame need some
        """Return the fewest frames in which the label can be said."""
        return 1

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain data to keep with an adapter: all that decoding and the loss depend on."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described.

        Raises:
            AdapterFileError: an entry is missing, or of another kind.
        """


def is_number(
    value: object, low: float = -math.inf, below: float = math.inf
) -> TypeGuard[int | float]:
    """Return whether a value of unknown origin is a finite number from `low` to below `below`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and low <= value < below


def are_texts(value: object) -> TypeGuard[list[str]]:
    """Return whether a value of unknown origin is a list of different texts, and not empty."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return False
    return len(value) == len(set(value)) > 0
