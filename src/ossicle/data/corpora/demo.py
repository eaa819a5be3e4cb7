"""The recordings that ossicle ships: `metadata.csv` and `audio/`, synthesised for it.

A label is learnt from the rows with a command; the others are sentences, and belong to those whose
transcript or phones are learnt.
"""

from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, sided
from ossicle.data.corpora.release import MISSING, fewer, present
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.rows import read_rows
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_COLUMNS = ("file_name", "command", "voice", "manner", "split")
_LABELS = ("command", "manner", "voice", "transcript", "phones")
_VALID_COMMAND, _TEST_COMMANDS = "left", ("open", "close")


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _LABELS)
    table = path / "metadata.csv"
    if not table.is_file():
        raise DataError(
            f"{path} holds no metadata.csv. Leave the path out to read what is shipped."
        )
    rows = [row for _, row in read_rows(table)]
    if absent := [column for column in (*_COLUMNS, label) if column not in rows[0]]:
        raise DataError(
            f"{table} has no column {listing(absent)}. Make the corpus again, or leave the path "
            "out to read what is shipped."
        )
    if label not in ("transcript", "phones"):
        rows = [row for row in rows if row["command"]]
    utterances = [
        Utterance.of(path / row["file_name"], path, row[label], row["voice"]) for row in rows
    ]
    if strange := sorted({row["split"] for row in rows} - set(SIDES)):
        raise DataError(f"{table} has the split {listing(strange)}; expected {listing(SIDES)}.")
    side_by_key = {one.key: row["split"] for one, row in zip(utterances, rows, strict=True)}
    if label == "voice":  # a voice can only be told if it is in training
        sides = {_VALID_COMMAND: "valid"} | dict.fromkeys(_TEST_COMMANDS, "test")
        pairs = zip(utterances, rows, strict=True)
        side_by_key = {one.key: sides.get(row["command"], "train") for one, row in pairs}
    utterances, notices = present(table, utterances, options)
    whole = 800 if label in ("transcript", "phones") else 640
    return sided(
        f"demo:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=label != "voice",
        note=(
            "Commands open and close are test and left is valid; every voice is on all sides."
            if label == "voice"
            else "Four voices are test and four valid; none is in training."
        ),
        label_name=label,
        lacks=fewer(len(utterances), whole),
        notices=notices,
    )


def _example() -> Example:
    voices = {"anna": "train", "ben": "valid", "çelik": "test"}
    rows = [
        f"audio/{command}-{voice}.ogg,{command},{voice},calm,{split}"
        for command in ("left", "open", "stop")
        for voice, split in voices.items()
    ]
    files: dict[str, str | None] = {row.split(",")[0]: None for row in rows}
    table = "\n".join([",".join(_COLUMNS), *rows])
    return Example(files | {"metadata.csv": table}, labels=("left", "open", "stop"))


CORPUS = Corpus(
    name="demo",
    summary=(
        "What ossicle ships to be tried with: eight spoken commands by twenty synthetic voices in "
        "four manners (calm, excited, tired, asking), 640 recordings of about a second. Twelve "
        "voices are training, four validation and four test; for label=voice, commands are. "
        "With label=transcript or label=phones, 160 sentences are read as well."
    ),
    size="640 commands, 160 sentences, 9 min, 20 voices",
    protocol=(
        "Twelve voices train, four are validation and four test; for label=voice, commands are."
    ),
    source="made by this project with espeak-ng",
    licence="Apache-2.0",
    options={"label": Option("command, manner, voice, transcript or phones", "command")} | MISSING,
    read=_read,
    root=holds("metadata.csv"),
    example=_example(),
    home=Path(__file__).parents[1] / "demo",
)
