"""A manifest: a .csv or .jsonl file with a row for each recording."""

from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Options
from ossicle.data.corpora.drawn import DRAW_OPTIONS, complete
from ossicle.data.manifest import Dataset, read_manifest


def _read(path: Path, options: Options) -> Dataset:
    manifest = read_manifest(path, label=options["label"] or "")
    return complete(f"manifest:{path}", manifest, options)


_ROWS = [
    f"{speaker}/{label}.wav,{label},{speaker}"
    for speaker in ("anna", "ben", "çelik", "dora")
    for label in ("no", "yes")
]

CORPUS = Corpus(
    name="manifest",
    summary=(
        "A .csv or .jsonl file with a row for each recording: path and label, and where known "
        "speaker, split (train, valid, test), start_s and duration_s. Paths start at the file's "
        "folder. Sides that the split column does not give are drawn, by speaker where known."
    ),
    size="yours",
    protocol=(
        "Sides that are given stand; the others are drawn, by label and, where speakers are "
        "known, by speaker."
    ),
    source="your own recordings",
    licence="your own",
    options=DRAW_OPTIONS,
    read=_read,
    example=Example(
        files={row.split(",")[0]: None for row in _ROWS}
        | {"list.csv": "\n".join(["path,label,speaker", *_ROWS])},
        labels=("no", "yes"),
        opens="list.csv",
    ),
)
