"""CORAL: embeddings of both domains get the same covariance.

    loss  <-  loss + strength * |C_S - C_T|_F^2 / (4 D^2)
    C = (X^T X - (1^T X)^T (1^T X) / n) / (n - 1)

X (n, D) are the embeddings of a batch of earlier recordings (S) and of the batch of new ones (T),
without their labels: the mean over real frames of what the head reads. The strength that the paper
advises makes both losses about equal at the end of training. A batch of one recording has no
covariance, and adds nothing.

Source: Sun and Saenko 2016, https://arxiv.org/abs/1607.01719, eq. 1 to 4. There the labels are
those of S; here they are those of T, and the loss keeps S near to it.
"""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.continual.domains import DomainKeep
from ossicle.continual.keep import Start, Step
from ossicle.errors import RunError
from ossicle.settings import Setting


class Coral(DomainKeep):
    """Aligns covariances of embeddings."""

    name: ClassVar[str] = "coral"
    about: ClassVar[str] = "aligns the covariances of embeddings of earlier and new recordings"
    source: ClassVar[str] = "Sun and Saenko 2016, https://arxiv.org/abs/1607.01719"
    setting: ClassVar[tuple[str, Setting]] = (
        "strength",
        Setting("factor of the distance between covariances", 100.0, low=0, high=1e12),
    )

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError if only the head trains, or a batch has a single recording."""
        super().check(start)
        if start.batch_size < 2:
            raise RunError(
                "--keep coral compares covariances, which a batch of one recording does not "
                "have. Use a --batch-size of 2 or more"
            )

    def penalty(self, step: Step) -> Float[Tensor, ""] | None:
        """Return strength times the distance of the covariances."""
        assert step.embeddings is not None  # `reads_embeddings`
        if len(step.embeddings) < 2:
            return None
        return self.value * coral_distance(self.earlier_embeddings(), step.embeddings)


def coral_distance(source: Float[Tensor, "N D"], target: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """Return |C_S - C_T|_F^2 / (4 D^2); both need two rows at least."""
    difference = torch.cov(source.T) - torch.cov(target.T)
    return difference.square().sum() / (4 * source.shape[1] ** 2)
