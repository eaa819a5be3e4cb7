"""A data set that Hugging Face's `datasets` saved to disk: Arrow files, sound inside.

`dataset_dict.json` and a folder for each split, or one split: `state.json`, `dataset_info.json` and
`data-*.arrow`. Nothing is unpacked: a recording is read where it lies in its file.
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
from ossicle.data.corpora.drawn import DRAW_OPTIONS, complete
from ossicle.data.dataset import Dataset
from ossicle.data.manifest import Gathered, Manifest, merged, sample_rate
from ossicle.data.missing import left_out
from ossicle.data.roles import NO, find_columns
from ossicle.data.rows import cell
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_DICT = "dataset_dict.json"


def _read(path: Path, options: Options) -> Dataset:
    folders = [path] if (path / "state.json").is_file() else sorted(path.glob("*/state.json"))
    if not folders:
        raise DataError(
            f"{path} holds no state.json. Give a folder that `save_to_disk` of datasets wrote."
        )
    _refuse_missing_splits(path)
    parts: list[tuple[str | None, Manifest]] = []
    for found in folders:
        folder = found if found.is_dir() else found.parent
        side = None if folder == path else SIDE_BY_NAME.get(folder.name.lower())
        if folder != path and side is None:
            raise DataError(
                f"{path}: the split '{folder.name}' is no train, valid (dev, val, validation) or "
                "test. Take it out, or rename its folder."
            )
        about = {**options, "fold": options["fold"] or NO} if side else options
        parts.append((side, _manifest(folder, path, about)))
    return complete(f"hf:{path}", merged(parts), options)


def _is_root(path: Path) -> bool:
    if (path / "state.json").is_file() or (path / _DICT).is_file():
        return True
    return any(file.parent.name.lower() in SIDE_BY_NAME for file in path.glob("*/state.json"))


def _manifest(folder: Path, root: Path, options: Options) -> Manifest:
    """Return what a split holds."""
    features = _features(folder)
    audio = _audio_column(folder, features, options["audio"])
    others = [name for name in features if name != audio]
    columns = find_columns(root.name, others, options, {}, has_path=False)
    gathered = Gathered(columns)
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
                missing.append(f"row {key}: {path or 'no sound'}")
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
            )
            gathered.add(where, record, utterance)
    notices = left_out(folder, len(missing), row, missing, options)
    manifest = gathered.manifest(options)
    return replace(manifest, notices=(*manifest.notices, *notices))


def _batches(folder: Path) -> Iterator[tuple[Path, Any, Any]]:
    """Yield each batch of rows with its file, and the file's bytes, mapped to memory."""
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
                raise DataError(f"{file} is no Arrow stream: {error}. Save it again.") from error
            for batch in batches:
                yield file, batch, whole


def _sounds(
    file: Path, batch: Any, audio: str, whole: Any
) -> Iterator[tuple[tuple[int, int] | None, str | None]]:
    """Return, for each row of a batch, where its sound lies in the file, or the path of its own."""
    import pyarrow as arrow

    sounds = batch.column(audio)
    kept = sounds.type
    if not arrow.types.is_struct(kept) or {"bytes", "path"} - {field.name for field in kept}:
        raise DataError(
            f"{file}: column '{audio}' is {kept}, and no bytes and path of files: it was saved "
            "decoded. Cast it to Audio() and save it again."
        )
    return zip(_spans(file, sounds, whole), sounds.field("path").to_pylist(), strict=True)


def _records(
    file: Path, first: int, batch: Any, features: Mapping[str, Any], columns: Columns
) -> list[dict[str, str]]:
    """Return what each row of a batch has in the columns that are used, a ClassLabel by its name.

    Args:
        file: The batch's.
        first: Row of the batch's first in its split.
        batch: Of rows.
        features: Of the data set, by column.
        columns: What is used of it.
    """
    texts = {}
    for column in sorted(columns.used):
        found = batch.column(column).to_pylist()
        if any(isinstance(one, list | dict) for one in found):
            raise DataError(
                f"{file}: column '{column}' is {batch.column(column).type}, and no text or number "
                "in each row. Save it as a text, tags as dog|rain."
            )
        found = _named(file, column, features.get(column), found)
        texts[column] = [cell(str(file), column, one) for one in found]
        bare = [row for row, text in enumerate(texts[column], first) if not text.strip()]
        if bare and column in columns.labels:
            raise DataError(
                f"{file}: {len(bare)} rows have no {column}: {listing(map(str, bare))}. Take them "
                "out, or take a split that is labelled."
            )
    rows = zip(*texts.values(), strict=True)
    return [dict(zip(texts, row, strict=True)) for row in rows]


