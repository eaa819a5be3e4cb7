"""UrbanSound8K: `metadata/UrbanSound8K.csv` and `audio/fold1` to `audio/fold10`."""

from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    sided,
)
from ossicle.data.corpora.folds import Folds, sorted_folds
from ossicle.data.corpora.release import MISSING, fewer, lacking, present, table_rows
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import TABLE_COLUMNS, Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, SplitError


def _read(path: Path, options: Options) -> Dataset:
    table = path / "metadata" / "UrbanSound8K.csv"
    rows = table_rows(table, ("slice_file_name", "fsID", "fold", "class"))
    fold_by_source: dict[str, str] = {}
    for row in rows:
        if (fold := fold_by_source.setdefault(row["fsID"], row["fold"])) != row["fold"]:
            raise SplitError(
                f"{table}: clips of source {row['fsID']} are in folds {fold} and {row['fold']}. "
                "Copy the file from the release, which keeps a source in one fold."
            )
    keep = Keeper(options)
    listed, fold_by_path = [], {}
    for row in rows:
        file = path / "audio" / f"fold{row['fold']}" / row["slice_file_name"]
        listed.append(Utterance.of(file, path, row["class"], columns=keep(row)))
        fold_by_path[file] = row["fold"]
    utterances, notices = present(table, listed, options)
    folds = sorted(
        {fold_by_path[one.path] for one in utterances}, key=lambda fold: (len(fold), fold)
    )
    test = choose("test_fold", options["test_fold"] or "", folds)
    protocol = choose("protocol", options["protocol"] or "", ("honest", "paper-d"))
    valid = choose("valid_fold", options["valid_fold"] or folds[folds.index(test) - 1], folds)
    if valid == test:
        raise DataError(
            f"valid_fold and test_fold are both {test}. Choose two folds, or use protocol=paper-d "
            "to select the epoch on the test fold."
        )
    if protocol == "paper-d":
        if options["valid_fold"] is not None:
            raise DataError(
                f"protocol=paper-d has no validation fold, so valid_fold={valid} has no effect. "
                "Leave it out."
            )
        valid = ""
    return sided(
        f"urbansound8k:{path}",
        utterances,
        lambda one: {test: "test", valid: "valid"}.get(fold_by_path[one.path], "train"),
        speaker_independent=False,
        note=(
            f"Official folds: {test} is test and {valid} is valid; folds do not share sources."
            if valid
            else f"Protocol of Cappellazzo et al. 2023: fold {test} is test and validation, so "
            "its metrics are optimistic."
        ),
        lacks=[*lacking("folds", map(str, range(1, 11)), folds), *fewer(len(utterances), 8732)],
        notices=notices,
        validates_on_test=not valid,
    )


def _folds(path: Path, options: Options) -> list[str]:
    """Return the folds of the clips, from their folders."""
    utterances = _read(path, options).utterances
    return sorted_folds(one.path.parent.name.removeprefix("fold") for one in utterances)


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
        "Official: mean over ten folds, each tested once; clips of one source are in one fold. "
        "Here the fold before the test fold is validation; the code of Cappellazzo et al. 2023 "
        "selects the epoch on the test fold (protocol=paper-d)."
    ),
    source="Salamon et al. 2014, https://urbansounddataset.weebly.com/urbansound8k.html",
    licence="CC BY-NC 3.0",
    options={
        "test_fold": Option("test fold", "10"),
        "valid_fold": Option("validation fold (the one before test_fold, 10 before 1)"),
        "protocol": Option(
            "honest, or paper-d (Cappellazzo et al. 2023: the test fold is also validation)",
            "honest",
        ),
    }
    | MISSING,
    read=_read,
    root=holds("metadata/UrbanSound8K.csv"),
    folds=Folds("test_fold", _folds),
    columns=TABLE_COLUMNS,
    example=Example(
        files={f"audio/fold{r.split(',')[2]}/{r.split(',')[0]}": None for r in _ROWS}
        | {"metadata/UrbanSound8K.csv": "\n".join(["slice_file_name,fsID,fold,class", *_ROWS])},
        labels=("dog_bark", "siren"),
    ),
)
