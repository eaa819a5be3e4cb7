"""Handle listed recordings that do not exist: raise an error, or skip them with a notice."""

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
    """Return a notice on listed recordings that do not exist, if there are any.

    Args:
        table: Path of the table that lists them.
        count: Number of missing recordings.
        total: Number of listed recordings.
        names: Names of the missing recordings, or of their folders.
        options: Options with `missing`: refuse or leave-out.

    Raises:
        DataError: the option has another value.
        ManifestError: some are missing, and the option is refuse.
    """
    choice = options.get(_OPTION) or REFUSE
    if choice not in (REFUSE, LEAVE_OUT):
        raise DataError(
            f"{_OPTION} is '{choice}'; expected {REFUSE} or {LEAVE_OUT}."
            f"{did_you_mean(choice, (REFUSE, LEAVE_OUT))}"
        )
    if not count:
        return ()
    found = f"{table}: {count:,} of {total:,} recordings are missing ({listing(names)})"
    if choice == REFUSE:
        raise ManifestError(f"{found}. Add them, or skip them with {_OPTION}={LEAVE_OUT}.")
    return (f"{found} and were skipped.",)
