"""The bank without HTTP and decoding, against the bare backbone, in turns of one batch each."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from load.figures import spread
from load.mixed import Bare, Setting
from ossicle.backbones import Backbone, load_backbone
from ossicle.inference import AdapterBank
from ossicle.inference.adapter_group import Request
from ossicle.serving.batcher import LENGTHS

SIZES = (1, 2, 4, 8)  # rows of a batch, each for another adapter
TURNS = 20


def bank_to_bare(setting: Setting, bare: Bare) -> dict[str, Any]:
    """Return the throughput of the bank, as a ratio to the bare backbone, by rows of a batch."""
    backbone = sharing(bare.backbone)
    bank, names = AdapterBank(backbone), list(setting.folders)[: max(SIZES)]
    for name in names:
        bank.load(name, setting.folders[name])

    def run(lengths: Sequence[int]) -> None:
        rows = [backbone.row(bare.waves[length]) for length in lengths]
        bank.run(rows, [Request(number, names[number]) for number in range(len(rows))])

    found: dict[int, list[float]] = {size: [] for size in SIZES}
    rng = random.Random(0)
    for turn in range(TURNS):
        for size in SIZES:
            lengths = _lengths(list(bare.waves), size, rng)
            both: list[Callable[[], None]] = [
                lambda lengths=lengths: run(lengths),
                lambda lengths=lengths: bare.batch(lengths),
            ]
            order = (0, 1) if turn % 2 else (1, 0)
            seconds = {which: _processor_s(both[which]) for which in order}
            found[size].append(seconds[1] / seconds[0])
    return {str(size): spread(ratios[1:]) for size, ratios in found.items()}


def sharing(backbone: Backbone) -> Backbone:
    """Return a second backbone with the weights of one in the same memory.

    Where weights lie can matter more than what is compared.
    """
    second = load_backbone(backbone.name, device="cpu")
    both = zip(second.model.parameters(), backbone.model.parameters(), strict=True)
    for own, shared in both:
        own.data = shared.data
    return second


def _lengths(known: Sequence[int], size: int, rng: random.Random) -> list[int]:
    """Return lengths that a server puts into one batch."""
    first = rng.choice(known)
    near = [one for one in known if 1 / LENGTHS <= one / first <= LENGTHS]
    return [first, *(rng.choice(near) for _ in range(size - 1))]


def _processor_s(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun
