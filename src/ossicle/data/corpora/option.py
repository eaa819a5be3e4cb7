"""Options of a data string: their declaration, and functions that read their values."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ossicle.data.missing import REFUSE
from ossicle.data.pairs import Options
from ossicle.data.text import composed
from ossicle.errors import DataError, did_you_mean, listing

__all__ = ["MISSING", "Option", "Options", "choose", "choose_many"]


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a data string: a one-line description, and the default as text.

    A default of None depends on the data, as the description says.
    """

    meaning: str
    default: str | None = None


MISSING: Final = {
    "missing": Option(
        "refuse or leave-out: raise an error for listed files that do not exist, or skip them",
        REFUSE,
    )
}


def choose(option: str, value: str, known: Iterable[str]) -> str:
    """Return the value of an option, or raise DataError with the known values."""
    known = list(known)
    if value not in known and composed(value) in known:  # labels and speakers are composed
        return composed(value)
    if value not in known:
        raise DataError(
            f"{option}={value} is not available. Choose from {listing(known, 40)}."
            f"{did_you_mean(value, known)}"
        )
    return value


def choose_many(option: str, value: str, known: Iterable[str]) -> list[str]:
    """Return the values of an option, separated by commas."""
    known = list(known)
    return [choose(option, one.strip(), known) for one in value.split(",")]
