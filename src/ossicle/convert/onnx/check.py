"""A graph against torch: the same waves through both, in batches of several lengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ossicle.convert.onnx.graph import Session
from ossicle.errors import ExportError
from ossicle.frozen.part import BatchRow
from ossicle.inference.single import SingleModel
from ossicle.tasks import Task

TOLERANCE: Final = 1e-4  # times the largest value, if that is above 1
LONGEST_S: Final = 6.0

Wave = NDArray[np.float32]


@dataclass(frozen=True)
class Reference:
    """What torch computes for some batches.

    Attributes:
        batches: The waves of each batch.
        outputs: The output of each wave, as the graph returns it: (C,), or (T, C) by frame.
    """

    batches: tuple[tuple[Wave, ...], ...]
    outputs: tuple[tuple[Tensor, ...], ...]

    @property
    def largest(self) -> float:
        """The largest absolute value in the outputs."""
        return max(float(one.abs().max()) for batch in self.outputs for one in batch)


def reference(model: SingleModel, task: Task, limit: int) -> Reference:
    """Return the outputs of torch for a single wave, a padded batch, and two equal lengths.

    Args:
        model: The model, as `ossicle predict` runs it.
        task: Its task.
        limit: Longest window, in samples.
    """
    batches = check_batches(model.backbone.min_samples, limit, model.backbone.sample_rate)
    return Reference(batches, tuple(_outputs(model, task, batch) for batch in batches))


def check_batches(shortest: int, limit: int, rate: int) -> tuple[tuple[Wave, ...], ...]:
    """Return waves of chirps in noise: lengths from the shortest to 6 s or the longest window."""
    longest = min(int(LONGEST_S * rate), limit)
    between = [max(shortest, longest // part) for part in (2, 3, 5)]
    sizes = (
        (longest,),
        (between[0] + 1, shortest, longest - 1, between[1]),
        (between[2],) * 2,
        (shortest,),
    )
    rng = np.random.default_rng(0)
    return tuple(tuple(_wave(max(size, shortest), rate, rng) for size in one) for one in sizes)


def check_wave(size: int, rate: int) -> Wave:
    """Return one such wave."""
    return _wave(size, rate, np.random.default_rng(0))


def _wave(size: int, rate: int, rng: np.random.Generator) -> Wave:
    seconds = np.arange(size) / rate
    low, speed = rng.uniform(100, 400), rng.uniform(200, 800)
    chirp = np.sin(2 * np.pi * (low + speed * seconds) * seconds)
    loudness = 0.2 * (1.1 + np.sin(2 * np.pi * 3 * seconds + rng.uniform(0, 6)))
    return (chirp * loudness + 0.02 * rng.standard_normal(size)).astype(np.float32)


def _outputs(model: SingleModel, task: Task, batch: Sequence[Wave]) -> tuple[Tensor, ...]:
    (found,) = model.outputs([BatchRow.of(model.backbone.row(wave)) for wave in batch])
    return tuple(task.to_graph(row[None])[0] for row in found.cpu().rows())


def largest_difference(session: Session, expected: Reference) -> float:
    """Return the largest absolute difference between a graph and torch.

    Args:
        session: The graph.
        expected: What torch computes.

    Raises:
        ExportError: the graph gives another number of frames or columns, or cannot run a batch.
    """
    worst = 0.0
    for batch, wanted in zip(expected.batches, expected.outputs, strict=True):
        for one, of_torch in zip(_run(session, list(batch)), wanted, strict=True):
            if one.shape != of_torch.shape:
                raise ExportError(
                    f"the graph gives an output of shape {tuple(one.shape)} and torch one of "
                    f"{tuple(of_torch.shape)} for the same wave, so it was not written"
                )
            worst = max(worst, float((one - of_torch).abs().max()))
    return worst


def _run(session: Session, waves: list[Wave]) -> list[Tensor]:
    sizes = ", ".join(str(len(wave)) for wave in waves)
    try:
        return session(waves)
    except RuntimeError as error:  # the base of what onnxruntime raises
        raise ExportError(
            f"the graph cannot run waves of {sizes} samples, so it was not written: {error!s:.300}"
        ) from error


def check(session: Session, expected: Reference, what: str) -> float:
    """Return the largest difference between a graph and torch, if it is small enough.

    Raises:
        ExportError: it is not, or the graph cannot run some lengths.
    """
    worst = largest_difference(session, expected)
    allowed = TOLERANCE * max(1.0, expected.largest)
    if not worst <= allowed:  # NaN too
        raise ExportError(
            f"the graph of {what} gives outputs that differ from torch's by {worst:.1e}, and "
            f"{allowed:.1e} was expected at most, so it was not written. Use the run in Python, "
            "and report this"
        )
    return worst
