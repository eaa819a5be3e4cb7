"""RAVDESS, speech: `Actor_01/03-01-05-02-01-01-01.wav`.

The numbers are modality, vocal channel, emotion, intensity, statement, repetition and actor; 03-01
is audio-only speech. Odd actors are men, even ones women.
"""

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

_NAME = re.compile(
    r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])-\d\d-(?P<actor>\d\d)"
)
_SHAPE = "like 03-01-05-02-01-01-01.wav, which is speech"
_WORDS = {
    "emotion": dict(
        zip(
            (f"0{number}" for number in range(1, 9)),
            ["neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"],
            strict=True,
        )
    ),
    "intensity": {"01": "normal", "02": "strong"},
    "statement": {"01": "kids", "02": "dogs"},
}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _WORDS)
    keep = Keeper(options)
    utterances = []
    files = sound_files(path, "Actor_*/*.wav")
    for file, name in named(path, files, _NAME, _SHAPE):
        words = {column: known[name[column]] for column, known in _WORDS.items()}
        columns = keep({"sex": "M" if int(name["actor"]) % 2 else "F", **words})
        utterances.append(Utterance.of(file, path, words[label], name["actor"], columns=columns))
    actors = [f"{number:02d}" for number in range(1, 25)]
    found = {one.speaker or "" for one in utterances}
    lacks = [*lacking("actors", actors, found), *fewer(len(utterances), 1440)]
    return by_speaker(f"ravdess:{path}", utterances, options, next_after(2), lacks=lacks)


CORPUS = Corpus(
    name="ravdess",
    summary=(
        "Ryerson Audio-Visual Database of Emotional Speech and Song, speech only: two English "
        "sentences acted in eight emotions and two intensities; Actor_01 to 24, odd numbers men, "
        "even numbers women."
    ),
    size="1440 recordings, 1.5 h, 24 speakers",
    protocol=(
        "No official split. Here a man and a woman (23, 24) are test, the next pair is validation "
        "and the others training."
    ),
    source="Livingstone & Russo 2018, https://zenodo.org/record/1188976",
    licence="CC BY-NC-SA 4.0",
    options={"label": Option("emotion, intensity or statement", "emotion")}
    | speaker_options("23,24", "the next two, cyclically"),
    read=_read,
    root=holds("Actor_*/*.wav"),
    columns=("sex", "emotion", "intensity", "statement"),
    example=Example(
        files={
            f"Actor_{actor}/03-01-{emotion}-01-01-01-{actor}.wav": None
            for actor in ("01", "02", "23", "24", "05", "06")
            for emotion in ("03", "05")
        },
        labels=("angry", "happy"),
    ),
)
