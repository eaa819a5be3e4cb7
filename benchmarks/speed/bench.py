"""The measurement: variants take turns, and a result is a ratio within one round."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ossicle.compute.turns import Spread, ratios, take_turns
from speed.sizes import FULL, QUICK, RATE, Sizes

SCRIPT = Path(__file__).resolve().parent.parent / "bench.py"

SHORTEST_S: Final = 0.2  # a clip that every backbone accepts

Action = Callable[[], Any]
Figures = dict[str, Any]
Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Bench:
    """Settings of one measurement.

    Attributes:
        device: Device of all variants, `cpu` or `cuda`.
        rounds: Number of times that every variant is timed.
        threads: Number of torch threads on a CPU.
        quick: Tiny models and short clips, to test the code; the results are meaningless.
    """

    device: str = "cpu"
    rounds: int = 7
    threads: int = 1
    quick: bool = False

    @property
    def sizes(self) -> Sizes:
        """The backbones to measure."""
        return QUICK if self.quick else FULL

    def duration_s(self, seconds: float) -> float:
        """Return the duration of a clip whose nominal duration is `seconds`."""
        return max(seconds * self.sizes.time_scale, SHORTEST_S)

    def noise(self, *seconds: float) -> list[Wave]:
        """Return one clip of noise for each duration."""
        rng = np.random.default_rng(0)
        return [
            rng.normal(0, 0.1, int(self.duration_s(s) * RATE)).astype(np.float32) for s in seconds
        ]

    def ratios(self, actions: Mapping[str, Action], rounds: int | None = None) -> Figures:
        """Return the ratio of each action to the first in the same round, and median seconds.

        Every action runs once untimed. The order rotates from round to round.

        Args:
            actions: Actions by label; the first is the reference.
            rounds: Number of rounds, instead of the bench's own.
        """
        most = self.rounds if self.quick else 1000
        seconds = take_turns(actions, min(rounds or self.rounds, most), self.device)
        first = seconds[next(iter(actions))]
        return {name: ratio(values, first) for name, values in seconds.items()}

    def child(self, group: str, part: str | None = None, **environment: str) -> Figures:
        """Run a group in a process of its own and return its results.

        Args:
            group: One of `GROUPS`.
            part: A label of the group; None: all of them.
            environment: Variables to set.
        """
        command = [sys.executable, "-W", "ignore", str(SCRIPT), "--print", group]
        command += ["--device", self.device, "--rounds", str(self.rounds)]
        command += ["--threads", str(self.threads)]
        command += ["--quick"] if self.quick else []
        command += [] if part is None else ["--part", part]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, env={**os.environ, **environment}
        )
        found: Figures = json.loads(done.stdout)
        return found


def ratio(values: Sequence[float], reference: Sequence[float]) -> Figures:
    """Return the spread of the ratios of some seconds to others, round by round."""
    return {**asdict(ratios(values, reference)), "seconds": statistics.median(values)}


def spread(values: Sequence[float]) -> Figures:
    """Return median and quartiles."""
    return asdict(Spread.of(values))


def labelled(label: str, figures: Figures) -> Figures:
    """Return results with a label before each of their own."""
    return {f"{label}: {key}": value for key, value in figures.items()}
