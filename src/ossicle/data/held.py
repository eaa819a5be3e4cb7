"""Recordings that are Python objects, for as long as the process runs.

    memory:0f3a62c1b7d4e590           all rows of an object, named by a hash of their content
    memory:0f3a62c1b7d4e590/train/12  the recording of a row, as the path of its utterance

The name depends on the content alone, so that the same recordings have the same name in the next
process, and others have another.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import soundfile

from ossicle.errors import DataError

READER: Final = "memory"
PREFIX: Final = f"{READER}:"
_SUBTYPES: Final = {"int16": "PCM_16", "int32": "PCM_32", "float32": "FLOAT", "float64": "DOUBLE"}


class Samples(NamedTuple):
    """Samples of a recording, (N,), and their rate in Hz."""

    array: np.ndarray
    rate: int


Sound = Samples | bytes | Path  # samples, the content of a file, or a file


@dataclass(frozen=True, slots=True)
class HeldTable:
    """A table of recordings.

    Attributes:
        side: Its split: train, valid or test; None: not known.
        columns: Values of each column but the audio.
        sound: Returns the recording of a row, by its number.
        count: Number of rows.
    """

    side: str | None
    columns: Mapping[str, Sequence[Any]]
    sound: Callable[[int], Sound]
    count: int

    def key(self, row: int) -> str:
        """Return the key of a row."""
        return str(row) if self.side is None else f"{self.side}/{row}"


_HELD: dict[str, tuple[HeldTable, ...]] = {}


def hold(name: str, tables: Sequence[HeldTable]) -> None:
    """Keep tables under a name."""
    _HELD[name] = tuple(tables)


def tables_of(path: Path) -> tuple[HeldTable, ...]:
    """Return the tables of a name.

    Raises:
        DataError: this process does not have them.
    """
    name = path.name
    if name not in _HELD:
        raise DataError(
            f"'{name:.60}' was an object in Python, and this process does not have it. Pass the "
            "object with the same recordings again, as in train(TrainConfig(data=OBJECT, ...), "
            "out, resume=True) or Trained.open(RUN).evaluate(OBJECT). The command line and "
            "studies read files: save the recordings as a folder, a table or with save_to_disk."
        )
    return _HELD[name]


def is_held(path: Path) -> bool:
    """Return whether a path is that of a recording in memory."""
    return path.parts[:1] != () and path.parts[0].startswith(PREFIX)


def content(path: Path) -> bytes:
    """Return the content of a recording in memory as that of a file.

    Raises:
        DataError: this process does not have it.
        FileNotFoundError: there is no such row.
    """
    key = "/".join(path.parts[1:])
    for table in tables_of(Path(path.parts[0])):
        row = key.rpartition("/")[2]
        if row.isdecimal() and int(row) < table.count and table.key(int(row)) == key:
            sound = table.sound(int(row))
            if isinstance(sound, Path):
                return sound.read_bytes()
            return as_wav(sound) if isinstance(sound, Samples) else sound
    raise FileNotFoundError(path)


def as_wav(sound: Samples) -> bytes:
    """Return samples as the content of a wav file, without loss."""
    buffer = io.BytesIO()
    subtype = _SUBTYPES[sound.array.dtype.name]
    soundfile.write(buffer, sound.array, sound.rate, format="WAV", subtype=subtype)
    return buffer.getvalue()
