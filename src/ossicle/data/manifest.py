"""Utterances, datasets, and the CSV or JSON-lines files that list them.

    path,label,speaker,split            {"path": "a/1.wav", "label": "dog", "split": "train"}
    a/1.wav,dog,anna,train              {"path": "a/2.wav", "label": "cat", "split": "test"}

Columns: `path`, `label`, and where known `speaker`, `split`, `start_s`, `duration_s`. Relative
paths start at the manifest's own folder.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ossicle.data.rows import iterate_rows, write_rows
from ossicle.errors import ManifestError, did_you_mean, listing

SIDES = ("train", "valid", "test")
SIDE_BY_NAME = {side: side for side in SIDES} | dict.fromkeys(("dev", "val", "validation"), "valid")

_PATH_COLUMNS = ("path", "file_name", "audio_filepath", "filename", "wav")
_START_COLUMNS = ("start_s", "start", "offset")
_TASK_BY_COLUMN = {
    **dict.fromkeys(("transcript", "transcription", "text", "sentence"), "asr"),
    "phones": "phones",
    "tags": "tagging",
    **dict.fromkeys(("valence", "arousal", "dominance"), "regression"),
    **dict.fromkeys(("action", "object", "location"), "intent"),
    "slots": "slots",
    "events": "events",
}
LABEL = "label"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled recording, or a part of one.

    Attributes:
        key: Unique within a dataset: the path from the data's root, with `/`, and `#start-stop`
            in seconds for a part.
        path: The file.
        label: What the task predicts, as text.
        speaker: Who speaks, where known.
        start_s: Where the part begins.
        duration_s: Its length; None goes to the end of the file.
        span: First byte and number of bytes of the recording inside the file, where the file is an
            archive of many; None: the file is the recording.
    """

    key: str
    path: Path
    label: str
    speaker: str | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    span: tuple[int, int] | None = None

    @classmethod
    def of(
        cls,
        path: Path,
        root: Path,
        label: str,
        speaker: str | None = None,
        start_s: float = 0.0,
        duration_s: float | None = None,
    ) -> "Utterance":
        """Return an utterance whose key is made from its path below `root` and its part."""
        above = root.as_posix().rstrip("/") + "/"
        key = path.as_posix().removeprefix("" if above == "./" else above)
        if start_s or duration_s is not None:
            stop = "end" if duration_s is None else _seconds(start_s + duration_s)
            key += f"#{_seconds(start_s)}-{stop}"
        return cls(key, path, label, speaker, start_s, duration_s)


class Trial(NamedTuple):
    """Two utterances of which it is asked whether one speaker says both.

    Attributes:
        first: Key of the enrolled utterance.
        second: Key of the tested one.
        same: Whether it is one speaker.
    """

    first: str
    second: str
    same: bool


@dataclass(frozen=True)
class Dataset:
    """Utterances in their three parts.

    Attributes:
        name: The data string it was opened by.
        train: What is learnt from.
        valid: What settings and epochs are chosen by.
        test: What is reported.
        speaker_independent: Whether no speaker may stand on two sides.
        given: Whether the test part is the corpus's, the folder's, a column's or an option's, and
            not drawn by us.
        note: One sentence on how it was split.
        task: The name of the task that its labels suggest.
        trials: The pairs by which speaker verification is judged, by side; a side without any is
            judged by all its pairs.
        test_chooses: Whether the validation part is the test part, because a published protocol
            that was asked for has it so.
        notices: Sentences that a user must read before trusting a result: columns that were not
            used, classes absent from a side, recordings left out. A run logs and stores them.
    """

    name: str
    train: tuple[Utterance, ...]
    valid: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    speaker_independent: bool
    given: bool
    note: str
    task: str = "classification"
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)
    test_chooses: bool = False
    notices: tuple[str, ...] = ()

    @property
    def sides(self) -> dict[str, tuple[Utterance, ...]]:
        """The three parts by name: train, valid, test."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """All of them: train, then valid, then test."""
        return self.train + self.valid + self.test

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of the training part, sorted; a class's number is its place here."""
        return tuple(sorted({utterance.label for utterance in self.train}))

    @property
    def split(self) -> dict[str, str]:
        """The side of every utterance by its key, as `write_manifest` takes it."""
        return {one.key: side for side, part in self.sides.items() for one in part}


@dataclass(frozen=True)
class Manifest:
    """What a manifest file holds.

    Attributes:
        utterances: In its order.
        split: The side of each that has one, by key.
        task: The task that the columns of the label suggest.
    """

    utterances: tuple[Utterance, ...]
    split: Mapping[str, str]
    task: str = "classification"


