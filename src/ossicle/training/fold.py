"""The fold that a run tests, as `--fold` writes it: 2/5 is the second of five."""

import re
from typing import Final

from ossicle.errors import RunError

FEWEST: Final = 3  # one each for test and validation, and one to train on
_WRITTEN: Final = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)


def parse_fold(text: str) -> tuple[int, int]:
    """Return the number of a fold, from 1, and the number of folds.

    Raises:
        RunError: it is not of the form 2/5, there are fewer than three folds, or no such fold.
    """
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise RunError(f"fold is '{text:.40}'; expected NUMBER/FOLDS, such as 2/5")
    number, count = int(match[1]), int(match[2])
    if count < FEWEST:
        raise RunError(
            f"fold is '{text}', but {FEWEST} folds or more are needed: one is test, one is "
            "validation, and the others are training"
        )
    if not 1 <= number <= count:
        raise RunError(f"fold is '{text}'; with {count} folds, the number is from 1 to {count}")
    return number, count
