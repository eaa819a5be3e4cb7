"""ESC-50: environmental sounds in five official folds, `meta/esc50.csv` and `audio/`."""

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

_FOLDS = ("1", "2", "3", "4", "5")
_COLUMNS = ("filename", "fold", "category", "esc10", "src_file")


def _read(path: Path, options: Options) -> Dataset:
    table = path / "meta" / "esc50.csv"
    rows = table_rows(table, _COLUMNS)
    esc10 = all(row["esc10"].lower() == "true" for row in rows)  # ESC-10 is also released alone
    if options["subset"] is not None:
        choose("subset", options["subset"], ("esc10",))
        rows = [row for row in rows if row["esc10"].lower() == "true"]
    fold_by_source: dict[str, str] = {}
    for row in rows:
        if (fold := fold_by_source.setdefault(row["src_file"], row["fold"])) != row["fold"]:
            raise SplitError(
                f"{path}: clips of source {row['src_file']} are in folds {fold} and {row['fold']}. "
                "Copy meta/esc50.csv from the release, which keeps a source in one fold."
            )
    fold_by_path = {path / "audio" / row["filename"]: row["fold"] for row in rows}
    keep = Keeper(options)
    listed = [
        Utterance.of(path / "audio" / row["filename"], path, row["category"], columns=keep(row))
        for row in rows
    ]
    utterances, notices = present(table, listed, options)
    folds = sorted({fold_by_path[one.path] for one in utterances})
    test = choose("test_fold", options["test_fold"] or "", folds)
    valid = choose("valid_fold", options["valid_fold"] or folds[folds.index(test) - 1], folds)
    if valid == test:
        raise DataError(f"valid_fold and test_fold are both {test}. Choose two folds.")
    whole = 400 if esc10 or options["subset"] else 2000
    return sided(
        f"esc50:{path}",
        utterances,
        lambda one: {test: "test", valid: "valid"}.get(fold_by_path[one.path], "train"),
        speaker_independent=False,
        note=f"Official folds: {test} is test and {valid} is valid; folds do not share sources.",
        lacks=[*lacking("folds", _FOLDS, folds), *fewer(len(utterances), whole)],
        notices=notices,
    )


def _folds(path: Path, options: Options) -> list[str]:
    """Return the folds of the clips: the first number of their names."""
    utterances = _read(path, options).utterances
    return sorted_folds(one.path.name.partition("-")[0] for one in utterances)


def _example() -> Example:
    clips = [(fold, target, "AB"[fold % 2]) for fold in range(1, 6) for target in (0, 1)]
    rows = [
        f"{fold}-{100 * fold + target}-{take}-{target}.ogg,{fold},{target},"
        f"{('dog', 'rooster')[target]},True,{100 * fold + target},{take}"
        for fold, target, take in clips
    ]
    table = "\n".join(["filename,fold,target,category,esc10,src_file,take", *rows])
    files: dict[str, str | None] = {f"audio/{row.split(',')[0]}": None for row in rows}
    return Example(files | {"meta/esc50.csv": table}, labels=("dog", "rooster"))


CORPUS = Corpus(
    name="esc50",
    summary=(
        "ESC-50: 2000 clips of 5 s in 50 classes of environmental sound, 44.1 kHz, and its subset "
        "of ten classes, ESC-10. Five official folds; clips of one source are in one fold."
    ),
    size="2000 recordings of 5 s, 2.8 h; ESC-10: 400",
    protocol=(
        "Official: mean over five folds, each tested once. As in Cappellazzo et al. 2023, three "
        "folds are training and the fold before the test fold is validation."
    ),
    source="https://github.com/karolpiczak/ESC-50",
    licence="CC BY-NC 3.0; ESC-10 CC BY 3.0",
    options={
        "test_fold": Option("test fold", "5"),
        "valid_fold": Option("validation fold (the one before test_fold, 5 before 1)"),
        "subset": Option("esc10 for the ten classes of ESC-10 (all classes)"),
    }
    | MISSING,
    read=_read,
    root=holds("meta/esc50.csv"),
    folds=Folds("test_fold", _folds),
    columns=TABLE_COLUMNS,
    example=_example(),
)
