"""Lists of values in the options of studies: `1,2,4,8`, `0.1,0.5`, `30k,1M`."""

from typing import Final

from ossicle.settings import Limits, read_value
from ossicle.studies.grid import check_different

OWN: Final = "Study"  # heading of the own options of a study in --help


def whole_numbers(name: str, text: str, limits: Limits) -> tuple[int, ...]:
    """Return the whole numbers of a text such as `1,2,4`.

    Raises:
        RunError: one is not a whole number within the limits, or is given twice.
    """
    found = tuple(read_value(name, one, (int,), limits) for one in _parts(text))
    check_different(name, found)
    return found


def numbers(name: str, text: str, limits: Limits) -> tuple[float, ...]:
    """Return the numbers of a text such as `0.1,0.5`.

    Raises:
        RunError: one is not a number within the limits, or is given twice.
    """
    found = tuple(float(read_value(name, one, (float,), limits)) for one in _parts(text))
    check_different(name, found)
    return found


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
