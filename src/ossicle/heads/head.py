"""Heads for whole recordings and for frames.

    mean      linear(mean over real frames or tokens)                  Cappellazzo et al. 2023
    cls       linear(token 0)                                          models with a CLS token
    meanstd   linear(mean and standard deviation over real frames)     as in x-vectors
    superb    linear(mean of projector(frames)), projector 256 wide    SUPERB's downstream model
    ast       linear(norm(mean of token 0 and 1))                      AST's own classifier
    frames         linear(frame), for each frame                       CTC
    superb-frames  linear(projector(frame)), projector 256 wide        SUPERB's phone recognition

The standard deviation of meanstd divides by the number of frames n; torch.std divides by n - 1.

D backbone width, C outputs. Parameters: mean, cls and frames (D + 1) C; meanstd (2 D + 1) C; superb
and superb-frames (D + 1) 256 + 257 C; ast (D + 1) C + 2 D.

Source of `mean`: Cappellazzo et al. 2023, https://arxiv.org/abs/2312.03694, which uses it with
every method.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Anatomy
from ossicle.errors import MergeError, RecipeMismatch
from ossicle.head_form import HeadForm
from ossicle.heads.outputs import Outputs
from ossicle.heads.pool import masked_deviation, masked_mean
from ossicle.writing import Text, TextDecoder

PROJECTOR_WIDTH = 256
SPECIAL = 2  # tokens before the patches of AST
EPS = 1e-12  # of AST's norms, in transformers
FRAMES_LR = 1e-2  # SUPERB's for CTC on a frozen backbone; at 1e-3 it predicts only blanks for long


class Head(nn.Module, ABC):
    """Base class of heads. A head is built from an anatomy and the number of outputs.

    Attributes:
        name: Name of the head in settings and files.
        width: Channels of the frames it reads.
        num_outputs: Number of outputs for each row, or for each frame.
        default_lr: Learning rate if the run does not set one.
        by_frame: Whether there is an output for each frame.
        summary: Key of `ossicle.heads.pool.SUMMARIES`: a shorter sequence that gives the same
            output, so that it can be cached instead of all frames; None: all frames are needed.
        last: Name of its last layer, whose tensors have a row for each output.
        needs_decoder: Whether it runs the text decoder of the backbone.
    """

    name: ClassVar[str]
    by_frame: ClassVar[bool] = False
    default_lr: ClassVar[float] = 1e-3
    summary: ClassVar[str | None] = None
    last: ClassVar[str] = "linear"
    needs_decoder: ClassVar[bool] = False

    @abstractmethod
    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        """Build the head on torch's current default device."""
        super().__init__()
        self.width = anatomy.width
        self.num_outputs = num_outputs

    @abstractmethod
    def forward(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B ..."]:
        """Return the outputs of each row, or of each of its frames; padding is ignored."""

    def connect(self, decoder: TextDecoder) -> None:
        """Take the text decoder of the backbone that the head is attached to."""

    def form(self) -> HeadForm:
        """Return what the head computes, if it is linear in the frames.

        Raises:
            MergeError: it is not.
        """
        raise MergeError(
            f"the head '{self.name}' is not a linear layer on the mean of the frames or on each "
            "frame, and the classes of transformers have no other"
        )

    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return one vector for each row: here, the mean over its real frames."""
        return masked_mean(hidden, frame_mask)

    def outputs(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],
        texts: Sequence[Text] = (),  # noqa: ARG002 - most heads write no text
    ) -> Outputs:
        """Return the outputs of each row as the loss of a task reads them."""
        return Outputs(self(hidden, frame_mask), frame_mask if self.by_frame else None)

    def answers(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],
        texts: Sequence[Text] = (),
    ) -> Outputs:
        """Return the outputs of each row as a task decodes them: for most heads, the same."""
        return self.outputs(hidden, frame_mask, texts)


class PooledHead(Head):
    """A linear layer on an embedding of each row."""

    linear: nn.Linear

    @abstractmethod
    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the embedding of each row, the input of the last layer; padding is ignored."""

    def forward(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B O"]:
        """Return linear(embedding)."""
        output: Tensor = self.linear(self.embedding(hidden, frame_mask))
        return output


class MeanHead(PooledHead):
    """A linear layer on the mean over all real frames or tokens."""

    name: ClassVar[str] = "mean"
    summary: ClassVar[str | None] = "mean"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.linear = nn.Linear(anatomy.width, num_outputs)

    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return the mean."""
        return masked_mean(hidden, frame_mask)

    def form(self) -> HeadForm:
        """Return the linear layer on the mean."""
        return HeadForm("mean", None, self.linear)


class ClsHead(PooledHead):
    """A linear layer on the CLS token."""

    name: ClassVar[str] = "cls"
    summary: ClassVar[str | None] = "first"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        if not anatomy.has_cls:
            raise RecipeMismatch(
                f"head 'cls' needs a CLS token, which {anatomy.family} does not have; "
                "use mean, meanstd or superb"
            )
        self.linear = nn.Linear(anatomy.width, num_outputs)

    def embedding(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],  # noqa: ARG002 - token 0 is always real
    ) -> Float[Tensor, "B E"]:
        """Return token 0."""
        return hidden[:, 0]

    def form(self) -> HeadForm:
        """Return the linear layer on token 0."""
        return HeadForm("cls", None, self.linear)


class MeanStdHead(PooledHead):
    """A linear layer on the mean and the standard deviation over real frames."""

    name: ClassVar[str] = "meanstd"
    summary: ClassVar[str | None] = "meanstd"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.linear = nn.Linear(2 * anatomy.width, num_outputs)

    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return mean and deviation; the variance divides by the number of frames."""
        both = masked_mean(hidden, frame_mask), masked_deviation(hidden, frame_mask)
        return torch.cat(both, dim=-1)


class SuperbHead(PooledHead):
    """SUPERB's downstream model: a projector on each frame, the mean, a linear layer."""

    name: ClassVar[str] = "superb"
    summary: ClassVar[str | None] = "mean"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.projector = nn.Linear(anatomy.width, PROJECTOR_WIDTH)
        self.linear = nn.Linear(PROJECTOR_WIDTH, num_outputs)

    def embedding(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B E"]:
        """Return mean(projector)."""
        return masked_mean(self.projector(hidden), frame_mask)

    def form(self) -> HeadForm:
        """Return the linear layer on the mean of projected frames."""
        return HeadForm("mean", self.projector, self.linear)


class AstHead(PooledHead):
    """The classifier of AST: a norm and a linear layer on the mean of its two special tokens."""

    name: ClassVar[str] = "ast"

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        if not anatomy.has_cls:
            raise RecipeMismatch(
                f"head 'ast' needs a CLS and a distillation token, which {anatomy.family} does not "
                "have; use mean, meanstd or superb"
            )
        found = (site.eps for site in anatomy.sites if site.name == "norm.final")
        self.norm = nn.LayerNorm(anatomy.width, eps=next(found, None) or EPS)
        self.linear = nn.Linear(anatomy.width, num_outputs)

    def embedding(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],  # noqa: ARG002 - the first two tokens are always real
    ) -> Float[Tensor, "B E"]:
        """Return norm(mean of CLS and distillation token)."""
        embedding: Tensor = self.norm((hidden[:, 0] + hidden[:, 1]) / SPECIAL)
        return embedding

    def form(self) -> HeadForm:
        """Return the norm and the linear layer on the mean of the two tokens."""
        return HeadForm("cls-distillation", None, self.linear, norm=self.norm)


class FramesHead(Head):
    """A linear layer on each frame."""

    name: ClassVar[str] = "frames"
    by_frame: ClassVar[bool] = True
    default_lr: ClassVar[float] = FRAMES_LR

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        check_time_axis(self.name, anatomy)
        self.linear = nn.Linear(anatomy.width, num_outputs)

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],  # noqa: ARG002 - the task leaves padded frames out
    ) -> Float[Tensor, "B T C"]:
        """Return linear(frame)."""
        output: Tensor = self.linear(hidden)
        return output

    def form(self) -> HeadForm:
        """Return the linear layer on each frame."""
        return HeadForm("frames", None, self.linear)


