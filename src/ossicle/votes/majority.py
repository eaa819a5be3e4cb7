"""Majority vote: each member has one vote, and the mean probability decides ties.

    share of an option = (its votes + its mean probability) / (M + 1)

One more vote is divided among the options by their mean probability. It decides between options
with equal votes and nothing else: an option with fewer votes than another never has a mean
probability that is higher by 1. Without a difference there either, the first option wins. The vote
on frames comes before decoding: greedy CTC then merges repetitions and removes blanks.

    a presence with threshold t: mean probabilities and shares are moved so that t is at 1/2

Source: Lin et al. 2024, https://arxiv.org/abs/2401.02122. In the authors' code, ties go to the
first option.
"""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ossicle.tasks import Task
from ossicle.tasks.answer import Block, blocks
from ossicle.tasks.averaging import stacked
from ossicle.votes.vote import Decision, Vote


@final
class Majority(Vote):
    """The answer of most members; in each frame, for a task by frame."""

    name: ClassVar[str] = "majority"
    about: ClassVar[str] = "answer of most members; the higher mean probability decides ties"

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return True for choices and presences: numbers have no majority."""
        kinds = {answer.kind for answer in task.answers}
        return bool(kinds) and "number" not in kinds

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the decision on the shares of votes."""
        members = stacked(outputs)
        parts = [
            _choice(members[..., block.columns])
            if block.kind == "choice"
            else _presence(members[..., block.columns], block)
            for block in blocks(task.answers)
        ]
        output = torch.cat(parts, dim=-1).to(members)
        return Decision(task.decode(output), output)


def _choice(logits: Float[Tensor, "M ... C"]) -> Float[Tensor, "... C"]:
    """Return the logarithm of the share of each option."""
    votes = F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).sum(dim=0)
    return ((votes + logits.double().softmax(dim=-1).mean(dim=0)) / (len(logits) + 1)).log()


def _presence(logits: Float[Tensor, "M ... C"], block: Block) -> Float[Tensor, "... C"]:
    """Return the logits whose probabilities are above the threshold for a majority.

    Absence has a sum of its own, so that it is not rounded to 0 where presence is nearly certain.
    """
    threshold = torch.tensor([answer.threshold for answer in block.answers]).to(logits)
    votes = (logits.sigmoid() > threshold).sum(dim=0)
    logits, threshold = logits.double(), threshold.double()
    means = logits.sigmoid().mean(dim=0), (-logits).sigmoid().mean(dim=0)
    present, absent = _centred(*means, threshold)
    total = len(logits) + 1
    return _logit((votes + present) / total, (total - 1 - votes + absent) / total, threshold)


def _centred(present: Tensor, absent: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Return probabilities of presence and absence, moved so that the threshold is at 1/2."""
    low, high = present / (2 * threshold), absent / (2 * (1 - threshold))
    below = present < threshold
    return torch.where(below, low, 1 - high), torch.where(below, 1 - low, high)


def _logit(present: Tensor, absent: Tensor, threshold: Tensor) -> Tensor:
    """Return the logits of probabilities that were moved by `_centred`, moved back."""
    low, high = 2 * threshold * present, 2 * (1 - threshold) * absent
    return torch.where(present < absent, (low / (1 - low)).log(), ((1 - high) / high).log())
