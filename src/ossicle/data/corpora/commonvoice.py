"""Common Voice: `{train,dev,test}.tsv` and `clips/`, in the folder of a language."""

import csv
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    columns,
    sided,
)
from ossicle.data.corpora.release import MISSING, present
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import TABLE_COLUMNS, Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

_TABLES = {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}
_LABELS = {"sentence": "transcript", "age": "age", "gender": "gender"}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _LABELS)
    keep = Keeper(options)
    utterances: list[Utterance] = []
    side_by_key: dict[str, str] = {}
    notices: list[str] = []
    left = 0
    for side, name in _TABLES.items():
        table = path / name
        labelled = []
        for row in _rows(table, label, may_be_empty=side == "valid"):
            if row[label].strip():
                file = path / "clips" / row["path"]
                text, who, columns = row[label].strip(), row["client_id"], keep(row)
                labelled.append(Utterance.of(file, path, text, who, columns=columns))
            else:
                left += 1
        there, missing = present(table, labelled, options)
        side_by_key |= dict.fromkeys((one.key for one in there), side)
        utterances += there
        notices += missing
    skipped = f" {left} recordings without {label} were skipped." if left else ""
    return sided(
        f"commonvoice:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note=f"Official split, by speaker.{skipped}",
        label_name=_LABELS[label],
        notices=notices,
    )


def _rows(table: Path, label: str, *, may_be_empty: bool) -> list[dict[str, str]]:
    """Return the rows of a table; the dev.tsv of a small language can be empty."""
    if not table.is_file():
        if may_be_empty:
            return []
        raise DataError(f"{table} does not exist. Give the folder of a language, such as de.")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    if not rows and not may_be_empty:
        raise DataError(
            f"{table} is empty, as in releases of the smallest languages. Choose another release "
            "or language, or list the clips in a manifest, for which a split can be drawn."
        )
    if rows:
        columns(table, rows[0], ("client_id", "path", label))
    for number, row in enumerate(rows, start=2):
        # csv stores extra fields under the key None, and None for missing fields
        if None in row or None in (row["client_id"], row["path"], row[label]):
            raise DataError(
                f"{table}, row {number} has another number of fields than the header. Copy the "
                "file from the release."
            )
    return rows


def _example() -> Example:
    files: dict[str, str | None] = {}
    for side, name in _TABLES.items():
        rows = ["client_id\tpath\tsentence\tage\tgender"]
        for number, text in enumerate(('Say "no".', "Yes.")):
            files[f"clips/{side}_{number}.wav"] = None
            rows.append(f"speaker-{side}\t{side}_{number}.wav\t{text}\t\t")
        files[name] = "\n".join(rows)
    return Example(files, labels=('Say "no".', "Yes."))


CORPUS = Corpus(
    name="commonvoice",
    summary=(
        "Mozilla Common Voice: sentences read by volunteers, a folder for each language with "
        "train.tsv, dev.tsv, test.tsv and clips/."
    ),
    size="by language and release: from minutes to 2000 h",
    protocol=(
        "Official split by speaker: train, dev and test; other clips are not read. If dev.tsv is "
        "empty, as for small languages, a tenth of training is validation, by speaker if training "
        "has several."
    ),
    source="Ardila et al. 2020, https://commonvoice.mozilla.org",
    licence="CC0",
    options={"label": Option("sentence, age or gender", "sentence")} | MISSING,
    read=_read,
    root=holds("train.tsv", "test.tsv"),
    columns=TABLE_COLUMNS,
    example=_example(),
)