def _named(file: Path, column: str, feature: object, found: list[Any]) -> list[Any]:
    """Return the names of the classes of a column, where it holds their numbers."""
    names = feature.get("names") if isinstance(feature, dict) else None
    if not names:
        return found
    numbers = [one for one in found if one is not None]
    if not isinstance(names, list) or not all(
        type(one) is int and one < len(names) for one in numbers
    ):
        raise DataError(
            f"{file}: column '{column}' has classes that dataset_info.json does not name. Save the "
            "data set again."
        )
    # datasets marks a row of an unlabelled test set by null, or by class -1
    return [None if one is None or one < 0 else names[one] for one in found]


def _spans(file: Path, sounds: Any, whole: Any) -> list[tuple[int, int] | None]:
    """Return where the bytes of each row lie in a file that is mapped to memory."""
    column = sounds.field("bytes")
    if not len(column):
        return []
    _, offsets, data = column.buffers()
    kind = np.int64 if str(column.type).startswith("large") else np.int32
    ends = np.frombuffer(offsets, dtype=kind)[column.offset :][: len(column) + 1].tolist()
    first = data.address - whole.address if data is not None and ends[-1] else 0
    if not 0 <= first <= whole.size - ends[-1]:  # pyarrow decompresses elsewhere in memory
        raise DataError(f"{file} is compressed. Save the data set without compression.")
    here = zip(sounds.is_valid().to_pylist(), column.is_valid().to_pylist(), strict=True)
    pairs = zip(pairwise(ends), here, strict=True)
    return [(first + low, high - low) if all(valid) else None for (low, high), valid in pairs]


def _refuse_missing_splits(path: Path) -> None:
    if not (path / _DICT).is_file():
        return
    try:
        splits = strict_json.read_object(path / _DICT)["splits"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{path / _DICT} cannot be read: {error}. Save it again.") from error
    if not isinstance(splits, list) or not all(isinstance(split, str) for split in splits):
        raise DataError(f"{path / _DICT} has no list of splits. Save the data set again.")
    if gone := [split for split in splits if not (path / split / "state.json").is_file()]:
        raise DataError(f"{path} holds no split {listing(gone)}. Copy the data set again.")


def _features(folder: Path) -> Mapping[str, Any]:
    file = folder / "dataset_info.json"
    try:
        features = strict_json.read_object(file)["features"]
    except (OSError, ValueError, KeyError) as error:
        raise DataError(f"{file} cannot be read: {error}. Save the data set again.") from error
    if not isinstance(features, dict):
        raise DataError(f"{file} has no table of features. Save the data set again.")
    return features


def _audio_column(folder: Path, features: Mapping[str, Any], wanted: str | None) -> str:
    columns = [
        name
        for name, kind in features.items()
        if isinstance(kind, dict) and kind.get("_type") == "Audio"
    ]
    if not columns:
        raise DataError(f"{folder} has no column of sound. It has: {listing(features)}.")
    return choose("audio", wanted or columns[0], columns)


def _arrow_files(folder: Path) -> list[Path]:
    try:
        state = strict_json.read_object(folder / "state.json")
        files = [folder / one["filename"] for one in state["_data_files"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{folder / 'state.json'} cannot be read: {error}. Save the data set again."
        ) from error
    if missing := [file.name for file in files if not file.is_file()]:
        raise DataError(f"{folder} holds no {listing(missing)}. Copy the data set again.")
    return files


def _pack(root: Path) -> None:
    """Write the noises as `save_to_disk` does, and remove them."""
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
        "A data set that Hugging Face's datasets saved to disk (save_to_disk), with a column of "
        "sound; recordings are read where they lie in its Arrow files. Needs ossicle[arrow]."
    ),
    size="yours",
    protocol=(
        "Its splits train, validation and test; those that it has not are drawn, by label and, "
        "where speakers are known, by speaker."
    ),
    source="https://huggingface.co/docs/datasets",
    licence="your own",
    options=DRAW_OPTIONS | MISSING | {"audio": Option("the column of sound (the first)")},
    read=_read,
    root=_is_root,
    example=Example(
        files={
            f"{side}/{name}.wav": None for side in ("train", "validation", "test") for name in "ab"
        },
        labels=("no", "yes"),
        pack=_pack,
    ),
)