def read_manifest(path: str | Path, *, label: str = "label") -> Manifest:
    """Return the utterances of a .csv or .jsonl manifest, in its order.

    The path may stand under `path`, `file_name`, `audio_filepath`, `filename` or `wav`, a start
    under `start_s`, `start` or `offset`, and beside a start the length under `duration` too. Alone,
    `duration` is the length of the whole file in many manifests, and is not read.

    Args:
        path: The manifest. Rows count from 1 and include a CSV's header.
        label: The column that holds what is to be predicted; several, separated by commas, give
            labels such as `valence=3.5,arousal=2`. Where there is no column `label`, the columns
            that a task is known by stand for it: `transcript`, `tags`, `valence` and so on.

    Raises:
        ManifestError: a column or a file is missing, a row is malformed, twice there or lacks a
            label, a number or a split name cannot be read, or some rows have a split and some not.
    """
    path = Path(path)
    root, base = path.parent, str(path.parent.absolute())
    path_column, labels = "", list[str]()  # by the first row
    row_by_key: dict[str, int] = {}
    utterances, missing, split, without = [], [], {}, []
    known: dict[str, str] = {}  # one object for each label and speaker, however many rows
    for row, record in iterate_rows(path):
        where = f"{path}, row {row}"
        if not labels:
            path_column = _column(path, record, _PATH_COLUMNS)
            labels = label_columns(path, record, label)
        utterance = _utterance(where, record, root, path_column, labels, known)
        if first := row_by_key.get(utterance.key):
            raise ManifestError(
                f"{where}: {utterance.key} is in row {first} already. Take one of them out."
            )
        row_by_key[utterance.key] = row
        if not os.path.isfile(os.path.join(base, record[path_column])):  # noqa: PTH113, PTH118 - a million times
            missing.append(f"row {row}: {record[path_column]}")
        utterances.append(utterance)
        if name := record.get("split", "").strip():
            split[utterance.key] = _side(where, name)
        else:
            without.append(row)
    if missing:
        raise ManifestError(
            f"{path}: {len(missing)} of {len(utterances)} files are missing ({listing(missing)}). "
            f"Paths start at {path.parent}. Mend the paths or take the rows out."
        )
    if split and without:
        raise ManifestError(
            f"{path}: {len(without)} of {len(utterances)} rows have no split "
            f"({listing(f'row {row}' for row in without)}). Fill in train, valid or test "
            "everywhere or nowhere."
        )
    return Manifest(tuple(utterances), split, task_of(labels))


def write_manifest(
    path: str | Path, utterances: Sequence[Utterance], split: Mapping[str, str] | None = None
) -> None:
    """Write utterances to a .csv or .jsonl file that `read_manifest` reads back.

    Files below the manifest's folder are written relative to it, others with their whole path.

    Args:
        path: The manifest; its folder must exist.
        utterances: In the order in which they are written.
        split: The side of every utterance by its key, as `Dataset.split` has it.
    """
    path = Path(path)
    rows = [_row(utterance, path.parent, split) for utterance in utterances]
    write_rows(path, rows)


def label_columns(path: Path, record: Mapping[str, object], label: str) -> list[str]:
    """Return the columns of the label: those asked for, or those that a task is known by.

    Raises:
        ManifestError: they are not there, or there are those of several tasks.
    """
    if label != LABEL or LABEL in record:
        return [_column(path, record, (column,)) for column in label.split(",")]
    found: dict[str, list[str]] = {}
    for column, task in _TASK_BY_COLUMN.items():
        if column in record:
            found.setdefault(task, []).append(column)
    if len(found) > 1:
        either = " or ".join(",".join(columns) for columns in found.values())
        raise ManifestError(f"{path} has {either} to predict. Say which, with label=COLUMN.")
    return next(iter(found.values())) if found else [_column(path, record, (LABEL,))]


def task_of(columns: Sequence[str]) -> str:
    """Return the task that the columns of a label suggest."""
    return _TASK_BY_COLUMN.get(columns[0], "classification")


def _column(path: Path, record: Mapping[str, object], names: Sequence[str]) -> str:
    """Return the first of some names that is a column."""
    for name in names:
        if name in record:
            return name
    also = f" (or {', '.join(names[1:])})" if len(names) > 1 else ""
    hint = "" if names is _PATH_COLUMNS else " Name the column to predict with label=COLUMN."
    raise ManifestError(
        f"{path} has no column '{names[0]}'{also}. It has: {listing(record)}."
        f"{did_you_mean(names[0], record)}{hint}"
    )


def _utterance(
    where: str,
    record: Mapping[str, str],
    root: Path,
    path_column: str,
    labels: Sequence[str],
    known: dict[str, str],
) -> Utterance:
    for column in (path_column, *labels):
        if column not in record:
            raise ManifestError(f"{where} has no '{column}', and other rows do.")
        if not record[column].strip():
            raise ManifestError(f"{where} has no {column}. Fill it in or take the row out.")
    start_column = next((name for name in _START_COLUMNS if name in record), None)
    duration_column = "duration" if start_column and "duration_s" not in record else "duration_s"
    start_s = _number(where, record, start_column or "start_s")
    duration_s = _number(where, record, duration_column)
    if duration_s == 0:
        raise ManifestError(f"{where}: {duration_column} is 0. Leave it empty for the whole file.")
    label = _label(record, labels)
    speaker = record.get("speaker", "").strip()
    return Utterance.of(
        root / record[path_column],
        root,
        known.setdefault(label, label),
        known.setdefault(speaker, speaker) or None,
        start_s or 0.0,
        duration_s,
    )


def _label(record: Mapping[str, str], columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return record[columns[0]].strip()
    return ",".join(f"{column}={record[column].strip()}" for column in columns)


def _number(where: str, record: Mapping[str, str], column: str) -> float | None:
    """Return a number of seconds, or None where the field is empty or absent."""
    text = record.get(column, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ManifestError(f"{where}: {column} is '{text}'; expected seconds, 0 or more.")
    return seconds


def _side(where: str, name: str) -> str:
    if side := SIDE_BY_NAME.get(name.lower()):
        return side
    raise ManifestError(
        f"{where}: the split is '{name}'; expected train, valid (dev, val, validation) or test."
        f"{did_you_mean(name, SIDE_BY_NAME)}"
    )


def _row(
    utterance: Utterance, root: Path, split: Mapping[str, str] | None
) -> dict[str, str | float]:
    inside = utterance.path.is_relative_to(root)
    path = utterance.path.relative_to(root) if inside else utterance.path.absolute()
    row: dict[str, str | float] = {"path": path.as_posix(), "label": utterance.label}
    if utterance.speaker is not None:
        row["speaker"] = utterance.speaker
    if split is not None:
        row["split"] = split[utterance.key]
    if utterance.start_s:
        row["start_s"] = utterance.start_s
    if utterance.duration_s is not None:
        row["duration_s"] = utterance.duration_s
    return row


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
