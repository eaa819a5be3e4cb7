"""How the learning rate moves: a factor on the highest rate, at every step of a run.

warm-up     up in a line from 0, over the first share of all steps; then
linear      down in a line to 0
cosine      down in half a cosine to 0
constant    as it is
step        times a factor every so many epochs
tri-stage   held for a share of the steps, then down exponentially to a last factor
epochs      the factors that are written out, one for each epoch: 'epochs 0.1 0.5 1 0.2'
"""

import math
from collections.abc import Callable
from typing import Final

from ossicle.errors import RunError
from ossicle.settings import Setting, Value, check_range, parse

HIGHEST: Final = 1000.0  # of a factor on the rate
SCHEDULES: Final[dict[str, dict[str, Setting]]] = {
    "linear": {},
    "cosine": {},
    "constant": {},
    "step": {
        "epochs": Setting("after which the rate falls, again and again", 10, low=1),
        "factor": Setting("on the rate each time", 0.1, low=0, high=HIGHEST),
    },
    "tri-stage": {
        "hold": Setting("share of all steps at the highest rate", 0.4, low=0, high=1),
        "last": Setting("factor at the end", 0.05, low=0, high=HIGHEST),
    },
}
EPOCHS: Final = "epochs"

Schedule = Callable[[int], float]


def build_schedule(text: str, warmup: float, num_steps: int, epoch_steps: int) -> Schedule:
    """Return the function from a step, from 0, to the factor.

    Args:
        text: A name of `SCHEDULES` with its settings, or `epochs` and a factor for each.
        warmup: Share of all steps.
        num_steps: Of the whole run.
        epoch_steps: Of one epoch.

    Raises:
        RunError: the text is not a schedule, or a number in it is out of range.
    """
    if text.split()[:1] == [EPOCHS]:
        factors = _factors(text)
        return lambda step: factors[min(step // epoch_steps, len(factors) - 1)]
    name, settings = parse(text, "schedule", SCHEDULES)
    rising = warmup * num_steps

    def of(step: int) -> float:
        if step < rising:
            return (step + 1) / (rising + 1)
        return _after(name, settings, step - rising, num_steps - rising, step // epoch_steps)

    return of


def _after(
    name: str, settings: dict[str, Value], step: float, num_steps: float, epoch: int
) -> float:
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


def _factors(text: str) -> list[float]:
    try:
        factors = [float(word) for word in text.split()[1:]]
    except ValueError:
        factors = []
    if not factors:
        raise RunError(
            f"'{text}' is not a schedule; write a factor for each epoch, as in "
            "'epochs 0.1 0.5 1 0.2'"
        )
    for number, factor in enumerate(factors, start=1):
        check_range(f"factor {number} of the schedule '{text}'", factor, 0, HIGHEST)
    return factors
