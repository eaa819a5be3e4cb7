"""Measure the time of several computations that take turns, so that they meet the same machine."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ossicle.progress import Progress, no_progress


@dataclass(frozen=True, slots=True)
class Spread:
    """Median and quartiles of some numbers."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of two values or more."""
        low, middle, high = statistics.quantiles(values, n=4)
        return cls(middle, low, high)


def seconds_now(device: str) -> float:
    """Return processor seconds on a CPU, else seconds once the device is idle.

    Processor time is hardly disturbed by other programs.
    """
    if device == "cpu":
        return time.process_time()
    torch.accelerator.synchronize()
    return time.perf_counter()


def take_turns(
    actions: Mapping[str, Callable[[], Any]],
    rounds: int,
    device: str,
    progress: Progress = no_progress,
) -> dict[str, list[float]]:
    """Return the seconds of every action in every round.

    Every action runs once untimed. The order rotates from round to round.

    Args:
        actions: What to measure, by name.
        rounds: How often each is measured.
        device: Device of all actions.
        progress: Called after every action.
    """
    names = list(actions)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        shift = max(number - 1, 0) % len(names)
        for turn, name in enumerate(names[shift:] + names[:shift]):
            begun = seconds_now(device)
            actions[name]()
            if number > 0:
                seconds[name].append(seconds_now(device) - begun)
            progress("measuring", number * len(names) + turn + 1, (rounds + 1) * len(names))
    return seconds


def ratios(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """Return the spread of the ratios of some values to others of the same rounds."""
    return Spread.of([a / b for a, b in zip(values, reference, strict=True)])
