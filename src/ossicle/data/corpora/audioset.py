"""AudioSet: the csv files of the release, and a folder with the downloaded clips.

`{balanced_train,unbalanced_train,eval}_segments.csv` contain lines such as

    YTID, start, end, "/m/09x0r,/m/05zppz"        after three lines of comment

and `class_labels_indices.csv` the names of the labels. Clips are `{id}.wav` or `Y{id}.wav`, or have
another audio extension, anywhere below the folder `audio`.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    in_fraction,
    sided,
)
from ossicle.data.corpora.release import MISSING, fewer, left_out, table_rows
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_TABLES: dict[str, tuple[str, ...]] = {
    "balanced": ("balanced_train",),
    "unbalanced": ("unbalanced_train",),
}
_TABLES["both"] = (*_TABLES["balanced"], *_TABLES["unbalanced"])
_WHOLE = {"balanced_train": 22_160, "unbalanced_train": 2_041_789, "eval": 20_371}  # lines
_VALID_FRACTION = 0.1
_SOUND = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3"))


def _read(path: Path, options: Options) -> Dataset:
    train = choose("train", options["train"] or "", _TABLES)
    names = _names(path / "class_labels_indices.csv")
    audio = path / (options["audio"] or "")
    if not audio.is_dir():
        raise DataError(
            f"audio={options['audio']} is not a folder in {path}. Give the folder of the clips "
            "with audio=FOLDER."
        )
    file_by_id = _clips(audio)
    utterances, side_by_key = [], {}
    lacks: list[str] = []
    notices: list[str] = []
    for table in (*_TABLES[train], "eval"):
        absent = []
        segments = _segments(path / f"{table}_segments.csv", names)
        for name, marks in segments:
            if name not in file_by_id:
                absent.append(name)
                continue
            one = Utterance.of(file_by_id[name], path, "|".join(names[mark] for mark in marks))
            utterances.append(one)
            chooses = "valid" if in_fraction(name, _VALID_FRACTION) else "train"
            side_by_key[one.key] = "test" if table == "eval" else chooses
        lacks += fewer(len(segments), _WHOLE[table], f"lines of {table}_segments.csv")
        file = path / f"{table}_segments.csv"
        notices += left_out(file, len(absent), len(segments), absent, options)
    return sided(
        f"audioset:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=False,
        note=f"Evaluation segments are test; a tenth of {train} training is validation.",
        label_name="tags",
        lacks=lacks,
        notices=notices,
    )


def _clips(audio: Path) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for file in sorted(audio.rglob("*")):
        if file.suffix.lower() not in _SOUND:
            continue
        name = file.stem.removeprefix("Y") if len(file.stem) == 12 else file.stem
        if (first := found.setdefault(name, file)) is not file:
            raise DataError(f"{audio} has two files of clip {name}: {first} and {file}. Keep one.")
    return found


def _names(table: Path) -> Mapping[str, str]:
    rows = table_rows(table, ("mid", "display_name"))
    names = {row["mid"]: row["display_name"] for row in rows}
    if odd := [name for name in names.values() if "|" in name]:
        raise DataError(
            f"{table}: {listing(odd)} contain '|', which separates tags. Rename these classes."
        )
    return names


def _segments(table: Path, names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    if not table.is_file():
        raise DataError(f"{table} does not exist. Copy the file from the release.")
    with table.open(encoding="utf-8", newline="") as file:
        lines = [line for line in file if line.strip() and not line.startswith("#")]
    rows = list(csv.reader(lines, skipinitialspace=True))
    if odd := [",".join(row) for row in rows if len(row) != 4]:
        raise DataError(
            f"{table}: {len(odd)} lines are not like 'id, 0.0, 10.0, \"/m/a,/m/b\"': "
            f"{listing(odd, 3)}. Copy the file from the release."
        )
    segments = [(row[0], row[3].split(",")) for row in rows]
    if unknown := sorted({mark for _, marks in segments for mark in marks} - names.keys()):
        raise DataError(
            f"{table} has {len(unknown)} labels that are not in class_labels_indices.csv: "
            f"{listing(unknown)}. Use both files from one release."
        )
    return segments


def _example() -> Example:
    # Of these names, aaaaaaaaaab falls into the tenth that is validation.
    marks = ('"/m/1"', '"/m/1,/m/2"', '"/m/2"')
    train = [f"aaaaaaaaaa{number}" for number in (0, 1, 2)] + ["aaaaaaaaaab"]
    tested = ["bbbbbbbbbb0", "bbbbbbbbbb1"]
    tables = {
        f"{name}_segments.csv": "\n".join(
            ["# one", "# two", "# three"]
            + [f"{one}, 0.000, 10.000, {marks[i % 3]}" for i, one in enumerate(ids)]
        )
        for name, ids in (("balanced_train", train), ("eval", tested))
    }
    names = 'index,mid,display_name\n0,/m/1,Speech\n1,/m/2,"Rain, drops"'
    files: dict[str, str | None] = {f"audio/{one}.wav": None for one in (*train, *tested)}
    labels = ("Rain, drops", "Speech", "Speech|Rain, drops")
    return Example({**files, **tables, "class_labels_indices.csv": names}, labels=labels)


CORPUS = Corpus(
    name="audioset",
    summary=(
        "AudioSet: 10 s clips from videos, each with some of 527 tags: the csv files of the "
        "release, and the downloaded clips in a folder."
    ),
    size="22,160 balanced and 2,041,789 unbalanced training clips, 20,371 evaluation clips",
    protocol=(
        "The official evaluation set is test. There is no official validation set; a tenth of "
        "training, chosen by clip name, is validation. The usual metric is mAP."
    ),
    source="Gemmeke et al. 2017, https://research.google.com/audioset",
    licence="CC BY 4.0 (labels; clips belong to their owners)",
    options={
        "train": Option("balanced, unbalanced or both", "balanced"),
        "audio": Option("folder of the clips, relative to the path", "audio"),
    }
    | MISSING,
    read=_read,
    root=holds("class_labels_indices.csv", "*_segments.csv"),
    example=_example(),
)
