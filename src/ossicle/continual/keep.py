"""The interface of a way to keep what earlier stages have learnt while a new stage trains.

    begin   once, before the first epoch; the parameters are those that the parent run ended with
    before  before the forward pass of each batch
    penalty after it: added to the loss of the batch
    finish  once, after training; the parameters are those of the best epoch

A way with parameters of its own (`parameters`), such as a discriminator, has them trained with the
adapters. They are part of the checkpoint and not of the adapter.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.data import Clips
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs
from ossicle.inference.single import SingleModel
from ossicle.settings import Setting
from ossicle.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a stage starts from.

    Attributes:
        single: The model, with the parameters that the parent run ended with; placements that are
            new act as if they were not there.
        task: The task of the new stage.
        tensors: Copies of all tensors at the start, by key, those that do not train included.
        old_outputs: For each output of the parent's head, its number among the outputs of the new
            head; None: it has no counterpart there.
        new_keys: Keys of tensors that the parent run does not have.
        source: Training recordings of earlier stages; None for a way that does not read them.
        fisher: Diagonal of the Fisher information by key, of the earlier stages; None for a way
            that does not need it.
        batch_size: Recordings in a batch.
        seed: Seed of the run.
    """

    single: SingleModel
    task: Task
    tensors: Mapping[str, Tensor]
    old_outputs: Sequence[int | None]
    new_keys: frozenset[str]
    source: Clips | None
    fisher: Mapping[str, Tensor] | None
    batch_size: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """A batch of the new stage, after its forward pass.

    Attributes:
        rows: The rows of the batch.
        outputs: The outputs of the model for them.
        embeddings: The pooled backbone output for them, with gradients.
        step: Number of the step, from 0.
        num_steps: Number of steps of the whole training.
    """

    rows: Sequence[BatchRow]
    outputs: Outputs
    embeddings: Float[Tensor, "B D"]
    step: int
    num_steps: int


class Keep(nn.Module, ABC):
    """A way to keep what earlier stages have learnt.

    Attributes:
        name: Its name in `--keep`.
        about: What it does, in one sentence.
        source: The publication.
        setting: Name of its only setting, and the setting.
        reads_source: Whether it reads training recordings of earlier stages.
        needs_fisher: Whether it needs the Fisher information of earlier stages.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str]
    setting: ClassVar[tuple[str, Setting]]
    reads_source: ClassVar[bool] = False
    needs_fisher: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def begin(cls, value: float, start: Start) -> Self:
        """Return the way, with the value of its setting, at the start of a stage.

        Raises:
            RunError: it cannot act on this model, task or data.
        """

    def before(self, rows: Sequence[BatchRow]) -> None:
        """Compute what is needed before the forward pass of a batch."""

    def penalty(self, step: Step) -> Float[Tensor, ""] | None:  # noqa: ARG002 - not all have one
        """Return what is added to the loss of a batch; None: nothing."""
        return None

    def finish(self, tensors: Mapping[str, nn.Parameter]) -> None:
        """Change the parameters after training, in place."""
