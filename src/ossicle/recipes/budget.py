"""Budgets of trained parameters as text: `30000`, `250k`, `1M`; and weights to share one: `1:2`."""

import re
from decimal import Decimal
from typing import Final

from ossicle.errors import BudgetError

UNITS: Final = {"": 1, "k": 10**3, "m": 10**6}
LARGEST: Final = 10**12  # parameters; more than any backbone has
_COUNT = re.compile(r"(?P<number>\d+(\.\d+)?)(?P<unit>[kKmM]?)", re.ASCII)
_WEIGHT = re.compile(r"\d+(\.\d+)?", re.ASCII)


def parse_count(text: str) -> int:
    """Return the number of parameters in a text such as `30000`, `250k` or `1.5M`.

    Raises:
        BudgetError: the text is not a whole number of parameters, or is less than one.
    """
    match = _COUNT.fullmatch(text.strip()) if len(text) <= 40 else None
    count = Decimal(match["number"]) * UNITS[match["unit"].lower()] if match else Decimal(0)
    if not 1 <= count <= LARGEST or count != int(count):
        raise BudgetError(
            f"'{text:.40}' is not a number of parameters; write a whole number from 1, such as "
            "30000, 250k or 1M"
        )
    return int(count)


def parse_weights(text: str) -> tuple[float, ...]:
    """Return the weights in a text such as `1:2`.

    Raises:
        BudgetError: one of them is not a positive number.
    """
    words = [word.strip() for word in text[:200].split(":")]
    if len(text) > 200 or not all(_WEIGHT.fullmatch(word) and float(word) > 0 for word in words):
        raise BudgetError(
            f"'{text:.40}' are not weights; write a positive number for each method with a size, "
            "such as 1:2"
        )
    return tuple(float(word) for word in words)
