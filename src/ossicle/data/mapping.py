"""Read new names of labels, as `--map-labels` takes them: a text, or a .json or .csv file.

anger=Angry,happiness=Happy      {"anger": "Angry", "happiness": "Happy"}      old,new
anger,Angry
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ossicle import strict_json
from ossicle.data.pairs import read_pairs
from ossicle.data.rows import read_rows
from ossicle.data.text import composed
from ossicle.errors import DataError, listing
from ossicle.paths import expand

_WHAT: Final = "--map-labels"
_COLUMNS: Final = ("old", "new")


def read_mapping(text: str) -> dict[str, str]:
    """Return the new name of each label.

    Args:
        text: `OLD=NEW,OLD=NEW`, encoded as in a data string, or the path of a `.json` file with an
            object of new names by old, or of a `.csv` file with the columns old and new.

    Raises:
        DataError: the text or the file cannot be read, or renames a label to two names.
    """
    suffix = Path(text).suffix.lower()
    if suffix not in (".json", ".csv"):
        return _once(read_pairs(_WHAT, text))
    path = expand(text)
    if not path.is_file():
        raise DataError(f"the file of new labels '{path}' does not exist. Correct its path.")
    return _once(_of_json(path) if suffix == ".json" else _of_csv(path))


def _of_json(path: Path) -> list[tuple[str, str]]:
    try:
        names = strict_json.read_object(path)
    except (OSError, ValueError) as error:
        raise DataError(f"the file of new labels '{path}' cannot be read: {error}.") from error
    if odd := [old for old, new in names.items() if not (old and isinstance(new, str) and new)]:
        raise DataError(
            f"'{path}' does not give a name for {listing(map(repr, odd))}. Write "
            '{"OLD": "NEW"}, with texts that are not empty.'
        )
    return [(old, str(new)) for old, new in names.items()]


def _of_csv(path: Path) -> list[tuple[str, str]]:
    pairs = []
    for row, record in read_rows(path):
        if set(record) != set(_COLUMNS):
            raise DataError(f"'{path}' has the columns {listing(record)}; expected old and new.")
        if not all(record[name].strip() for name in _COLUMNS):
            raise DataError(f"{path}, row {row} has an empty field. Fill it in or remove the row.")
        pairs.append((record["old"].strip(), record["new"].strip()))
    return pairs


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for old, new in pairs:
        if mapping.setdefault(composed(old), composed(new)) != composed(new):
            raise DataError(
                f"{_WHAT} renames '{old}' to '{mapping[composed(old)]}' and to '{new}'. Choose one."
            )
    return mapping
