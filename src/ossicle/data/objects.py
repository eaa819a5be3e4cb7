"""Python objects as data: data sets of Hugging Face, pandas frames, rows, columns and arrays.

Each becomes tables of columns with a recording for each row, held under a data string. datasets and
pandas are not imported: whoever has such an object has done so.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from ossicle.data.columns import SIDE_BY_NAME
from ossicle.data.held import PREFIX, HeldTable, Samples, Sound, hold
from ossicle.data.sounds import AUDIO_NAMES, RATE_NAMES, is_audio, sound_of
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_TRANSFORM: Final = "custom"  # datasets' name of the format that set_transform makes


def in_memory(data: object, *, audio: str | None = None, **columns: object) -> str:
    """Return a data string for recordings that are Python objects.

    The process keeps them. Options can be added as to any other: `in_memory(frame) + "?valid=0.2"`.

    Args:
        data: A `datasets.Dataset` or `DatasetDict`, a pandas `DataFrame`, a list of rows (dicts), a
            dict of columns, a dict of any of these by split, or a list of arrays. A recording is an
            array (N,) with the column `sampling_rate`, a dict with `array` and `sampling_rate`, the
            bytes of a file, or a path.
        audio: Column of the recordings; None: the one that has them.
        columns: Further columns of a list of arrays, such as `label`; one value is for all rows.

    Raises:
        DataError: it is none of these, or has no recordings.
    """
    if isinstance(data, str):
        return data
    if columns:
        data = {"audio": list(_sequence(data)), **columns}
    tables = [_table(one, side, audio) for side, one in _sides(data)]
    name = PREFIX + _digest(tables)
    hold(name, tables)
    return name


def utterances_in(data: object) -> list[Utterance]:
    """Return the recordings of an object as utterances without labels, for predictions.

    Raises:
        DataError: as `in_memory`.
    """
    tables = [_table(one, side, None) for side, one in _sides(data)]
    name = PREFIX + _digest(tables)
    hold(name, tables)
    return [
        Utterance(table.key(row), place(name, table, row), "")
        for table in tables
        for row in range(table.count)
    ]


def is_table(data: object) -> bool:
    """Return whether an object holds recordings, in place of paths of recordings."""
    if _is_dataset(data) or _is_frame(data) or isinstance(data, Mapping):
        return True
    first = data[0] if isinstance(data, Sequence) and not isinstance(data, str) and data else None
    return isinstance(first, Mapping | np.ndarray)


def place(name: str, table: HeldTable, row: int) -> Path:
    """Return the path of a row: that of its file, or one in memory."""
    sound = table.sound(row)
    return sound if isinstance(sound, Path) else Path(name, table.key(row))


def _sides(data: Any) -> Iterator[tuple[str | None, Any]]:
    """Yield the tables of an object with their split."""
    by_split = isinstance(data, Mapping) and all(
        _is_dataset(one) or _is_frame(one) or isinstance(one, Mapping) or _is_rows(one)
        for one in data.values()
    )
    if not by_split or not data:
        yield None, data
        return
    if odd := [str(name) for name in data if str(name).lower() not in SIDE_BY_NAME]:
        raise DataError(
            f"the data have the splits {listing(map(str, data))}; expected train, valid (dev, val, "
            f"validation) and test. Rename or leave out {listing(odd)}."
        )
    for name, one in data.items():
        yield SIDE_BY_NAME[str(name).lower()], one


def _table(data: Any, side: str | None, audio: str | None) -> HeldTable:
    if _is_dataset(data):
        return _of_dataset(data, side, audio)
    columns = _columns(data)
    count = len(next(iter(columns.values()), ()))
    if not count:
        raise DataError(f"the {type(data).__name__} has no rows. Add a row for each recording.")
    name = _audio_column(columns, audio)
    rates = next((columns[one] for one in RATE_NAMES if one in columns), None)
    rest = {one: columns[one] for one in columns if one != name and one not in RATE_NAMES}
    values = columns[name]
    return HeldTable(
        side, rest, lambda row: sound_of(row, values[row], rates and rates[row]), count
    )


def _of_dataset(data: Any, side: str | None, audio: str | None) -> HeldTable:
    """Return a data set of Hugging Face, whose recordings are not decoded by it."""
    if not hasattr(data, "num_rows"):
        raise DataError(
            f"a {type(data).__name__} is read once from its start; make a Dataset of it first, as "
            "with datasets.Dataset.from_list(list(data))"
        )
    if data.format["type"] == _TRANSFORM:
        raise DataError(
            "the Dataset has a transform (set_transform), which ossicle does not apply. Use map, "
            "or take the transform off with reset_format()"
        )
    plain, features = data.with_format(None), data.features
    sounds = [name for name, kind in features.items() if type(kind).__name__ == "Audio"]
    for name in sounds:
        plain = plain.cast_column(name, type(features[name])(decode=False))
    name = audio or (sounds[0] if len(sounds) == 1 else None)
    if name is None or name not in sounds:
        columns = {one: plain[one][:] if len(plain) else [] for one in features}
        return _table(columns, side, name)
    rest = {
        one: _named(plain[one][:], getattr(features[one], "names", None))
        for one in features
        if one not in sounds
    }
    if not len(plain):
        raise DataError("the Dataset has no rows. Add a row for each recording.")
    only = plain.select_columns([name])
    return HeldTable(side, rest, lambda row: sound_of(row, only[row][name]), len(plain))


def _named(values: Sequence[Any], names: Sequence[str] | None) -> Sequence[Any]:
    """Return class numbers as names; datasets marks unlabelled rows by null or by -1."""
    if not names:
        return values
    return [None if one is None or one < 0 else names[one] for one in values]


def _columns(data: Any) -> dict[str, list[Any]]:
    """Return the values of a table by column."""
    if _is_frame(data):
        return {str(name): data[name].tolist() for name in data.columns}
    if isinstance(data, Mapping):
        many = [list(one) for one in data.values() if _is_many(one)]
        sizes = {len(one) for one in many}
        if len(sizes) != 1:
            raise DataError(
                f"the columns have {listing(sorted(sizes)) or 'no'} values; expected one for each "
                "recording in every column."
            )
        (size,) = sizes
        return {
            str(name): list(one) if _is_many(one) else [one] * size for name, one in data.items()
        }
    rows = _sequence(data)
    if rows and not all(isinstance(one, Mapping) for one in rows):
        raise DataError(
            f"a list of {type(rows[0]).__name__} has no labels. Give in_memory(WAVES, "
            'label=LABELS, sampling_rate=16000), or a list of rows such as {"audio": WAVE, '
            '"sampling_rate": 16000, "label": "yes"}.'
        )
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): [row.get(name) for row in rows] for name in names}


def _sequence(data: Any) -> Sequence[Any]:
    if isinstance(data, list | tuple):
        return data
    if isinstance(data, np.ndarray) and data.ndim > 1:
        return list(data)
    raise DataError(
        f"data is a {type(data).__name__}; expected a data string, a datasets.Dataset or "
        "DatasetDict, a pandas DataFrame, a list of rows, a dict of columns, or a list of arrays "
        "given to in_memory with label=..."
    )


def _is_many(value: Any) -> bool:
    """Return whether a value of a dict is a column, and not one value for all rows."""
    return not isinstance(value, str | bytes) and hasattr(value, "__len__")


def _audio_column(columns: Mapping[str, Sequence[Any]], wanted: str | None) -> str:
    """Return the column of the recordings."""
    if wanted is not None:
        if wanted not in columns:
            raise DataError(
                f"there is no column '{wanted}'. The data have: {listing(columns, 40)}."
            )
        return wanted
    first = {
        name: next((one for one in values if one is not None), None)
        for name, values in columns.items()
    }
    found = [name for name, one in first.items() if is_audio(one)]
    found = found or [name for name in AUDIO_NAMES if isinstance(first.get(name), str | Path)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{listing(found)} can have the recordings. Choose with in_memory(data, audio=COLUMN)."
        )
    raise DataError(
        f"no column has recordings. The data have: {listing(columns, 40)}. Name the one with the "
        "arrays, bytes or paths audio, or give in_memory(data, audio=COLUMN)."
    )


def _digest(tables: Sequence[HeldTable]) -> str:
    """Return a hash of all values and recordings."""
    hashed = hashlib.blake2b(digest_size=8)
    for table in tables:
        hashed.update(repr((table.side, table.count, sorted(table.columns))).encode())
        for name in sorted(table.columns):
            hashed.update(repr(list(table.columns[name])).encode())
        for row in range(table.count):
            hashed.update(_bytes(table.sound(row)))
    return hashed.hexdigest()


def _bytes(sound: Sound) -> bytes:
    """Return what tells a recording from others; of a file, its path and size."""
    if isinstance(sound, Samples):
        return repr((sound.rate, sound.array.dtype.name)).encode() + sound.array.tobytes()
    if isinstance(sound, Path):
        size = sound.stat().st_size if sound.is_file() else -1
        return repr((sound.name, size)).encode()
    return sound


def _is_dataset(data: object) -> bool:
    return type(data).__module__.split(".")[0] == "datasets" and hasattr(data, "features")


def _is_frame(data: object) -> bool:
    return hasattr(data, "columns") and hasattr(data, "iloc")


def _is_rows(data: object) -> bool:
    return isinstance(data, list | tuple) and bool(data) and isinstance(data[0], Mapping)
