"""How results are ordered and written."""

from typing import Final, Literal

from ossicle.studies.analysis.cell import Cell

NOT_DECIDED: Final[Literal["not decided at this size"]] = "not decided at this size"


def p_text(value: float) -> str:
    """Return a p-value as text."""
    return f"{value:.2g}" if value >= 0.001 else "<0.001"


def score(cell: Cell) -> float:
    """Return the primary metric of a cell, higher being better; -inf if it is not defined."""
    value = cell.mean(cell.task.primary_metric) if cell.repeats else None
    if value is None:
        return float("-inf")
    return value if cell.task.higher_is_better else -value


def count(number: int, noun: str) -> str:
    """Return a number with its noun, as in 1 seed or 3 seeds."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
