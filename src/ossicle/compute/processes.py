"""One run in several processes, as torchrun or accelerate launch starts them.

Each process takes every n-th row of a batch, and the loss is that of the whole batch: the outputs
of the others are gathered as plain numbers, and the gradients are summed. Any loss therefore comes
out as in one process, also one that looks at all rows together, as CCC does.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from accelerate import PartialState
from torch import Tensor, distributed, nn

from ossicle.errors import OssicleError

Item = TypeVar("Item")


class Processes:
    """This process and those it trains with; alone where nothing launched several."""

    def __init__(self, *, cpu: bool = False) -> None:
        """Join the others.

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
        """The number of this process on its machine, which is that of its GPU."""
        number: int = self._state.local_process_index
        return number

    def share(self, items: Sequence[Item]) -> Sequence[Item]:
        """Return every n-th item, from the rank on."""
        return items[self.rank :: self.count]

    def gather(self, item: Item) -> list[Item]:
        """Return what every process has, by rank."""
        if self.count == 1:
            return [item]
        gathered: list[Item | None] = [None] * self.count
        distributed.all_gather_object(gathered, item)
        return [one for one in gathered if one is not None]

    def interleave(self, mine: Sequence[Item]) -> list[Item]:
        """Return the items of all processes in the order that `share` took them from."""
        parts = self.gather(list(mine))
        total = sum(len(part) for part in parts)
        return [parts[i % self.count][i // self.count] for i in range(total)]

    def whole_batch(self, mine: Sequence[Tensor]) -> list[Tensor]:
        """Return the outputs of all rows; those of other processes without gradients."""
        if self.count == 1:
            return list(mine)
        outputs = self.interleave([row.detach().cpu() for row in mine])
        device = mine[0].device if mine else torch.device("cpu")
        outputs = [row.to(device) for row in outputs]
        outputs[self.rank :: self.count] = mine
        return outputs

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
        """Do some work; where it fails in one process, raise the same in all, so that none waits.

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
        """Wait until all have come here."""
        self._state.wait_for_everyone()
