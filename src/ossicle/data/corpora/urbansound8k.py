"""UrbanSound8K: `metadata/UrbanSound8K.csv` and `audio/fold1` to `audio/fold10`."""

from dataclasses import replace
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
from ossicle.data.rows import read_rows
from ossicle.errors import DataError, SplitError


def _read(path: Path, options: Options) -> Dataset:
    table = path / "metadata" / "UrbanSound8K.csv"
    rows = [row for _, row in read_rows(table)]
    columns(table, rows[0], ("slice_file_name", "fsID", "fold", "class"))
    fold_by_source: dict[str, str] = {}
    for row in rows:
        if (fold := fold_by_source.setdefault(row["fsID"], row["fold"])) != row["fold"]:
            raise SplitError(
                f"{table}: clips of source {row['fsID']} are in folds {fold} and {row['fold']}. "
                "Take the file from the release, which keeps a source in one fold."
            )
    folds = sorted({row["fold"] for row in rows}, key=lambda fold: (len(fold), fold))
    test = choose("test_fold", options["test_fold"] or "", folds)
    protocol = choose("protocol", options["protocol"] or "", ("honest", "paper-d"))
    valid = choose("valid_fold", options["valid_fold"] or folds[folds.index(test) - 1], folds)
    if valid == test:
        raise DataError(
            f"valid_fold and test_fold are both {test}. Choose two folds, or say protocol=paper-d "
            "if the test fold shall choose the epoch too."
        )
    if protocol == "paper-d":
        if options["valid_fold"] is not None:
            raise DataError(f"protocol=paper-d has no valid_fold, so {valid} says nothing.")
        valid = ""
    utterances, fold_by_key = [], {}
    for row in rows:
        file = path / "audio" / f"fold{row['fold']}" / row["slice_file_name"]
        one = Utterance.of(file, path, row["class"])
        utterances.append(one)
        fold_by_key[one.key] = row["fold"]
    present(table, (one.path for one in utterances), path / "audio")
    dataset = sided(
        f"urbansound8k:{path}",
        utterances,
        lambda one: {test: "test", valid: "valid"}.get(fold_by_key[one.key], "train"),
        speaker_independent=False,
        note=f"Official folds: {test} is test and {valid} is valid; a source is in one fold.",
    )
    if valid:
        return dataset
    note = f"Paper D's protocol: fold {test} is test and chooses the epoch too, which flatters it."
    return replace(dataset, valid=dataset.test, note=note, test_chooses=True)


_ROWS = [
    f"{100 * fold + number}-{number}-0-0.wav,{100 * fold + number},{fold},{name}"
    for fold in (8, 9, 10)
    for number, name in enumerate(("dog_bark", "siren"))
]

CORPUS = Corpus(
    name="urbansound8k",
    summary=(
        "UrbanSound8K: clips of up to 4 s in ten classes of urban sound, from field recordings, in "
        "ten official folds, metadata/UrbanSound8K.csv and audio/fold{1..10}."
    ),
    size="8732 recordings, 8.8 h",
    protocol=(
        "Official: ten folds, each tested once, the mean reported; sources are in one fold. Paper "
        "D's code chooses the epoch on the fold that it tests, which protocol=paper-d does too; "
        "here the fold before chooses."
    ),
    source="Salamon et al. 2014, https://urbansounddataset.weebly.com/urbansound8k.html",
    licence="CC BY-NC 3.0",
    options={
        "test_fold": Option("the fold that is tested", "10"),
        "valid_fold": Option("the fold to choose by (the one before test_fold, 10 before 1)"),
        "protocol": Option("honest, or paper-d, in which the test fold chooses too", "honest"),
    },
    read=_read,
    example=Example(
        files={f"audio/fold{r.split(',')[2]}/{r.split(',')[0]}": None for r in _ROWS}
        | {"metadata/UrbanSound8K.csv": "\n".join(["slice_file_name,fsID,fold,class", *_ROWS])},
        labels=("dog_bark", "siren"),
    ),
)
