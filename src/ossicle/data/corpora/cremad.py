"""CREMA-D: `AudioWAV/1001_DFA_ANG_XX.wav`: actor, sentence, emotion, level."""

import re
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    by_speaker,
    choose,
    named,
    next_after,
    sound_files,
    speaker_options,
)
from ossicle.data.corpora.release import fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance

_EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
_NAME = re.compile(
    rf"(?P<actor>\d{{4}})_(?P<sentence>[A-Z]{{3}})_(?P<emotion>{'|'.join(_EMOTIONS)})_"
    r"(?P<intensity>[A-Z]{1,2})"
)
_TESTED = 13  # test speakers: a seventh


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("emotion", "sentence"))
    folder = path / "AudioWAV"
    keep = Keeper(options)
    utterances = []
    files = sound_files(folder, "*.wav")
    for file, name in named(folder, files, _NAME, "like 1001_DFA_ANG_XX.wav"):
        about = {"emotion": _EMOTIONS[name["emotion"]], "sentence": name["sentence"]}
        columns = keep({**about, "intensity": name["intensity"]})
        utterances.append(Utterance.of(file, path, about[label], name["actor"], columns=columns))
    speakers = sorted({one.speaker for one in utterances if one.speaker})
    tested = min(_TESTED, max(1, len(speakers) // 3))
    last = ",".join(speakers[-tested:])
    chosen = {**options, "test_speakers": options["test_speakers"] or last}
    lacks = [
        *lacking("actors", map(str, range(1001, 1092)), speakers),
        *fewer(len(utterances), 7442),
    ]
    return by_speaker(f"cremad:{path}", utterances, chosen, next_after(tested), lacks=lacks)


CORPUS = Corpus(
    name="cremad",
    summary=(
        "Crowd-sourced Emotional Multimodal Actors Dataset: twelve English sentences acted in six "
        "emotions, AudioWAV/{actor}_{sentence}_{emotion}_{level}.wav."
    ),
    size="7442 recordings, 5.3 h, 91 speakers",
    protocol=(
        "No official split. Here the last 13 actors are test, the first 13 validation and the "
        "others training."
    ),
    source="Cao et al. 2014, https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0",
    options={"label": Option("emotion or sentence", "emotion")}
    | speaker_options("", "as many, following the test speakers, cyclically"),
    read=_read,
    root=holds("AudioWAV/*.wav"),
    columns=("emotion", "sentence", "intensity"),
    example=Example(
        files={
            f"AudioWAV/{actor}_DFA_{emotion}_XX.wav": None
            for actor in (1001, 1002, 1003)
            for emotion in ("ANG", "SAD")
        },
        labels=("anger", "sad"),
    ),
)
