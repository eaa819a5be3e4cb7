"""Google Speech Commands, V1 and V2: a folder for each word, with lists for validation and test.

`{word}/{speaker}_nohash_{take}.wav`, `validation_list.txt`, `testing_list.txt`,
`_background_noise_/*.wav`
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ossicle.data.audio import duration_s
from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    in_fraction,
    sided,
    sound_files,
)
from ossicle.data.corpora.release import MISSING, fewer, left_out
from ossicle.data.corpora.roots import holds
from ossicle.data.corpora.validation import drawn
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_LISTS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
_NOISE = "_background_noise_"
_WORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
_UNKNOWN, _SILENCE = "_unknown_", "_silence_"
_RANGES = {"train": (0.0, 0.8), "valid": (0.8, 0.9), "test": (0.9, 1.0)}  # of each noise recording
_SECONDS = 1.0
_V1, _V2 = 64_721, 105_829  # recordings
_OF_V2 = {"backward", "follow", "forward", "learn", "visual"}


def _read(path: Path, options: Options) -> Dataset:
    classes = choose("classes", options["classes"] or "", ("35", "12"))
    listed = {side: _listed(path / name, side) for side, name in _LISTS.items()}
    keep = Keeper(options)
    utterances, side_by_key, strange = [], {}, []
    for file in sound_files(path, "[!_]*/*.wav"):
        speaker, marked, _ = file.stem.partition("_nohash_")
        if not marked:
            strange.append(f"{file.parent.name}/{file.name}")
            continue
        word = file.parent.name
        one = Utterance.of(file, path, word, speaker, columns=keep({"word": word}))
        side_by_key[one.key] = next((s for s, keys in listed.items() if one.key in keys), "train")
        utterances.append(one)
    if strange:
        raise DataError(
            f"{path}: {len(strange)} file names are not like cat/0a7c2a8d_nohash_0.wav "
            f"({listing(strange)}). Remove these files."
        )
    notices: list[str] = []
    for side, keys in listed.items():
        missing = sorted(keys - side_by_key.keys())
        notices += left_out(path / _LISTS[side], len(missing), len(keys), missing, options)
    second = not _OF_V2.isdisjoint(one.label for one in utterances)
    lacks = fewer(len(utterances), _V2 if second else _V1)
    if not listed["valid"]:
        train = tuple(one for one in utterances if side_by_key[one.key] == "train")
        _, valid = drawn(train, by_speaker=True)
        side_by_key |= dict.fromkeys((one.key for one in valid), "valid")
        name = _LISTS["valid"]
        lacks.append(f"{name} is empty, so a tenth of training, by speaker, is validation")
    if classes == "12":
        return _twelve(path, utterances, side_by_key, lacks, notices)
    return sided(
        f"speechcommands:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note="Official lists, by speaker.",
        lacks=lacks,
        notices=notices,
    )


def _listed(path: Path, side: str) -> set[str]:
    if not path.is_file():
        if side == "valid":
            return set()
        raise DataError(f"{path} does not exist. Unpack the release again.")
    return {line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()}


def _twelve(
    path: Path,
    utterances: Sequence[Utterance],
    sides: Mapping[str, str],
    lacks: Sequence[str],
    notices: Sequence[str],
) -> Dataset:
    """Return ten words, and about as much of unknown words and of silence as of one word."""
    chosen, side_by_key = [one for one in utterances if one.label in _WORDS], dict(sides)
    if absent := sorted(set(_WORDS) - {one.label for one in chosen}):
        raise DataError(f"{path} has no recordings of {listing(absent)}. Unpack it again.")
    words = Counter(sides[one.key] for one in chosen)
    others = [one for one in utterances if one.label not in _WORDS]
    of_others = Counter(sides[one.key] for one in others)
    for one in others:
        side = sides[one.key]
        if in_fraction(one.key, words[side] / len(_WORDS) / of_others[side]):
            chosen.append(replace(one, label=_UNKNOWN))
    for side in SIDES:
        for part in _silence(path, side, -(-words[side] // len(_WORDS))):
            side_by_key[part.key] = side
            chosen.append(part)
    return sided(
        f"speechcommands:{path}",
        chosen,
        lambda one: side_by_key[one.key],
        speaker_independent=False,  # silence has no speaker
        note=(
            f"Official lists, by speaker; {_UNKNOWN} is a sample of other words, and {_SILENCE} is "
            "cut from the background noise, from different parts for each split."
        ),
        lacks=lacks,
        notices=notices,
    )


def _silence(path: Path, side: str, count: int) -> list[Utterance]:
    """Return one-second parts, evenly spaced over a split's portion of each noise recording."""
    files = sound_files(path / _NOISE, "*.wav")
    parts = []
    for number, file in enumerate(files):
        wanted = (count - number + len(files) - 1) // len(files)
        length = duration_s(file)
        first, last = (part * length for part in _RANGES[side])
        room = last - first - _SECONDS
        if room < 0:
            raise DataError(f"{file} is {length:g} s long, too short to cut silence from.")
        for i in range(wanted):
            start = round(first + room * i / max(1, wanted - 1), 4)
            parts.append(Utterance.of(file, path, _SILENCE, None, start, _SECONDS))
    return parts


_EXAMPLE = {"train": "aa", "valid": "bb", "test": "cc"}

CORPUS = Corpus(
    name="speechcommands",
    summary=(
        "Google Speech Commands V1 and V2: single English words of one second, a folder for each "
        "word. 35 words in V2, 30 in V1; or 12 classes: ten commands, _unknown_ for other words, "
        "and _silence_."
    ),
    size="V2: 105,829 recordings, 29 h, 2618 speakers; V1: 64,727",
    protocol=(
        "Official lists of validation and test, by speaker. Cappellazzo et al. 2023 use all 35 "
        "words. The twelve classes are those of SUPERB, but not its test archive: here other words "
        "and silence are as frequent as one command, and silence comes from different parts of the "
        "noise in each split."
    ),
    source="Warden 2018, https://arxiv.org/abs/1804.03209",
    licence="CC BY 4.0",
    options={"classes": Option("35 (all words of the release) or 12", "35")} | MISSING,
    read=_read,
    root=holds(*_LISTS.values()),
    columns=("word",),
    example=Example(
        files={
            f"{word}/{speaker}_nohash_0.wav": None
            for word in ("cat", "yes")
            for speaker in _EXAMPLE.values()
        }
        | {f"{_NOISE}/rain.wav": None}
        | {
            name: "\n".join(f"{word}/{_EXAMPLE[side]}_nohash_0.wav" for word in ("cat", "yes"))
            for side, name in _LISTS.items()
        },
        labels=("cat", "yes"),
        unread=(f"{_NOISE}/rain.wav",),
    ),
)
