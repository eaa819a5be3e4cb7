"""Several adapters in one call."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import torch

from gpu.budget import Task
from gpu.memory import with_speed
from gpu.training import DTYPES
from speed.bench import Action, Bench, Figures
from speed.groups.bank import eight, five
from speed.ours import in_precision

ESTIMATE_S: Final = 12.0
TOP: Final = "lora[8:]", list(range(8, 12))


def tasks(bench: Bench) -> Iterator[Task]:
    """Yield a task for each precision: requests to eight adapters, and ensembles of five."""
    name = bench.sizes.base
    for precision, dtype in DTYPES.items():
        for label, audio_s, actions in (
            ("eight requests", 16, lambda: eight(bench, name)),
            ("ensemble of five, all layers", 4, lambda: five(bench, name, "lora", None)),
            ("ensemble of five, top third", 4, lambda: five(bench, name, *TOP)),
        ):
            measure = row(bench, actions, dtype, bench.duration_s(audio_s))
            yield Task(f"HuBERT base, {precision}, {label}", ESTIMATE_S, measure)


def row(
    bench: Bench,
    actions: Callable[[], Mapping[str, Action]],
    dtype: torch.dtype | None,
    audio_s: float,
) -> Callable[[], Figures]:
    """Return what measures the actions of a comparison."""

    def measure() -> Figures:
        variants = actions().items()
        ratios = bench.ratios({k: in_precision(one, bench.device, dtype) for k, one in variants})
        return with_speed(ratios, audio_s)

    return measure