class SuperbFramesHead(Head):
    """SUPERB's phone recognition head: a projector and a linear layer on each frame."""

    name: ClassVar[str] = "superb-frames"
    by_frame: ClassVar[bool] = True
    default_lr: ClassVar[float] = FRAMES_LR

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        check_time_axis(self.name, anatomy)
        self.projector = nn.Linear(anatomy.width, PROJECTOR_WIDTH)
        self.linear = nn.Linear(PROJECTOR_WIDTH, num_outputs)

    def forward(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],  # noqa: ARG002 - the task leaves padded frames out
    ) -> Float[Tensor, "B T C"]:
        """Return linear(projector(frame))."""
        output: Tensor = self.linear(self.projector(hidden))
        return output

    def form(self) -> HeadForm:
        """Return the linear layer on each projected frame."""
        return HeadForm("frames", self.projector, self.linear)


def check_time_axis(head: str, anatomy: Anatomy) -> None:
    """Raise RecipeMismatch unless the backbone's tokens are frames in time order."""
    if any(site.grid for site in anatomy.sites):
        raise RecipeMismatch(
            f"head '{head}' needs frames in time order, and the tokens of {anatomy.family} are "
            "patches of time and frequency; use a backbone over waveforms, or a task for whole "
            "recordings"
        )
