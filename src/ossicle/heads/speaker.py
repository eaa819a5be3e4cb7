"""Speaker embedding heads. The classifier over training speakers is used by the loss only.

    embedding  e = pooling(projector(frames)), projector as wide as the backbone
    output     (e, W e, cos(W, e)) with W (C, E) the weights of the training speakers

    speaker-mean       mean over real frames                               Inoue et al. 2024
    speaker-meanstd    mean and standard deviation (divided by n, in their code by n - 1)
    speaker-attentive  sum over frames of softmax(v . tanh(A frame)) frame, A 128 wide

D backbone width, C speakers. Parameters: (D + 1) D + D C; meanstd (D + 1) D + 2 D C; attentive
(D + 1) D + D C + (D + 1) 128 + 128. Losses read W e or the cosines; trials compare embeddings.

Sources: Inoue et al. 2024, https://arxiv.org/abs/2407.21066; of the attentive pooling, Safari et
al. 2020, https://arxiv.org/abs/2008.01077.
"""

from abc import abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.anatomy import Anatomy
from ossicle.head_form import HeadForm
from ossicle.heads.head import PooledHead
from ossicle.heads.pool import masked_deviation, masked_mean

ATTENTION_WIDTH = 128


class SpeakerHead(PooledHead):
    """A pooled embedding, with scores of the training speakers for the loss."""

    pooled: ClassVar[int] = 1  # times the backbone's width
    last: ClassVar[str] = "speakers"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.projector = nn.Linear(anatomy.width, anatomy.width)
        self.speakers = nn.Linear(self.pooled * anatomy.width, num_outputs, bias=False)

    def forward(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B O"]:
        """Return the embedding, inner products and cosines of each row: O = E + 2 C."""
        embedding = self.embedding(hidden, frame_mask)
        cosines = F.linear(
            F.normalize(embedding, dim=-1), F.normalize(self.speakers.weight, dim=-1)
        )
        return torch.cat((embedding, self.speakers(embedding), cosines), dim=-1)

    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the pooled projections of the frames, which trials compare."""
        return self.pool(self.projector(hidden), frame_mask)

    @abstractmethod
    def pool(
        self, frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return one vector for each row."""


class SpeakerMeanHead(SpeakerHead):
    """The mean over real frames."""

    name: ClassVar[str] = "speaker-mean"
    summary: ClassVar[str | None] = "mean"  # the mean of a linear map is the map of the mean

    def pool(
        self, frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the mean."""
        return masked_mean(frames, frame_mask)

    def form(self) -> HeadForm:
        """Return the mean of projected frames, which is the embedding."""
        return HeadForm("mean", self.projector, self.speakers)


class SpeakerMeanStdHead(SpeakerHead):
    """Mean and standard deviation over real frames."""

    name: ClassVar[str] = "speaker-meanstd"
    pooled: ClassVar[int] = 2

    def pool(
        self, frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return mean and standard deviation, concatenated."""
        both = masked_mean(frames, frame_mask), masked_deviation(frames, frame_mask)
        return torch.cat(both, dim=-1)


class SpeakerAttentiveHead(SpeakerHead):
    """A mean over real frames with learned weights."""

    name: ClassVar[str] = "speaker-attentive"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.attention = nn.Linear(anatomy.width, ATTENTION_WIDTH)
        self.score = nn.Linear(ATTENTION_WIDTH, 1, bias=False)

    def pool(
        self, frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the weighted mean; padded frames have weight zero."""
        scores = self.score(torch.tanh(self.attention(frames)))  # (B, T, 1)
        weights = scores.masked_fill(~frame_mask[..., None], float("-inf")).softmax(dim=1)
        mean: Tensor = (weights * frames).sum(dim=1)
        return mean
