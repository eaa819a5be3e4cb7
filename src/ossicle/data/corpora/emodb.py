"""Berlin Database of Emotional Speech: `wav/{speaker}{sentence}{emotion}{version}.wav`.

03a01Fa.wav is speaker 03, sentence a01, emotion F (Freude, happiness), version a.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    choose_many,
    sided,
    sound_files,
)
from ossicle.data.manifest import Dataset, Utterance
from ossicle.errors import DataError, listing

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]")
_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_MEN = ("03", "10", "11", "12", "15")
_WOMEN = ("08", "09", "13", "14", "16")


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("emotion", "sentence"))
    utterances, strange = [], []
    for file in sound_files(path / "wav", "*.wav"):
        if not (name := _NAME.fullmatch(file.stem)):
            strange.append(file.name)
            continue
        text = _EMOTIONS[name["emotion"]] if label == "emotion" else name["sentence"]
        utterances.append(Utterance.of(file, path, text, name["speaker"]))
    if strange:
        raise DataError(
            f"{path / 'wav'}: {len(strange)} names are not like 03a01Fa.wav ({listing(strange)}). "
            "Take them out."
        )
    speakers = sorted({one.speaker for one in utterances if one.speaker})
    test = choose_many("test_speakers", options["test_speakers"] or "", speakers)
    rest = [speaker for speaker in speakers if speaker not in test]
    if options["valid_speakers"] is not None:
        valid = choose_many("valid_speakers", options["valid_speakers"], rest)
    else:
        valid = [*_next(_MEN, test, rest), *_next(_WOMEN, test, rest)]
    return sided(
        f"emodb:{path}",
        utterances,
        lambda one: "test" if one.speaker in test else "valid" if one.speaker in valid else "train",
        speaker_independent=True,
        note=f"Speakers {listing(test)} are test and {listing(valid)} valid; none is in training.",
    )


def _next(group: Sequence[str], test: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Return the next of a group after those tested, the first after the last; or none."""
    last = max((speaker for speaker in test if speaker in group), default="")
    free = [speaker for speaker in group if speaker in rest]
    return [speaker for speaker in free if speaker > last][:1] or free[:1]


CORPUS = Corpus(
    name="emodb",
    summary=(
        "Berlin Database of Emotional Speech (EmoDB): ten German sentences acted in seven emotions "
        "by five men (03 10 11 12 15) and five women (08 09 13 14 16). Tested on speakers who are "
        "not in training: by default one man and one woman, the next pair being for validation."
    ),
    size="535 recordings, 18 min, 10 speakers",
    protocol=(
        "No official split. Here a man and a woman are tested, the next pair is validation, and"
        " no speaker is on two sides; five such pairs make the folds."
    ),
    source="Burkhardt et al. 2005, http://emodb.bilderbar.info",
    licence="free for research",
    options={
        "label": Option("emotion or sentence", "emotion"),
        "test_speakers": Option("numbers, by comma", "03,08"),
        "valid_speakers": Option("numbers, by comma (the next man and the next woman)"),
    },
    read=_read,
    example=Example(
        files={
            f"wav/{speaker}a01{emotion}a.wav": None
            for speaker in ("03", "08", "09", "10", "11", "13")
            for emotion in "WN"
        },
        labels=("anger", "neutral"),
    ),
)
