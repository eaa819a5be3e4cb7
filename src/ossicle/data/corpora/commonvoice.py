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
    present,
    sided,
)
from ossicle.data.manifest import Dataset, Utterance
from ossicle.errors import DataError

_TABLES = {"train": "train.tsv", "valid": "dev.tsv", "test": "test.tsv"}
_LABELS = {"sentence": "asr", "age": "classification", "gender": "classification"}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _LABELS)
    utterances, side_by_key, left = [], {}, 0
    for side, name in _TABLES.items():
        table = path / name
        if not table.is_file():
            raise DataError(f"{table} does not exist. Give the folder of a language, such as de.")
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
        if not rows:
            raise DataError(f"{table} holds no recordings. Take the file from the release.")
        columns(table, rows[0], ("client_id", "path", label))
        for number, row in enumerate(rows, start=2):
            # csv puts fields beyond the header under None, and None where fields lack
            if None in row or None in (row["client_id"], row["path"], row[label]):
                raise DataError(
                    f"{table}, row {number} has not the columns of its header. Take the file from "
                    "the release."
                )
        present(table, (path / "clips" / row["path"] for row in rows), path / "clips")
        for row in rows:
            if not row[label].strip():
                left += 1
                continue
            file_of_row = path / "clips" / row["path"]
            one = Utterance.of(file_of_row, path, row[label].strip(), row["client_id"])
            utterances.append(one)
            side_by_key[one.key] = side
    told = f" {left} recordings without {label} are left out." if left else ""
    return sided(
        f"commonvoice:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note=f"Official split; no speaker is on two sides.{told}",
        task=_LABELS[label],
    )


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
    protocol="Official split by speaker: train, dev and test; other clips are not read.",
    source="Ardila et al. 2020, https://commonvoice.mozilla.org",
    licence="CC0",
    options={"label": Option("sentence, age or gender", "sentence")},
    read=_read,
    example=_example(),
)
