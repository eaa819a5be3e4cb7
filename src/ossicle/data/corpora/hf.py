"""A dataset saved by Hugging Face's `datasets` with `save_to_disk`: Arrow files with audio inside.

`dataset_dict.json` and a folder for each split, or one split: `state.json`, `dataset_info.json` and
`data-*.arrow`. Nothing is unpacked: recordings are read from within the Arrow files.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from ossicle import strict_json
from ossicle.data.columns import SIDE_BY_NAME, Columns
from ossicle.data.corpora.base import MISSING, Corpus, Example, Option, Options, choose
from ossicle.data.corpora.drawn import DRAW_OPTIONS, folds_by_column
from ossicle.data.manifest import Manifest, RowCollector, merged, sample_rate
from ossicle.data.missing import left_out
from ossicle.data.roles import NO, find_columns
from ossicle.data.rows import cell
from ossicle.data.selection import TABLE_COLUMNS
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_DICT = "dataset_dict.json"


def _contents(path: Path, options: Options) -> Manifest:
    folders = [path] if (path / "state.json").is_file() else sorted(path.glob("*/state.json"))
    if not folders:
        raise DataError(
            f"{path} has no state.json. Give a folder written by `save_to_disk` of datasets."
        )
    _refuse_missing_splits(path)
    parts: list[tuple[str | None, Manifest]] = []
    for found in folders:
        folder = found if found.is_dir() else found.parent
        side = None if folder == path else SIDE_BY_NAME.get(folder.name.lower())
        if folder != path and side is None:
            raise DataError(
                f"{path}: the split is '{folder.name}'; expected train, valid (dev, val, "
                "validation) or test. Remove it, or rename its folder."
            )
        about = {**options, "fold": options["fold"] or NO} if side else options
        parts.append((side, _manifest(folder, path, about)))
    return merged(parts)


def _is_root(path: Path) -> bool:
    if (path / "state.json").is_file() or (path / _DICT).is_file():
        return True
    return any(file.parent.name.lower() in SIDE_BY_NAME for file in path.glob("*/state.json"))


def _manifest(folder: Path, root: Path, options: Options) -> Manifest:
    """Return the contents of a split."""
    features = _features(folder)
    audio = _audio_column(folder, features, options["audio"])
    others = [name for name in features if name != audio]
    columns = find_columns(root.name, others, options, {}, has_path=False)
    collector = RowCollector(columns, options)
    row = 0
    missing: list[str] = []
    for file, batch, whole in _batches(folder):
        sounds = _sounds(file, batch, audio, whole)
        records = _records(file, row, batch, features, columns)
        for (span, path), record in zip(sounds, records, strict=True):
            where = f"{file}, row {row}"
            key = f"{folder.name}/{row}" if folder != root else str(row)
            row += 1
            if span is None and (path is None or not Path(path).is_file()):
                missing.append(f"row {key}: {path or 'no audio'}")
                continue
            place = file if path is None or span else Path(path)
            part = columns.part(where, record, partial(sample_rate, place, span))
            utterance = Utterance(
                key,
                place,
                columns.label(where, record),
                columns.text("speaker", record) or None,
                *part,
                span=span,
                prompt=columns.text("prompt", record),
            )
            collector.add(where, record, utterance)
    notices = left_out(folder, len(missing), row, missing, options)
    manifest = collector.manifest(options)
    return replace(manifest, notices=(*manifest.notices, *notices))


def _batches(folder: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield each batch of rows with its file and the memory-mapped bytes of the file."""
    try:
        import pyarrow as arrow
    except ImportError as error:
        raise DataError("hf needs pyarrow: pip install 'ossicle[arrow]'") from error
    for file in _arrow_files(folder):
        with arrow.memory_map(str(file)) as mapped:
            whole = mapped.read_buffer(mapped.size())
            try:
                batches = list(arrow.ipc.open_stream(whole))
            except arrow.ArrowInvalid as error:
                raise DataError(
                    f"{file} is not an Arrow stream: {error}. Save the dataset again."
                ) from error
            for batch in batches:
                yield file, batch, whole


def _sounds(
    file: Path, batch: Any, audio: str, whole: Any
) -> Iterator[tuple[tuple[int, int] | None, str | None]]:
    """Return for each row of a batch the bytes of its audio in the file, or the path of its own."""
    import pyarrow as arrow

    sounds = batch.column(audio)
    kept = sounds.type
    if not arrow.types.is_struct(kept) or {"bytes", "path"} - {field.name for field in kept}:
        raise DataError(
            f"{file}: column '{audio}' is {kept}; expected a struct of bytes and path. Cast it to "
            "Audio() and save the dataset again."
        )
    return zip(_spans(file, sounds, whole), sounds.field("path").to_pylist(), strict=True)


def _records(
    file: Path, first: int, batch: Any, features: Mapping[str, Any], columns: Columns
) -> list[dict[str, str]]:
    """Return the used columns of each row of a batch, with a ClassLabel as its name.

    Args:
        file: File of the batch, for messages.
        first: Number of the first row of the batch in its split.
        batch: Batch of rows.
        features: Features of the dataset, by column.
        columns: Columns that are used.
    """
    texts = {}
    for column in sorted(columns.used):
        found = batch.column(column).to_pylist()
        if any(isinstance(one, list | dict) for one in found):
            raise DataError(
                f"{file}: column '{column}' is {batch.column(column).type}; expected a text or a "
                "number. Save it as text, tags as dog|rain."
            )
        found = _named(file, column, features.get(column), found)
        texts[column] = [cell(str(file), column, one) for one in found]
        bare = [row for row, text in enumerate(texts[column], first) if not text.strip()]
        if bare and column in columns.labels:
            raise DataError(
                f"{file}: {len(bare)} rows have no {column}: {listing(map(str, bare))}. Remove "
                "them, or use a labelled split."
            )
    rows = zip(*texts.values(), strict=True)
    return [dict(zip(texts, row, strict=True)) for row in rows]


