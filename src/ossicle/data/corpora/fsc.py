"""Fluent Speech Commands: `data/{train,valid,test}_data.csv` and `wavs/speakers/`."""

from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    sided,
)
from ossicle.data.corpora.release import MISSING, fewer, present, table_rows
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import TABLE_COLUMNS, Keeper
from ossicle.data.utterance import Utterance

_SLOTS = ("action", "object", "location")
_COLUMN = {"transcript": "transcription"}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("intent", *_SLOTS, "transcript"))
    keep = Keeper(options)
    utterances: list[Utterance] = []
    side_by_key: dict[str, str] = {}
    notices: list[str] = []
    for side in SIDES:
        table = path / "data" / f"{side}_data.csv"
        wanted = ("path", "speakerId", "transcription", *_SLOTS)
        listed = []
        for row in table_rows(table, wanted, may_be_empty=side == "valid"):
            text = (
                ",".join(f"{slot}={row[slot]}" for slot in _SLOTS)
                if label == "intent"
                else row[_COLUMN.get(label, label)]
            )
            file, columns = path / row["path"], keep(row)
            listed.append(Utterance.of(file, path, text, row["speakerId"], columns=columns))
        there, missing = present(table, listed, options)
        side_by_key |= dict.fromkeys((one.key for one in there), side)
        utterances += there
        notices += missing
    return sided(
        f"fsc:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note="Official split, by speaker.",
        label_name="slotvalues" if label == "intent" else label,
        lacks=fewer(len(utterances), 30_043),
        notices=notices,
    )


def _example() -> Example:
    said = {
        "a": ("turn on the lamp", "on,lamp,hall"),
        "b": ("turn off the music", "off,music,bath"),
    }
    files: dict[str, str | None] = {}
    for side, speaker in zip(SIDES, ("ann", "ben", "cid"), strict=True):
        lines = [",path,speakerId,transcription,action,object,location"]
        for number, (name, (text, slots)) in enumerate(said.items()):
            file = f"wavs/speakers/{speaker}/{name}.wav"
            files[file] = None
            lines.append(f"{number},{file},{speaker},{text},{slots}")
        files[f"data/{side}_data.csv"] = "\n".join(lines)
    labels = ("action=off,object=music,location=bath", "action=on,object=lamp,location=hall")
    return Example(files, labels=labels)


CORPUS = Corpus(
    name="fsc",
    summary=(
        "Fluent Speech Commands: English commands to a smart home, each with an action, an object "
        "and a location (6, 14 and 4 values; 31 combinations)."
    ),
    size="30,043 recordings, 19 h, 97 speakers",
    protocol=(
        "Official split by speaker. An intent is correct if all three slots are; Cappellazzo et "
        "al. 2023 classify the 31 combinations instead."
    ),
    source="Lugosch et al. 2019, https://fluent.ai/fluent-speech-commands",
    licence="Fluent Speech Commands Public License, for research",
    options={"label": Option("intent, action, object, location or transcript", "intent")} | MISSING,
    read=_read,
    root=holds("data/train_data.csv", "data/test_data.csv"),
    columns=TABLE_COLUMNS,
    example=_example(),
)
