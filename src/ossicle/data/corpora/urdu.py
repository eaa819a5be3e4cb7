"""URDU: natural emotion from television, `{Angry,Happy,Neutral,Sad}/SM1_F10_A010.wav`.

SM1 is the speaker (M or F, and a number), F10 the number of the speaker's file, A010 the emotion
and the number of the recording. Copies with .flac instead of .wav are read as well.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, by_speaker, named
from ossicle.data.corpora.folds import Folds
from ossicle.data.corpora.release import fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_EMOTIONS = ("Angry", "Happy", "Neutral", "Sad")
_SUFFIXES = ("wav", "flac")
_NAME = re.compile(r"(?P<speaker>S(?P<sex>[MF])\d+)_F\d+_(?P<emotion>[AHNS])\d+")
# Only four speakers are angry, so there are three groups with all emotions, women and men.
_GROUPS = (
    ("SF9", "SM2", "SM7", "SM20", "SM25"),
    (
        *("SF1", "SF6", "SF10", "SF11", "SM1", "SM3", "SM6"),
        *("SM21", "SM22", "SM23", "SM26", "SM27"),
    ),
    (
        *("SF2", "SF3", "SF4", "SF5", "SF7", "SF8", "SM4", "SM5"),
        *("SM17", "SM18", "SM19", "SM24"),
    ),
)
_TEST, _VALID, _TRAIN = _GROUPS


def _read(path: Path, options: Options) -> Dataset:
    utterances = _utterances(path, options)
    found = {one.speaker or "" for one in utterances}
    lacks = [*lacking("speakers", sorted(sum(_GROUPS, ())), found), *fewer(len(utterances), 400)]
    test = options["test_speakers"] or ",".join(_those(_TEST, found))
    return by_speaker(
        f"urdu:{path}",
        utterances,
        {**options, "test_speakers": test},
        _validation,
        label_name="emotion",
        lacks=lacks,
    )


def _utterances(path: Path, options: Options) -> list[Utterance]:
    """Return all recordings.

    Raises:
        DataError: there are none, or a name is malformed, contradicts its folder or is there twice.
    """
    files = sorted(
        file
        for emotion in _EMOTIONS
        for suffix in _SUFFIXES
        for file in path.glob(f"{emotion}/[!.]*.{suffix}")
    )
    if not files:
        raise DataError(f"{path} has no {_EMOTIONS[0]}/*.wav. Give the folder of the release.")
    if twice := [stem for stem, count in Counter(one.stem for one in files).items() if count > 1]:
        raise DataError(
            f"{path} has {len(twice)} recordings twice: {listing(twice)}. Keep one file of each."
        )
    keep = Keeper(options)
    utterances, strange = [], []
    for file, name in named(path, files, _NAME, "like SM1_F10_A010.wav"):
        label = file.parent.name
        if label[0] != name["emotion"]:
            strange.append(f"{label}/{file.name}")
        columns = keep({"sex": name["sex"]})
        utterances.append(Utterance.of(file, path, label, name["speaker"], columns=columns))
    if strange:
        raise DataError(
            f"{path}: {len(strange)} recordings are in the folder of another emotion than their "
            f"name says: {listing(strange)}. Copy them from the release."
        )
    return utterances


def _those(group: Sequence[str], found: Iterable[str]) -> list[str]:
    return [speaker for speaker in group if speaker in found]


def _validation(test: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Return the speakers of the smallest group that has no test speaker."""
    free = (group for group in (_VALID, _TEST, _TRAIN) if not set(group) & set(test))
    return _those(next(free, ()), rest)


def _folds(path: Path, options: Options) -> list[str]:
    """Return the three groups of speakers."""
    found = {one.speaker or "" for one in _utterances(path, options)}
    groups = (_those(group, found) for group in _GROUPS)
    return [",".join(group) for group in groups if group]


CORPUS = Corpus(
    name="urdu",
    summary=(
        "URDU: natural emotion in turns from Urdu television talk shows, 100 recordings each of "
        "Angry, Happy, Neutral and Sad. Most speakers have a single emotion, so a split by speaker "
        "is the only one that tests emotion."
    ),
    size="400 recordings, 17 min, 29 speakers (38 are reported, 29 are in the names of the files)",
    protocol=(
        "No official split. Only four speakers are angry, so three groups of speakers with all "
        "emotions are the folds: SF9, SM2, SM7, SM20 and SM25 are test; the group with most "
        "recordings, among them SM4, SM5 (80) and SM24, is training."
    ),
    source="Latif et al. 2018, https://arxiv.org/abs/1812.10411",
    licence="research use alone",
    options={
        "test_speakers": Option(
            f"test speakers, separated by commas ({','.join(_TEST)})",
        ),
        "valid_speakers": Option(
            "validation speakers, separated by commas (the smallest other group of speakers)"
        ),
    },
    read=_read,
    root=holds(*(f"{emotion}/S*.{kind}" for emotion in _EMOTIONS for kind in _SUFFIXES)),
    folds=Folds("test_speakers", _folds),
    columns=("sex",),
    example=Example(
        files={
            f"{emotion}/{speaker}_F1_{emotion[0]}01.wav": None
            for speaker in ("SM2", "SF9", "SM3", "SF1", "SM5", "SF2")
            for emotion in ("Happy", "Neutral")
        },
        labels=("Happy", "Neutral"),
    ),
)