def _named(file: Path, column: str, feature: object, found: list[Any]) -> list[Any]:
    """Return the class names of a column, if it contains class numbers."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if not names:
        return found
    numbers = [one for one in found if one is not None]
    if not isinstance(names, list) or not all(
        type(one) is int and one < len(names) for one in numbers
    ):
        raise DataError(
            f"{file}: column '{column}' has classes that dataset_info.json does not name. Save "
            "the dataset again."
        )
    # datasets marks unlabelled rows by null or by class -1
    return [None if one is None or one < 0 else names[one] for one in found]


def _spans(file: Path, sounds: Any, whole: Any) -> list[tuple[int, int] | None]:
    """Return the byte range of each row's audio in a memory-mapped file."""
    column = sounds.field("bytes")
    if not len(column):
        return []
    _, offsets, data = column.buffers()
    kind = np.int64 if str(column.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, dtype=kind)[column.offset :][: len(column) + 1].tolist()
    first = data.address - whole.address if data is not None and ends[-1] else 0
    if not 0 <= first <= whole.size - ends[-1]:  # pyarrow decompressed into other memory
        raise DataError(f"{file} is compressed. Save the dataset without compression.")
    here = zip(sounds.is_valid().to_pylist(), column.is_valid().to_pylist(), strict=True)
    pairs = zip(pairwise(ends), here, strict=True)
    return [(first + low, high - low) if all(valid) else None for (low, high), valid in pairs]


def _refuse_missing_splits(path: Path) -> None:
    if not (path / _DICT).is_file():
        return
    try:
        splits = strict_json.read_object(path / _DICT)["splits"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{path / _DICT} cannot be read: {error}. Save the dataset again."
        ) from error
    if not isinstance(splits, list) or not all(isinstance(split, str) for split in splits):
        raise DataError(f"{path / _DICT} has no list of splits. Save the dataset again.")
    if gone := [split for split in splits if not (path / split / "state.json").is_file()]:
        raise DataError(f"{path} has no split {listing(gone)}. Copy the dataset again.")


def _features(folder: Path) -> Mapping[str, Any]:
    file = folder / "dataset_info.json"
    try:
        features = strict_json.read_object(file)["features"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} cannot be read: {error}. Save the dataset again.") from error
    if not isinstance(features, dict):
        raise DataError(f"{file} has no object 'features'. Save the dataset again.")
    return features


def _audio_column(folder: Path, features: Mapping[str, Any], wanted: str | None) -> str:
    columns = [
        name
        for name, kind in features.items()
        if isinstance(kind, dict) and kind.get("_type") == "Audio"
    ]
    if not columns:
        raise DataError(
            f"{folder} has no Audio column. It has: {listing(features)}. Cast the column of sound "
            "to Audio() and save the dataset again."
        )
    return choose("audio", wanted or columns[0], columns)


def _arrow_files(folder: Path) -> list[Path]:
    try:
        state = strict_json.read_object(folder / "state.json")
        files = [folder / one["filename"] for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / 'state.json'} cannot be read: {error}. Save the dataset again."
        ) from error
    if missing := [file.name for file in files if not file.is_file()]:
        raise DataError(f"{folder} has no {listing(missing)}. Copy the dataset again.")
    return files


def _pack(root: Path) -> None:
    """Write the recordings as `save_to_disk` does, and remove them."""
    import pyarrow as arrow

    info = {
        "features": {
            "audio": {"sampling_rate": 8000, "_type": "Audio"},
            "label": {"names": ["no", "yes"], "_type": "ClassLabel"},
            "speaker": {"dtype": "string", "_type": "Value"},
        }
    }
    for side in ("train", "validation", "test"):
        noises = sorted((root / side).iterdir())
        sounds = [{"bytes": file.read_bytes(), "path": file.name} for file in noises]
        columns = {"audio": sounds, "label": [0, 1], "speaker": [f"{side}-one"] * 2}
        table = arrow.table(columns)
        with arrow.ipc.new_stream(
            str(root / side / "data-00000-of-00001.arrow"), table.schema
        ) as out:
            out.write_table(table)
        for noise in noises:
            noise.unlink()
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}
        (root / side / "state.json").write_text(json.dumps(state))
        (root / side / "dataset_info.json").write_text(json.dumps(info))
    splits = {"splits": ["train", "validation", "test"]}
    (root / "dataset_dict.json").write_text(json.dumps(splits))


CORPUS = Corpus(
    name="hf",
    summary=(
        "A dataset saved by Hugging Face's datasets (save_to_disk) with an Audio column; "
        "recordings are read from within its Arrow files. Needs ossicle[arrow]."
    ),
    size="any",
    protocol=(
        "Its splits train, validation and test; missing ones are drawn at random, stratified by "
        "label and, if speakers are known, by speaker."
    ),
    source="https://huggingface.co/docs/datasets",
    licence="your own",
    options=DRAW_OPTIONS | MISSING | {"audio": Option("Audio column (the first)")},
    read=_contents,
    folds=folds_by_column(_contents),
    root=_is_root,
    columns=TABLE_COLUMNS,
    example=Example(
        files={
            f"{side}/{name}.wav": None for side in ("train", "validation", "test") for name in "ab"
        },
        labels=("no", "yes"),
        pack=_pack,
    ),
)
