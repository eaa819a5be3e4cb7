"""Recordings that are Python objects: `memory:HASH`, made by `ossicle.data.in_memory`."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from ossicle.data.columns import Columns
from ossicle.data.corpora.base import MISSING, Corpus, Example, Options
from ossicle.data.corpora.drawn import DRAW_OPTIONS, folds_by_column
from ossicle.data.held import READER, HeldTable, Samples, Sound, tables_of
from ossicle.data.manifest import Manifest, RowCollector, merged, sample_rate
from ossicle.data.missing import left_out
from ossicle.data.objects import place
from ossicle.data.roles import NO, find_columns
from ossicle.data.rows import cell
from ossicle.data.selection import TABLE_COLUMNS
from ossicle.data.utterance import Utterance
from ossicle.errors import ManifestError


def _contents(path: Path, options: Options) -> Manifest:
    parts = []
    for table in tables_of(path):
        about = {**options, "fold": options["fold"] or NO} if table.side else options
        parts.append((table.side, _manifest(table, path, about)))
    return merged(parts)


def _manifest(table: HeldTable, path: Path, options: Options) -> Manifest:
    """Return the contents of a table."""
    columns = find_columns(path.name, list(table.columns), options, {}, has_path=False)
    collector = RowCollector(columns, options)
    missing: list[str] = []
    for row in range(table.count):
        where, file = f"{path.name}, row {table.key(row)}", place(path.name, table, row)
        sound = table.sound(row)
        if isinstance(sound, Path) and not sound.is_file():
            missing.append(f"row {table.key(row)}: {sound}")
            continue
        record = _record(where, table, row, columns)
        part = columns.part(where, record, partial(_rate, sound))
        utterance = Utterance(
            table.key(row),
            file,
            columns.label(where, record),
            columns.text("speaker", record) or None,
            *part,
            prompt=columns.text("prompt", record),
        )
        collector.add(where, record, utterance)
    notices = left_out(path, len(missing), table.count, missing, options)
    manifest = collector.manifest(options)
    return replace(manifest, notices=(*manifest.notices, *notices))


def _rate(sound: Sound) -> int:
    """Return the sample rate of a recording."""
    if isinstance(sound, Samples):
        return sound.rate
    if isinstance(sound, Path):
        return sample_rate(sound, None)
    return int(soundfile.info(BytesIO(sound)).samplerate)


def _record(where: str, table: HeldTable, row: int, columns: Columns) -> Mapping[str, str]:
    """Return the used columns of a row as texts."""
    return {
        name: cell(where, name, _plain(where, name, table.columns[name][row]))
        for name in columns.used
    }


def _plain(where: str, column: str, value: Any) -> Any:
    """Return a number of numpy as one of Python.

    Raises:
        ManifestError: the value is a list or an object.
    """
    if isinstance(value, list | tuple | dict | np.ndarray):
        raise ManifestError(
            f"{where}: {column} is a {type(value).__name__}; expected a text or a number. Write "
            "tags as dog|rain."
        )
    return value.item() if isinstance(value, np.generic) else value


CORPUS = Corpus(
    name=READER,
    summary="Recordings that are Python objects in this process, see `ossicle.data.in_memory`.",
    size="any",
    protocol=(
        "Given splits are kept; the others are drawn at random, stratified by label and, if "
        "speakers are known, by speaker."
    ),
    source="your own recordings",
    licence="your own",
    options=DRAW_OPTIONS | MISSING,
    read=_contents,
    folds=folds_by_column(_contents),
    columns=TABLE_COLUMNS,
    example=Example(files={}, labels=()),
)
