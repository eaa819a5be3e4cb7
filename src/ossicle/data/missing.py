"""Recordings that a table lists and that are not there: refused, or left out and named."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from ossicle.errors import DataError, ManifestError, did_you_mean, listing

REFUSE: Final = "refuse"
LEAVE_OUT: Final = "leave-out"
_OPTION = "missing"


def left_out(
    table: Path,
    count: int,
    total: int,
    names: Sequence[str],
    options: Mapping[str, str | None],
) -> tuple[str, ...]:
    """Return a notice on listed recordings that are not there, if there are such.

    Args:
        table: That lists them.
        count: How many are not there.
        total: How many it lists.
        names: Of those that are not there, or of their folders.
        options: With `missing`: refuse or leave-out.

    Raises:
        DataError: the option has another value.
        ManifestError: some are not there, and the option refuses that.
    """
    choice = options.get(_OPTION) or REFUSE
    if choice not in (REFUSE, LEAVE_OUT):
        raise DataError(
            f"{_OPTION}={choice} is neither {REFUSE} nor {LEAVE_OUT}."
            f"{did_you_mean(choice, (REFUSE, LEAVE_OUT))}"
        )
    if not count:
        return ()
    found = f"{table}: {count:,} of {total:,} recordings are not there ({listing(names)})"
    if choice == REFUSE:
        raise ManifestError(f"{found}. Add them, or go on without them with {_OPTION}={LEAVE_OUT}.")
    return (f"{found}, and are left out.",)
