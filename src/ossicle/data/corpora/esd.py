"""Emotional Speech Database: `0011/Angry/0011_000351.wav`, or with folders train, evaluation, test.

Speakers 0001 to 0010 speak Mandarin, 0011 to 0020 English. In the official split the first 20 of
the 350 recordings of a speaker and emotion are evaluation, the next 30 test, the rest training.
"""

import re
from pathlib import Path

from ossicle.data.columns import SIDE_BY_NAME
from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    by_speaker,
    choose,
    next_after,
    sided,
    sound_files,
)
from ossicle.data.corpora.release import fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_LANGUAGES = {"mandarin": range(1, 11), "english": range(11, 21), "all": range(1, 21)}
_EMOTIONS = ("Angry", "Happy", "Neutral", "Sad", "Surprise")
_SIDES = {**SIDE_BY_NAME, "evaluation": "valid"}
_NUMBER = re.compile(r"\d{4}_(?P<number>\d{6})")  # 1 to 350 Neutral, 351 to 700 Angry, ...
_EACH, _VALID, _TEST = 350, 20, 50  # per speaker and emotion: all, end of valid, end of test


def _read(path: Path, options: Options) -> Dataset:
    language = choose("language", options["language"] or "", _LANGUAGES)
    speakers = {f"{number:04d}" for number in _LANGUAGES[language]}
    keep = Keeper(options)
    utterances, side_by_key, strange, unplaced = [], {}, [], []
    folders = sorted(child for child in path.glob("00[0-2][0-9]/*") if child.is_dir())
    if not folders:
        raise DataError(f"{path} has no 0011/Angry. Give the folder that the corpus unpacks to.")
    for folder in folders:
        if folder.parent.name not in speakers:
            continue
        if folder.name not in _EMOTIONS:
            strange.append(f"{folder.parent.name}/{folder.name}")
            continue
        spoken = "mandarin" if int(folder.parent.name) in _LANGUAGES["mandarin"] else "english"
        columns = keep({"language": spoken})
        for file in sorted(folder.rglob("[!.]*.wav")):
            label, speaker = folder.name.lower(), folder.parent.name
            one = Utterance.of(file, path, label, speaker, columns=columns)
            if side := _side(file, folder):
                side_by_key[one.key] = side
                utterances.append(one)
            else:
                unplaced.append(one.key)
    if strange:
        raise DataError(
            f"{path}: the folders {listing(strange)} are not emotions; expected "
            f"{listing(_EMOTIONS)}. Remove them."
        )
    if unplaced:
        raise DataError(
            f"{path}: {len(unplaced)} recordings have no split ({listing(unplaced)}); expected "
            "folders train, evaluation or test, or numbers as in 0011_000351.wav. Remove them."
        )
    if not utterances:
        sound_files(path / "0011" / "Angry", "*.wav")
        raise DataError(f"{path} has no recordings in {language}. Choose another language.")
    found = {one.speaker or "" for one in utterances}
    lacks = [
        *lacking("speakers", sorted(speakers), found),
        *fewer(len(utterances), len(speakers) * len(_EMOTIONS) * _EACH),
    ]
    if options["test_speakers"] is not None:
        count = len(options["test_speakers"].split(","))
        chosen = {**options, "valid_speakers": None}
        return by_speaker(f"esd:{path}", utterances, chosen, next_after(count), lacks=lacks)
    return sided(
        f"esd:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=False,
        note="Official split: 300, 20 and 30 of each speaker and emotion, with the same speakers.",
        lacks=lacks,
    )


def _side(file: Path, folder: Path) -> str | None:
    """Return the official split of a recording, by its folder or its number."""
    if file.parent != folder:
        return _SIDES.get(file.parent.name)
    if not (name := _NUMBER.fullmatch(file.stem)):
        return None
    place = (int(name["number"]) - 1) % _EACH  # independent of missing recordings
    return "valid" if place < _VALID else "test" if place < _TEST else "train"


CORPUS = Corpus(
    name="esd",
    summary=(
        "Emotional Speech Database: 350 parallel sentences in five emotions by ten speakers of "
        "English and ten of Mandarin, {speaker}/{emotion}/*.wav."
    ),
    size="35,000 recordings, 29 h, 20 speakers",
    protocol=(
        "Official split by sentence, with the same speakers in all splits; with test_speakers, "
        "test speakers are not in training. Lashkarashvili et al. 2024 train their first stage on "
        "ESD."
    ),
    source="Zhou et al. 2021, https://github.com/HLTSingapore/Emotional-Speech-Data",
    licence="for research, on request",
    options={
        "language": Option("english, mandarin or all", "english"),
        "test_speakers": Option("test speakers, separated by commas (the official split)"),
    },
    read=_read,
    root=holds(*(f"00[0-2][0-9]/{emotion}" for emotion in _EMOTIONS)),
    columns=("language",),
    example=Example(
        files={
            f"{speaker}/{emotion}/{side}/{speaker}_{number}.wav": None
            for speaker in ("0011", "0012")
            for emotion in ("Angry", "Sad")
            for number, side in enumerate(("train", "evaluation", "test"))
        },
        labels=("angry", "sad"),
    ),
)
