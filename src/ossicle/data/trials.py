"""Read lists of trials in VoxCeleb's format: 1 for the same speaker or 0, and two recordings.

1 id10270/x/1.wav id10270/y/2.wav
0 id10270/x/1.wav id10309/z/3.wav
"""

from collections.abc import Mapping
from pathlib import Path

from ossicle.data.utterance import Trial
from ossicle.errors import DataError, listing


def read_trials(path: Path, key_by_name: Mapping[str, str]) -> tuple[Trial, ...]:
    """Return the trials of a list.

    Args:
        path: Path of the list.
        key_by_name: Key of the utterance of each name in the list.

    Raises:
        DataError: a line is not a trial, or recordings are missing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list of trials '{path}' cannot be read: {error}.") from error
    trials, unknown = [], []
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        parts = line.split()
        if len(parts) != 3 or parts[0] not in ("0", "1"):
            raise DataError(
                f"{path}, row {row} is '{line[:60]}'; expected 1 or 0 and two recordings."
            )
        unknown += [name for name in parts[1:] if name not in key_by_name]
        if not unknown:
            first, second = (key_by_name[name] for name in parts[1:])
            trials.append(Trial(first, second, parts[0] == "1"))
    if unknown:
        names = sorted(set(unknown))
        raise DataError(
            f"{path} lists {len(names)} recordings that do not exist: {listing(names)}. Fix the "
            "list, or add the recordings."
        )
    if not trials:
        raise DataError(f"{path} has no trials. Write 1 or 0 and two recordings in each line.")
    return tuple(trials)
