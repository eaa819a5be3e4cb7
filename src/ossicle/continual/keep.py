"""The interface of a way to keep what earlier stages have learnt while a new stage trains.

    begin        once, before the first epoch; the parameters are those the parent run ended with
    begin_epoch  before the first batch of each epoch
    before       before the forward pass of each batch
    penalty      after it: added to the loss of the batch
    finished     after each epoch: the parameters that are validated and saved, if others than
                 those that go on training

A way with parameters of its own (`parameters`), such as a discriminator, has them trained with the
adapters. They are part of the checkpoint and not of the adapter.

Of several processes that train together, each computes the penalty of the whole batch, and the sum
of their gradients must be its gradient. Outputs and embeddings see to that themselves: gradients
flow only into the rows of the process. A penalty on parameters counts in the main process alone:
`Start.own`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.processes import Processes
from ossicle.data import Clips
from ossicle.errors import RunError
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
        processes: The processes that train together.
    """

    single: SingleModel
    task: Task
    tensors: Mapping[str, Tensor]
    old_outputs: Sequence[int | None]
    new_keys: frozenset[str] = frozenset()
    source: Clips | None = None
    fisher: Mapping[str, Tensor] | None = None
    batch_size: int
    seed: int
    processes: Processes

    def shared(self, way: str) -> dict[str, nn.Parameter]:
        """Return the parameters that train and that the parent run has, by key.

        Args:
            way: The way to keep, for the message.

        Raises:
            RunError: there are none.
        """
        trained = self.single.model.trainable()
        found = {key: p for key, p in trained.items() if key not in self.new_keys}
        if not found:
            raise RunError(
                f"--keep {way} acts on what the parent run has trained, and nothing of it trains "
                "here. Freeze less of it, or leave --keep out"
            )
        return found

    def old_rows(self, key: str) -> list[int] | None:
        """Return the rows of a tensor that the parent run has; None: all.

        A head with more outputs than the parent's has new rows in its last layer.
        """
        head = self.single.model.head
        if head is None or not key.startswith(f"head/{head.last}."):
            return None
        return [number for number in self.old_outputs if number is not None]

    def own(self, penalty: Float[Tensor, ""]) -> Float[Tensor, ""]:
        """Return a penalty on parameters, whose gradient counts in one process only."""
        return penalty if self.processes.is_main else penalty.detach()


@dataclass(frozen=True, kw_only=True)
class Step:
    """A batch of the new stage, after its forward pass.

    Attributes:
        outputs: The outputs of the model for the whole batch.
        embeddings: The mean over its real frames of what the head reads, of each row of the whole
            batch; None for a way that does not read it.
        progress: Steps done before this one, as a fraction of all steps of the training.
    """

    outputs: Outputs
    embeddings: Float[Tensor, "B D"] | None
    progress: float


class Keep(nn.Module):
    """A way to keep what earlier stages have learnt.

    Attributes:
        name: Its name in `--keep`.
        about: What it does, in one sentence.
        source: The publication.
        setting: Name of its only setting, and the setting.
        reads_source: Whether it reads training recordings of earlier stages.
        adds_source: Whether a share of those, which is its setting, is trained on.
        needs_fisher: Whether it needs the Fisher information of earlier stages.
        reads_embeddings: Whether it reads embeddings.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str]
    setting: ClassVar[tuple[str, Setting]]
    reads_source: ClassVar[bool] = False
    adds_source: ClassVar[bool] = False
    needs_fisher: ClassVar[bool] = False
    reads_embeddings: ClassVar[bool] = False

    def __init__(self, value: float, start: Start) -> None:
        """Keep the value of the setting, and the start of the stage.

        Raises:
            RunError: it cannot act on this model, task or data.
        """
        super().__init__()
        self.check(start)
        self.value, self.start = float(value), start

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless the way can act on the model, the task and the data of a stage.

        The Fisher information is not there yet.
        """

    def begin_epoch(self, number: int, sizes: Sequence[int]) -> None:
        """Prepare an epoch, before its first batch.

        Args:
            number: Number of the epoch, from 1.
            sizes: Recordings of each of its batches, over all processes.
        """

    def before(self, rows: Sequence[BatchRow]) -> None:
        """Compute what is needed before the forward pass of a batch.

        Args:
            rows: The rows of this process; it may have none of a batch.
        """

    def penalty(self, step: Step) -> Float[Tensor, ""] | None:  # noqa: ARG002 - not all have one
        """Return what is added to the loss of a batch; None: nothing."""
        return None

    def finished(self, tensors: Mapping[str, Tensor]) -> Mapping[str, Tensor]:  # noqa: ARG002 - as above
        """Return the tensors that are validated and saved in place of those of the same keys."""
        return {}


@contextmanager
def acting(parameters: Mapping[str, nn.Parameter], tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Let a model act with other tensors; its parameters are as before afterwards."""
    before = {key: parameters[key].data for key in tensors}
    try:
        for key, tensor in tensors.items():
            parameters[key].data = tensor.detach()
        yield
    finally:
        for key, tensor in before.items():
            parameters[key].data = tensor


@contextmanager
def as_finished(model: AdaptedModel, keep: Keep | None) -> Iterator[None]:
    """Let a model act with the tensors that are saved."""
    if keep is None:
        yield
        return
    parameters = model.tensors()
    with acting(parameters, keep.finished(parameters)):
        yield
