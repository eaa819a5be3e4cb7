"""What ways that compare two domains share: batches of recordings of the earlier stages.

Every batch of the new stage comes with one of the same size of earlier training recordings. They
are drawn by the seed and the number of the epoch: all of them in an order of their own, again and
again, so that a run resumes to the same bits.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ossicle.continual.keep import Keep, Start
from ossicle.errors import RunError
from ossicle.frozen.batches import Batch, training_batches
from ossicle.frozen.part import BatchRow
from ossicle.heads import Outputs


class DomainKeep(Keep):
    """A way that compares embeddings of earlier recordings with those of the new ones."""

    reads_source: ClassVar[bool] = True
    reads_embeddings: ClassVar[bool] = True

    def __init__(self, value: float, start: Start) -> None:
        super().__init__(value, start)
        self._batches: Iterator[Batch] = iter(())
        self._rows: Sequence[BatchRow] = ()

    @classmethod
    def check(cls, start: Start) -> None:
        """Raise RunError unless something can change the embeddings."""
        model = start.single.model
        below = [one for one in model.active_slots if model.trains(one) and not one.site.in_decoder]
        if not below:
            raise RunError(
                f"--keep {cls.name} changes what the head reads, and only the head or the decoder "
                "trains here. Train placements too (see --freeze and --recipe), or use another way "
                "to keep"
            )

    def begin_epoch(self, number: int, sizes: Sequence[int]) -> None:
        """Start to read earlier recordings."""
        start = self.start
        assert start.source is not None  # `reads_source`
        self._batches = training_batches(
            start.source,
            draw_batches(len(start.source.utterances), sizes, start.seed, number),
            start.single.backbone,
            start.single.frozen,
            seed=start.seed,
            epoch=number,
            own=start.processes.own,
        )

    def before(self, rows: Sequence[BatchRow]) -> None:
        """Take the next batch of earlier recordings."""
        del rows
        self._rows = next(self._batches).rows

    def earlier_embeddings(self) -> Float[Tensor, "B D"]:
        """Return the embeddings of the whole batch of earlier recordings, with gradients."""
        start, mine = self.start, None
        if self._rows:
            mine = Outputs(start.single.forward_with_embeddings(self._rows)[1])
        return start.processes.whole_batch(mine).values


def draw_batches(count: int, sizes: Sequence[int], seed: int, epoch: int) -> list[list[int]]:
    """Return the numbers of recordings in batches of given sizes, in a random order.

    No recording comes again before all have come.
    """
    rng = np.random.default_rng([seed, epoch, 2])
    rounds = -(-sum(sizes) // count)
    order = [number for _ in range(rounds) for number in rng.permutation(count).tolist()]
    stops = np.cumsum(sizes).tolist()
    return [order[stop - size : stop] for stop, size in zip(stops, sizes, strict=True)]
