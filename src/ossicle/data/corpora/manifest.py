"""A manifest: a .csv, .tsv or .jsonl file with a row for each recording."""

from dataclasses import replace
from pathlib import Path

from ossicle.data.corpora.base import MISSING, Corpus, Example, Option, Options
from ossicle.data.corpora.drawn import DRAW_OPTIONS, PATH_OPTION, folds_by_column
from ossicle.data.corpora.roots import is_table
from ossicle.data.manifest import Manifest, read_manifest
from ossicle.data.roles import LABEL
from ossicle.data.selection import TABLE_COLUMNS
from ossicle.data.trials import read_trials


def _contents(path: Path, options: Options) -> Manifest:
    return read_manifest(path, label=options["label"] or LABEL, options=options)


def _read(path: Path, options: Options) -> Manifest:
    manifest = _contents(path, options)
    if options["trials"] is None:
        return manifest
    keys = {one.key: one.key for one in manifest.utterances}
    trials = read_trials(Path(options["trials"]).expanduser(), keys)
    return replace(manifest, label_name="trials", trials={"test": trials})


_ROWS = [
    f"{speaker}/{label}.wav,{label},{speaker}"
    for speaker in ("anna", "ben", "çelik", "dora")
    for label in ("no", "yes")
]

CORPUS = Corpus(
    name="manifest",
    summary=(
        "A table (.csv, .tsv or .jsonl) with a row for each recording: path and label, and "
        "optionally speaker, split (train, valid, test), start_s and duration_s or end. Columns "
        "may have other names, given by options. Paths are relative to the file's folder. Splits "
        "that neither a column nor folders such as train and test give are drawn at random, by "
        "speaker if known."
    ),
    size="any",
    protocol=(
        "Given splits are kept; the others are drawn at random, stratified by label and, if "
        "speakers are known, by speaker."
    ),
    source="your own recordings",
    licence="your own",
    options=PATH_OPTION
    | DRAW_OPTIONS
    | MISSING
    | {
        "trials": Option(
            "for speaker verification: file of test trials, with 1 or 0 and two paths of the "
            "manifest in each line (all pairs of test recordings)"
        )
    },
    read=_read,
    root=is_table,
    folds=folds_by_column(_contents),
    columns=TABLE_COLUMNS,
    example=Example(
        files={row.split(",")[0]: None for row in _ROWS}
        | {"list.csv": "\n".join(["path,label,speaker", *_ROWS])},
        labels=("no", "yes"),
        opens="list.csv",
    ),
)
