"""Read and write the CSV, TSV or JSON-lines files that list recordings.

    path,label,speaker,split            {"path": "a/1.wav", "label": "dog", "split": "train"}
    a/1.wav,dog,anna,train              {"path": "a/2.wav", "label": "cat", "split": "test"}

Columns: `path`, `label`, and optionally `speaker`, `split`, `start_s`, `duration_s`, under these or
other usual names (`roles.py`). Paths are relative to the manifest's folder.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from io import BytesIO
from itertools import takewhile
from pathlib import Path
from typing import Final

import soundfile

from ossicle.data.columns import SIDE_BY_NAME, WHOLE, Columns
from ossicle.data.missing import left_out
from ossicle.data.pairs import Options
from ossicle.data.roles import LABEL, NO, find_columns
from ossicle.data.rows import iterate_rows, read_header, write_rows
from ossicle.data.selection import Keeper, Row
from ossicle.data.tags import SEPARATOR, TAGS, joined, separator_of
from ossicle.data.utterance import Trial, Utterance
from ossicle.errors import ManifestError, listing

_MISSING: Final = frozenset(("nan", "NaN", "<NA>", "#N/A"))  # written by pandas and spreadsheets


@dataclass(frozen=True)
class Manifest:
    """Contents of a manifest, or of a folder read like one.

    Attributes:
        utterances: Utterances in the order of the file.
        split: Split of each utterance that has one, by key.
        label_name: Name of the label, see `Dataset.label_name`.
        notices: Notices, see `Dataset`.
        split_by: Origin of the split, as in "by the folders of the paths"; empty if it is a column
            or the layout of the data.
        folds: Fold of each utterance by key, if a column has folds.
        trials: Verification trials by split, see `Dataset`.
    """

    utterances: tuple[Utterance, ...]
    split: Mapping[str, str]
    label_name: str = "label"
    notices: tuple[str, ...] = ()
    split_by: str = ""
    folds: Mapping[str, str] = field(default_factory=dict)
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)


def merged(parts: Sequence[tuple[str | None, Manifest]]) -> Manifest:
    """Merge the manifests of several folders.

    Args:
        parts: Split of each folder, or None, with its manifest.

    Raises:
        ManifestError: their labels have different names, or a table contradicts its folder.
    """
    manifests = [part for _, part in parts]
    if len(names := sorted({part.label_name for part in manifests})) > 1:
        raise ManifestError(
            f"the tables of the splits have different labels: {listing(names)}. Choose the column "
            "to predict with label=COLUMN."
        )
    split: dict[str, str] = {}
    for side, part in parts:
        if other := [key for key, own in part.split.items() if side and own != side]:
            raise ManifestError(
                f"{len(other)} recordings are in the {side} folder, but their table names another "
                f"split: {listing(other, 3)}. Correct the table, or use split=no to split by "
                "folder."
            )
        split |= {one.key: side for one in part.utterances} if side else part.split
    return Manifest(
        tuple(one for part in manifests for one in part.utterances),
        split,
        names[0],
        tuple(dict.fromkeys(notice for part in manifests for notice in part.notices)),
        folds={key: fold for part in manifests for key, fold in part.folds.items()},
    )


class RowCollector:
    """Collects the rows of a table while they are read."""

    def __init__(self, columns: Columns, options: Options) -> None:
        """Start without rows."""
        self.columns = columns
        self._keep = Keeper(options)
        self._rows: dict[tuple[str, ...], Row] = {}  # by the values that are chosen by
        self.utterances: list[Utterance] = []
        self._split: dict[str, str] = {}
        self._folds: dict[str, str] = {}
        self._without: list[str] = []
        self._has_split = "split" in columns.by_role
        self._has_fold = "fold" in columns.by_role

    def add(self, where: str, record: Mapping[str, str], utterance: Utterance) -> None:
        """Add a row, with its split or fold, and the columns that `where` chooses by."""
        if self._keep.asked:
            values = tuple(record.get(name, "") for name in self.columns.chosen)
            if values not in self._rows:
                row = {name: record.get(name, "") for name in self.columns.names}
                self._rows[values] = self._keep(row)
            utterance = replace(utterance, columns=self._rows[values])
        self.utterances.append(utterance)
        if self._has_split:
            if side := self.columns.side(where, record):
                self._split[utterance.key] = side
            else:
                self._without.append(where)
        if self._has_fold:
            self._folds[utterance.key] = self.columns.text("fold", record)

    def manifest(self, options: Options) -> Manifest:
        """Return the manifest of all rows.

        Raises:
            ManifestError: only some rows have a split, or the separator of tags is ambiguous.
        """
        table = self.columns.table
        if self._split and self._without:
            rows = listing(where.rpartition(", ")[2] for where in self._without)
            raise ManifestError(
                f"{table}: {len(self._without)} of {len(self.utterances)} rows have no split "
                f"({rows}). Fill in train, valid or test everywhere or nowhere."
            )
        split, folds = self._split, self._folds
        if not split and folds and all(fold.lower() in SIDE_BY_NAME for fold in folds.values()):
            split = {key: SIDE_BY_NAME[fold.lower()] for key, fold in folds.items()}
            folds = {}
        name = self.columns.label_name if options.get("separator") is None else TAGS
        utterances, tagged = _tagged(table, tuple(self.utterances), name, options)
        notices = (*self.columns.notices, *tagged, *_unclear(table, utterances))
        return Manifest(utterances, split, name, notices, folds=folds)


def _unclear(table: str, utterances: Sequence[Utterance]) -> tuple[str, ...]:
    """Return a notice on labels that look like missing values written as text, if any."""
    found = [one.label for one in utterances if one.label in _MISSING]
    if not found:
        return ()
    labels = listing(sorted(set(found)))
    return (
        f"{table}: {len(found)} rows have the label {labels}. If that is a missing value, remove "
        "them.",
    )


def _tagged(
    table: str, utterances: tuple[Utterance, ...], label_name: str, options: Options
) -> tuple[tuple[Utterance, ...], tuple[str, ...]]:
    """Return the utterances with tags joined by the label separator, and notices."""
    chosen = options.get("separator")
    if label_name != TAGS:
        return utterances, ()
    separator = separator_of(table, [one.label for one in utterances], chosen)
    if separator == SEPARATOR:
        return utterances, ()
    notices = () if chosen else (f"{table}: tags are separated by '{separator}'.",)
    return tuple(replace(one, label=joined(one.label, separator)) for one in utterances), notices


def read_manifest(
    path: str | Path, *, label: str = LABEL, options: Options | None = None
) -> Manifest:
    """Read a .csv, .tsv or .jsonl manifest.

    Columns are found by their usual names, case-insensitively: the path as `path`, `file_name`,
    `audio_filepath`, `filename`, `wav` and so on, the start as `start_s`, `start`, `offset`, ...,
    the end as `end`, `stop`, ..., the speaker as `speaker`, `speaker_id`, `client_id`, ... A column
    `duration` is the length of the part if there is a start but no end; alone it is the length of
    the whole file in many manifests, and is not read. Without a split column, paths that begin with
    folders named train and valid or test are split by these folders.

    Args:
        path: Path of the manifest. Rows count from 1 and include a CSV's header.
        label: Column to predict; several, separated by commas, give labels such as
            `valence=3.5,arousal=2`. Without a column `label`, the columns typical of a task are
            used: `transcript`, `tags`, `valence` and so on.
        options: Columns by role, as in `{"path": "cough_filename", "split": "no"}`, and the other
            options of a table in a data string: `text`, `unit`, `separator`, `missing`.

    Raises:
        ManifestError: a column or file is missing, a column is ambiguous, a row is malformed,
            repeated or lacks a label, a number or split name cannot be read, or only some rows
            have a split.
    """
    path, options = Path(path), {"label": label, **(options or {})}
    root, base = path.parent, str(path.parent.absolute())
    header, example = read_header(path)
    columns = find_columns(path.name, header, options, example)
    collector = RowCollector(columns, options)
    row_by_key: dict[str, int] = {}
    missing: list[str] = []
    known: dict[str, str] = {}  # one string object for each label and speaker
    for row, record in iterate_rows(path, columns.used):
        where = f"{path}, row {row}"
        name = columns.path(where, record)
        if not os.path.isfile(os.path.join(base, name)):  # noqa: PTH113, PTH118 - called often
            missing.append(f"row {row}: {name}")
            continue
        utterance = _utterance(where, record, columns, root, known)
        if first := row_by_key.get(utterance.key):
            raise ManifestError(
                f"{where}: {utterance.key} is already in row {first}. Remove one of them."
            )
        row_by_key[utterance.key] = row
        collector.add(where, record, utterance)
    if missing and not collector.utterances:
        raise ManifestError(
            f"{path}: none of its {len(missing)} files exists ({listing(missing)}). Paths are "
            f"relative to {path.parent}. Correct them."
        )
    total = len(missing) + len(collector.utterances)
    notices = left_out(path, len(missing), total, missing, options)
    manifest = collector.manifest(options)
    manifest = replace(manifest, notices=(*manifest.notices, *notices))
    return manifest if options.get("split") == NO else _split_by_folder(manifest, path)


def _utterance(
    where: str, record: Mapping[str, str], columns: Columns, root: Path, known: dict[str, str]
) -> Utterance:
    """Return a row as an utterance, reusing known label and speaker strings."""
    file = root / columns.path(where, record)
    label, speaker = columns.label(where, record), columns.text("speaker", record)
    return Utterance.of(
        file,
        root,
        known.setdefault(label, label),
        known.setdefault(speaker, speaker) or None,
        *(
            columns.part(where, record, partial(sample_rate, file, None))
            if columns.timed
            else WHOLE
        ),
        prompt=columns.text("prompt", record),
    )


def read_pieces(path: Path) -> list[Utterance]:
    """Return the recordings, or parts of them, that a table lists; labels are optional.

    Columns are found as in `read_manifest`. Files are not checked to exist.

    Raises:
        ManifestError: there is no column of paths, a column is ambiguous, or a row is malformed.
    """
    header, example = read_header(path)
    named = header if LABEL in header else [*header, LABEL]
    columns = find_columns(path.name, named, {LABEL: LABEL, "split": NO}, example)
    found = []
    for row, record in iterate_rows(path, columns.used):
        where = f"{path}, row {row}"
        file = path.parent / columns.path(where, record)
        part = columns.part(where, record, partial(sample_rate, file, None))
        prompt = columns.text("prompt", record)
        found.append(Utterance.of(file, path.parent, "", None, *part, prompt=prompt))
    return found


def write_manifest(
    path: str | Path, utterances: Sequence[Utterance], split: Mapping[str, str] | None = None
) -> None:
    """Write utterances to a .csv or .jsonl file for `read_manifest`.

    Paths below the manifest's folder are written relative to it, others as absolute paths.

    Args:
        path: Path of the manifest; its folder must exist.
        utterances: Utterances to write, in this order.
        split: Split of every utterance by its key, as in `Dataset.split`.
    """
    path = Path(path)
    rows = [_row(utterance, path.parent, split) for utterance in utterances]
    write_rows(path, rows)


def _split_by_folder(manifest: Manifest, path: Path) -> Manifest:
    """Return a manifest split by the first folders in which its paths differ, if they name splits.

    They must include train and another split; a folder train alone may be a class. An existing
    split is kept, with a notice if folders contradict it.

    Raises:
        ManifestError: some paths are in folders of splits, and others are not.
    """
    keys = [one.key for one in manifest.utterances]
    pairs = zip(min(keys).split("/")[:-1], max(keys).split("/")[:-1], strict=False)
    shared = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs)]
    begin = sum(len(folder) + 1 for folder in shared)
    folders = {_folder(key, begin) for key in keys}
    sides = {SIDE_BY_NAME[one.lower()] for one in folders if one.lower() in SIDE_BY_NAME}
    if manifest.folds or "train" not in sides or len(sides) == 1:
        return manifest
    split = {key: SIDE_BY_NAME.get(_folder(key, begin).lower(), "") for key in keys}
    if manifest.split:
        other = [key for key, side in split.items() if side and side != manifest.split[key]]
        notice = (
            f"{path.name}: {len(other)} of {len(keys)} recordings are in the folder of another "
            f"split than their split column says, which is used: {listing(other, 3)}."
        )
        return replace(manifest, notices=(*manifest.notices, notice)) if other else manifest
    if outside := [key for key, side in split.items() if not side]:
        raise ManifestError(
            f"{path}: {len(outside)} of {len(keys)} paths are not in a split folder, but others "
            f"are in {listing(sorted(sides))}: {listing(outside)}. Add a column split, or use "
            "split=no to draw a random split across the folders."
        )
    return replace(manifest, split=split, split_by="by the folders of the paths")


def _folder(key: str, begin: int) -> str:
    """Return the folder name that begins at a position of a path; empty for a file."""
    end = key.find("/", begin)
    return key[begin:end] if end >= 0 else ""


@lru_cache(maxsize=64)
def sample_rate(file: Path, span: tuple[int, int] | None) -> int:
    """Return the sample rate in a recording's header.

    Raises:
        ManifestError: the header cannot be read.
    """
    try:
        with file.open("rb") as opened:
            opened.seek(span[0] if span else 0)
            source = BytesIO(opened.read(span[1])) if span else opened
            return int(soundfile.info(source).samplerate)
    except (OSError, soundfile.LibsndfileError) as error:
        raise ManifestError(
            f"{file} cannot be read to convert samples to seconds: {error}. Correct its path, or "
            "remove its row."
        ) from error


def _row(
    utterance: Utterance, root: Path, split: Mapping[str, str] | None
) -> dict[str, str | float]:
    inside = utterance.path.is_relative_to(root)
    path = utterance.path.relative_to(root) if inside else utterance.path.absolute()
    row: dict[str, str | float] = {"path": path.as_posix(), "label": utterance.label}
    if utterance.speaker is not None:
        row["speaker"] = utterance.speaker
    if utterance.prompt:
        row["prompt"] = utterance.prompt
    if split is not None:
        row["split"] = split[utterance.key]
    if utterance.start_s:
        row["start_s"] = utterance.start_s
    if utterance.duration_s is not None:
        row["duration_s"] = utterance.duration_s
    return row
