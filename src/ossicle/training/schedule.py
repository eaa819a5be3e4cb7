"""Learning rate schedules: a factor on the peak rate for every step of a run.

warm-up     linear rise from 0 over the first steps; then one of
linear      linear decay to 0
cosine      half a cosine, down to 0
constant    no decay
step        multiplied by a factor every few epochs
tri-stage   constant for a fraction of the steps, then exponential decay to a last factor
epochs      one factor for each epoch, without a warm-up: 'epochs(0.1 0.5 1 0.2)'
"""

import math
from collections.abc import Callable
from typing import Any, Final

from ossicle.errors import RunError
from ossicle.settings import Limits, Setting, numbers, parse, split_call

HIGHEST: Final = 1000.0  # of a factor on the rate
EPOCHS: Final = "epochs"
SCHEDULES: Final[dict[str, dict[str, Setting]]] = {
    "linear": {},
    "cosine": {},
    "constant": {},
    "step": {
        "epochs": Setting("epochs from one fall of the rate to the next", 10, low=1),
        "factor": Setting("factor on the rate at each fall", 0.1, low=0, high=HIGHEST),
    },
    "tri-stage": {
        "hold": Setting("fraction of all steps at the peak rate", 0.4, low=0, high=1),
        "last": Setting("factor at the end", 0.05, low=0, high=HIGHEST),
    },
    EPOCHS: {},  # a list of factors in place of settings
}

Schedule = Callable[[int], float]


def build_schedule(text: str, warmup: float, num_steps: int, epoch_steps: int) -> Schedule:
    """Return the function from a step, counted from 0, to the factor.

    Args:
        text: A name of `SCHEDULES` with its settings, or `epochs` with a factor for each epoch.
        warmup: Fraction of all steps over which the factor rises.
        num_steps: Number of steps of the whole run.
        epoch_steps: Number of steps of one epoch.

    Raises:
        RunError: the text is not a schedule, or a number in it is out of range.
    """
    if (factors := _factors(text)) is not None:
        return lambda step: factors[min(step // epoch_steps, len(factors) - 1)]
    name, settings = parse(text, "schedule", SCHEDULES)
    rising = warmup * num_steps

    def of(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return _after(name, settings, step - rising, num_steps - rising, step // epoch_steps)

    return of


def _after(name: str, settings: dict[str, Any], step: float, num_steps: float, epoch: int) -> float:
    """Return the factor at a step after the warm-up."""
    if name == "linear":
        return (num_steps - step) / num_steps
    if name == "cosine":
        return (1 + math.cos(math.pi * step / num_steps)) / 2
    if name == "step":
        return math.pow(float(settings["factor"]), epoch // int(settings["epochs"]))
    if name == "tri-stage":
        held = float(settings["hold"]) * num_steps
        along = max(0.0, step - held) / max(1.0, num_steps - held)
        return math.pow(float(settings["last"]), along)
    return 1.0


def _factors(text: str) -> list[float] | None:
    """Return the factors of `epochs(0.1 1)`, also written `epochs 0.1 1`; None if it is neither."""
    word, _, rest = text.strip().partition(" ")
    call = (word, rest) if word == EPOCHS else split_call(text)
    if call is None or call[0] != EPOCHS:
        return None
    factors = numbers(f"the schedule '{text}'", call[1], Limits(0, HIGHEST))
    if not factors:
        raise RunError(f"'{text}' is not a schedule; write a factor for each epoch: epochs(0.1 1)")
    return factors
