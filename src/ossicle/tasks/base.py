"""A task: what a head's output means, how it is trained and how it is judged."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor


class Task(ABC):
    """Target, loss, decoding and figures of one kind of problem.

    Attributes:
        name: The word for it in saved adapters.
        primary: The figure that chooses the best epoch; higher is better.
        num_outputs: Width of the head's output.
    """

    name: ClassVar[str]
    primary: ClassVar[str]
    num_outputs: int

    @abstractmethod
    def loss(self, output: Float[Tensor, "B out"], labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean loss of a batch."""

    @abstractmethod
    def combine(self, windows: Float[Tensor, "W out"]) -> Float[Tensor, " out"]:
        """Return one output for a long recording from those of its windows."""

    @abstractmethod
    def decode(self, output: Float[Tensor, " out"]) -> dict[str, Any]:
        """Return what the output says, as plain data: at least a `label`."""

    @abstractmethod
    def figures(self, labels: Sequence[str], decoded: Sequence[str]) -> dict[str, Any]:
        """Return the figures of a set of recordings, as plain data."""

    @abstractmethod
    def resampler(
        self, labels: Sequence[str], decoded: Sequence[str]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a quick function from chosen rows to the figures that have an interval."""

    @abstractmethod
    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first label that the task cannot be trained or judged on."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain data to keep with an adapter."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Task":
        """Return the task that `to_dict` described."""
