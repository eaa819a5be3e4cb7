"""LwF, learning without forgetting: on the new recordings, old outputs stay as they were.

    loss  <-  loss + strength * mean over answers and recordings of D(teacher, student)

    text              D of the choice of each token, given the true tokens before it
    choice            D = KL(softmax(t / 2) || softmax(s / 2)), over the options the parent knows
    presence          D = the same for a sigmoid: KL(Bernoulli(t / 2) || Bernoulli(s / 2))
    number            D = (t - s)^2, in the unit of the output
    embedding         D = 1 - cos(t, s)
    output by frame   the mean of D over the real frames of a recording

t and s are the outputs for the same batch of the model at the start (the teacher, without dropout)
and of the model that trains. The paper's cross-entropy with temperature 2 has the gradient of this
divergence; its strength is 1. It sums over answers where this takes the mean, as the losses of the
tasks do.

The teacher is the model itself with the tensors of the start in place of those that train, so it
takes no second model in memory, and costs one forward pass a batch.

Source: Li and Hoiem 2016, https://arxiv.org/abs/1606.09282, eq. 2 to 4. Squared errors and cosines
for what is not a choice are ours.
"""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ossicle.continual.keep import Keep, Start, Step, acting
from ossicle.continual.old import Kind, Old, old_answers
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs
from ossicle.settings import Setting

TEMPERATURE = 2.0


class LwF(Keep):
    """Distils the model at the start on the recordings of the new stage."""

    name: ClassVar[str] = "lwf"
    about: ClassVar[str] = "keeps the parent run's outputs for the new recordings (distillation)"
    source: ClassVar[str] = "Li and Hoiem 2016, https://arxiv.org/abs/1606.09282"
    setting: ClassVar[tuple[str, Setting]] = (
        "strength",
        Setting("factor of the divergence from the old outputs", 1.0, low=0, high=1e6),
    )

    def __init__(self, value: float, start: Start) -> None:
        super().__init__(value, start)
        self._answers = old_answers(start.task, start.old_outputs, self.name)
        self._teacher: Outputs | None = None

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless there are old outputs."""
        old_answers(start.task, start.old_outputs, cls.name)

    def before(self, rows: Sequence[BatchRow]) -> None:
        """Compute the outputs of the model at the start."""
        start, model = self.start, self.start.single.model
        self._teacher = None
        if rows:
            trained = model.trainable()
            model.eval()
            with torch.no_grad(), acting(trained, {key: start.tensors[key] for key in trained}):
                self._teacher = start.single.forward(rows)  # of a text, given the true tokens
            model.train()

    def penalty(self, step: Step) -> Float[Tensor, ""]:
        """Return strength times the mean divergence."""
        teacher = self.start.processes.whole_batch(self._teacher)
        total = sum(
            (one.count * divergence(one, teacher, step.outputs) for one in self._answers),
            start=step.outputs.values.new_zeros(()),
        )
        return self.value / sum(one.count for one in self._answers) * total


def divergence(answer: Old, teacher: Outputs, student: Outputs) -> Float[Tensor, ""]:
    """Return the mean over recordings of the distance of two outputs: see the module."""
    by_place = DISTANCES[answer.kind](answer.of(teacher), answer.of(student))  # (B,) or (B, T)
    if student.frame_mask is None:
        return by_place.mean()
    mask = student.frame_mask.to(by_place)
    return ((by_place * mask).sum(dim=1) / mask.sum(dim=1)).mean()


def _of_choices(t: Float[Tensor, "... C"], s: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    target, found = ((one / TEMPERATURE).log_softmax(dim=-1) for one in (t, s))
    return F.kl_div(found, target, reduction="none", log_target=True).sum(dim=-1)


def _of_presences(t: Float[Tensor, "... C"], s: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    both = [torch.stack((one, -one), dim=-1) / TEMPERATURE for one in (t, s)]
    target, found = (F.logsigmoid(one) for one in both)
    return F.kl_div(found, target, reduction="none", log_target=True).sum(dim=-1).mean(dim=-1)


def _of_numbers(t: Float[Tensor, "... C"], s: Float[Tensor, "... C"]) -> Float[Tensor, "..."]:
    return (t - s).square().mean(dim=-1)


def _of_embeddings(t: Float[Tensor, "... E"], s: Float[Tensor, "... E"]) -> Float[Tensor, "..."]:
    return 1 - (t * s).sum(dim=-1)


DISTANCES: Final[dict[Kind, Callable[[Tensor, Tensor], Tensor]]] = {
    "choice": _of_choices,
    "presence": _of_presences,
    "number": _of_numbers,
    "embedding": _of_embeddings,
}
