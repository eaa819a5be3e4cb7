"""Weighted mean: members with a better result on validation recordings count for more.

    minimise over w_1 .. w_M, each at least 0, of sum 1:
        mean loss of the weighted mean + (1 / N) (1 / M) sum_m -ln w_m

The loss is the task's own, on N validation recordings; for numbers it is 1 - CCC, so that the
weights are those of the highest CCC. The second term counts as one more recording, on which equal
weights are best: with few recordings the weights stay near 1 / M, and none is 0. The mean is that
of `Task.combine_members`: of probabilities, log-probabilities (CTC) or values.

Source: Breiman 1996, "Stacked regressions", which restricts weights to at least 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta, Struct
from torch import Tensor

from ossicle.errors import AdapterFileError, LabelError, RunError
from ossicle.heads import Outputs
from ossicle.tasks import Task
from ossicle.tasks.averaging import mean_of_answers, stacked
from ossicle.votes.vote import Decision, Vote, read_entries

FEWEST: Final = 2  # a CCC needs two recordings
BATCH: Final = 64  # recordings by frame at a time, to bound the memory


class SavedWeights(Struct):
    """Entries of a saved weighted mean."""

    weights: Annotated[list[Annotated[float, Meta(ge=0, le=1)]], Meta(min_length=1)]


@final
class Weighted(Vote):
    """The weighted mean of the members.

    Attributes:
        weights: The weight of each member, in their order; they sum to 1.
    """

    name: ClassVar[str] = "weighted"
    about: ClassVar[str] = "mean with the weights that are best on validation recordings"
    learns: ClassVar[bool] = True

    def __init__(self, weights: Sequence[float]) -> None:
        self.weights = tuple(weights)

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return True, unless the output is an embedding."""
        return bool(task.answers)

    @classmethod
    def fit(
        cls, task: Task, outputs: Sequence[Sequence[Tensor]], labels: Sequence[str]
    ) -> "Weighted":
        """Return the mean with the best weights."""
        from scipy.optimize import minimize

        if len(outputs) < FEWEST:
            raise LabelError(
                f"there are {len(outputs)} validation recordings; the weighted vote needs at least "
                f"{FEWEST}. Use --vote soft, or more validation recordings"
            )
        size = BATCH if task.by_frame else len(outputs)
        batches = [
            _Batch.of(outputs[start : start + size], labels[start : start + size])
            for start in range(0, len(outputs), size)
        ]

        def objective(logits: Float[np.ndarray, " M"]) -> tuple[float, Float[np.ndarray, " M"]]:
            return _value_and_gradient(task, batches, logits)

        found = minimize(objective, np.zeros(len(outputs[0])), jac=True, method="L-BFGS-B")
        if not np.isfinite(found.fun):
            raise RunError(
                "the loss of the members on the validation recordings is not finite, so that no "
                "weights are best. Leave out members whose training has diverged"
            )
        return cls(torch.from_numpy(found.x).softmax(dim=0).tolist())

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the decision on the weighted mean."""
        if len(outputs) != len(self.weights):
            raise RunError(
                f"the weights are those of {len(self.weights)} members and there are "
                f"{len(outputs)}; fit the vote to these members"
            )
        weights = torch.tensor(self.weights, dtype=torch.float64)
        output = mean_of_answers(
            stacked(outputs), task.answers, by_frame=task.by_frame, weights=weights
        )
        return Decision(task.decode(output), output)

    def to_dict(self) -> dict[str, Any]:
        """Return the name and the weights."""
        return {"name": self.name, "weights": list(self.weights)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the weighted mean that `to_dict` described."""
        weights = read_entries(data, SavedWeights).weights
        if abs(sum(weights) - 1) > 1e-6:
            raise AdapterFileError(
                f"the saved vote: its weights sum to {sum(weights):g}; expected 1. Copy the file "
                "again"
            )
        return cls(weights)


@dataclass(frozen=True)
class _Batch:
    """Several recordings, one after the other.

    Attributes:
        members: Outputs of all members, (M, N, C), or (M, sum of frames, C).
        num_frames: Frames of each recording; None for one output a recording.
        labels: Their labels.
    """

    members: Tensor
    num_frames: list[int] | None
    labels: Sequence[str]

    @classmethod
    def of(cls, outputs: Sequence[Sequence[Tensor]], labels: Sequence[str]) -> Self:
        rows = [stacked(members).double() for members in outputs]
        if rows[0].ndim == 2:
            return cls(torch.stack(rows, dim=1), None, labels)
        return cls(torch.cat(rows, dim=1), [row.shape[1] for row in rows], labels)

    def loss(self, task: Task, weights: Tensor) -> Tensor:
        """Return the loss of the weighted mean, a mean over the recordings."""
        combined = mean_of_answers(
            self.members, task.answers, by_frame=task.by_frame, weights=weights
        )
        if self.num_frames is None:
            return task.loss(Outputs(combined), self.labels)
        return task.loss(Outputs.of(combined.split(self.num_frames)), self.labels)


def _value_and_gradient(
    task: Task, batches: Sequence[_Batch], logits: Float[np.ndarray, " M"]
) -> tuple[float, Float[np.ndarray, " M"]]:
    """Return what is minimised, and its gradient; the weights are a softmax of the logits."""
    given = torch.from_numpy(logits).requires_grad_()
    total = sum(len(batch.labels) for batch in batches)
    value = 0.0
    for batch in batches:  # one graph at a time
        part = batch.loss(task, given.softmax(dim=0)) * len(batch.labels) / total
        part.backward()
        value += part.item()
    pull = -given.log_softmax(dim=0).mean() / total
    pull.backward()
    assert given.grad is not None
    return value + pull.item(), given.grad.numpy()
