"""One run in several processes, started by torchrun or accelerate launch.

Each process takes every n-th row of a batch and computes the loss of the whole batch: the outputs
of the other processes are gathered without gradients, and the gradients are summed. Any loss is
therefore that of one process, also one that compares all rows of a batch, as CCC does.

Outputs are gathered as tensors, padded to the largest. Other values (keys, decoded answers, errors)
are gathered by `all_gather_object`: they have a few kilobytes, for which torch has nothing faster.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn

from ossicle.errors import OssicleError
from ossicle.heads import Outputs

Item = TypeVar("Item")


class Processes:
    """The processes of a run; a single one unless a launcher started several."""

    def __init__(self, *, cpu: bool = False) -> None:
        """Join the process group.

        Args:
            cpu: Whether the run computes on the CPU.
        """
        self._state = PartialState(cpu=cpu)
        self.rank: int = self._state.process_index
        self.count: int = self._state.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    @property
    def local_rank(self) -> int:
        """The number of this process on its machine, which is also the number of its GPU."""
        number: int = self._state.local_process_index
        return number

    def own(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return the items of this process: every n-th, starting at its rank."""
        return items[self.rank :: self.count]

    def gather(self, item: Item) -> list[Item]:
        """Return the values of all processes, by rank."""
        if self.count == 1:
            return [item]
        gathered: list[Item | None] = [None] * self.count
        distributed.all_gather_object(gathered, item)
        return [one for one in gathered if one is not None]

    def interleave(self, mine: Sequence[Item]) -> list[Item]:
        """Return the items of all processes in their order before `own` distributed them."""
        parts = self.gather(list(mine))
        total = sum(len(part) for part in parts)
        return [parts[i % self.count][i // self.count] for i in range(total)]

    def gather_outputs(self, mine: Outputs | None) -> list[Outputs]:
        """Return the outputs of every process that has any, by rank, without gradients.

        Args:
            mine: The outputs of this process; None: it has no rows.
        """
        if self.count == 1:
            return [] if mine is None else [mine]
        parts, counts = self._gather_padded(mine)
        return [part.first(count) for part, count in zip(parts, counts, strict=True) if count]

    def whole_batch(self, mine: Outputs | None) -> Outputs:
        """Return the outputs of all rows of a batch, of which this process has every n-th.

        Gradients flow only into the rows of this process.

        Args:
            mine: The outputs of this process; None: it has no rows.
        """
        if self.count == 1:
            assert mine is not None, "a batch has at least one row"
            return mine
        parts, counts = self._gather_padded(mine)
        if mine is not None:
            parts[self.rank] = mine.padded(*parts[self.rank].values.shape[:-1])
        return Outputs.interleaved(parts).first(sum(counts))

    def _gather_padded(self, mine: Outputs | None) -> tuple[list[Outputs], list[int]]:
        """Return the outputs of every process, padded to one shape, and their numbers of rows."""
        shape = (0, 0) if mine is None else mine.values.shape
        own = torch.tensor([shape[0], sum(shape[1:-1]), shape[-1]], device=self._state.device)
        sizes = torch.stack(self._gather_tensor(own))  # (processes, 3): rows, frames or 0, width
        num_rows, num_frames, width = sizes.amax(dim=0).tolist()
        full = (num_rows, num_frames, width) if num_frames else (num_rows, width)
        if mine is None:
            mine = Outputs.empty(full[1:], self._state.device)
        mine = mine.padded(*full[:-1])
        values = self._gather_tensor(mine.values.detach())
        if mine.frame_mask is None:
            parts = [Outputs(one) for one in values]
        else:  # gloo gathers no booleans
            masks = self._gather_tensor(mine.frame_mask.to(torch.uint8))
            parts = [Outputs(*pair) for pair in zip(values, map(Tensor.bool, masks), strict=True)]
        return parts, sizes[:, 0].tolist()

    def _gather_tensor(self, tensor: Tensor) -> list[Tensor]:
        """Return the tensors of all processes, by rank; all have one shape and type."""
        found = [torch.empty_like(tensor) for _ in range(self.count)]
        distributed.all_gather(found, tensor.contiguous())
        return found

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every process the sum of the gradients of all."""
        if self.count == 1:
            return
        trained = list(parameters)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
        distributed.all_reduce(flat)
        sizes = [parameter.numel() for parameter in trained]
        for parameter, part in zip(trained, flat.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    def together(self, work: Callable[[], Item]) -> Item:
        """Call a function; if it fails in one process, raise the error in all, so that none waits.

        Raises:
            OssicleError: the first process's error, in the order of their ranks.
        """
        if self.count == 1:
            return work()
        failed: OssicleError | None = None
        try:
            found = work()
        except OssicleError as error:
            failed = error
        errors = [one for one in self.gather((failed,)) if one[0] is not None]
        if errors:
            assert errors[0][0] is not None
            raise errors[0][0]
        return found

    def wait(self) -> None:
        """Wait until all processes have reached this call."""
        self._state.wait_for_everyone()
