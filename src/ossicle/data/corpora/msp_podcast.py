"""MSP-Podcast: `Audios/*.wav` and `Labels/labels_consensus.csv`.

Release 1.8 names them `labels_concensus.csv`, and the Development set Validation.
"""

from collections import Counter
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    choose_many,
    sided,
)
from ossicle.data.corpora.release import MISSING, present, table_rows
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import TABLE_COLUMNS, Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

_CODES = {
    "A": "angry",
    "H": "happy",
    "N": "neutral",
    "S": "sad",
    "C": "contempt",
    "D": "disgust",
    "F": "fear",
    "U": "surprise",
}
_DIMENSIONS = {"valence": "EmoVal", "arousal": "EmoAct", "dominance": "EmoDom"}
_TABLES = ("labels_consensus.csv", "labels_concensus.csv")
_SIDES = {"Train": "train", "Development": "valid", "Validation": "valid"}
_UNKNOWN = "Unknown"


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("emotion", "dimensions"))
    tables = [path / "Labels" / name for name in _TABLES]
    table = next((one for one in tables if one.is_file()), tables[0])
    rows = table_rows(table, ("FileName", "EmoClass", "SpkrID", "Split_Set", *_DIMENSIONS.values()))
    tests = sorted({row["Split_Set"] for row in rows} - _SIDES.keys())
    test = choose("test", options["test"] or "", tests)
    classes = choose_many("classes", options["classes"] or "", _CODES)
    audio = path / ("Audios" if (path / "Audios").is_dir() else "Audio")
    keep = Keeper(options)
    utterances, side_by_key, left = [], {}, Counter[str]()
    for row in rows:
        side = _SIDES.get(row["Split_Set"]) or ("test" if row["Split_Set"] == test else None)
        if side is None or (label == "emotion" and row["EmoClass"] not in classes):
            left[
                "recordings of other test sets" if side is None else "recordings of other emotions"
            ] += 1
            continue
        values = (f"{name}={row[column]}" for name, column in _DIMENSIONS.items())
        text = _CODES[row["EmoClass"]] if label == "emotion" else ",".join(values)
        speaker = None if row["SpkrID"] == _UNKNOWN else row["SpkrID"]
        file = audio / row["FileName"]
        one = Utterance.of(file, path, text, speaker, columns=keep(row))
        utterances.append(one)
        side_by_key[one.key] = side
    if not utterances:
        raise DataError(
            f"{table} has no recordings of the classes {options['classes']}. Choose others."
        )
    utterances, notices = present(table, utterances, options)
    known = all(one.speaker for one in utterances)
    more = "" if known else " Some speakers are unknown."
    more += "".join(f" {count} {what} were skipped." for what, count in left.items())
    return sided(
        f"msp-podcast:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=known,
        note=f"Official split by speaker; the test set is {test}.{more}",
        label_name=label,
        notices=notices,
    )


_ROWS = [
    f"MSP-PODCAST_{number:04d}.wav,{code},4.0,{number}.5,3.0,{speaker},{side}"
    for number, (code, speaker, side) in enumerate(
        (code, f"{side}-speaker", side)
        for side in ("Train", "Development", "Test1")
        for code in ("A", "N")
    )
]

CORPUS = Corpus(
    name="msp-podcast",
    summary=(
        "MSP-Podcast: turns from podcasts, annotated with emotions and with valence, arousal and "
        "dominance from 1 to 7, Labels/labels_consensus.csv and Audios/."
    ),
    size="release 1.11: 151,654 turns, 237 h; others differ",
    protocol=(
        "Official split by speaker: train, development and several test sets, usually Test1. By "
        "default the four classes used in most papers."
    ),
    source="Lotfian & Busso 2019, https://ecs.utdallas.edu/research/researchlabs/msp-lab",
    licence="academic licence, on request",
    options={
        "label": Option("emotion, or dimensions for valence, arousal and dominance", "emotion"),
        "classes": Option("emotions, separated by commas: A H N S C D F U", "A,H,N,S"),
        "test": Option("test set", "Test1"),
    }
    | MISSING,
    read=_read,
    root=holds(*(f"Labels/{name}" for name in _TABLES)),
    columns=TABLE_COLUMNS,
    example=Example(
        files={f"Audios/{row.split(',')[0]}": None for row in _ROWS}
        | {
            "Labels/labels_consensus.csv": "\n".join(
                ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Split_Set", *_ROWS]
            )
        },
        labels=("angry", "neutral"),
    ),
)
