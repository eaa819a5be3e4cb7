"""Free Spoken Digit Dataset: English digits, `recordings/{digit}_{speaker}_{index}.wav`."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    choose_many,
    named,
    next_after,
    sided,
    sound_files,
    speakers_note,
)
from ossicle.data.corpora.release import fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

_VERIFIED = "theo,yweweler"  # verification needs at least two test speakers
_SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)")


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("digit", "speaker", "verification"))
    folder = path / "recordings" if (path / "recordings").is_dir() else path
    keep = Keeper(options)
    utterances, index_by_key = [], {}
    files = sound_files(folder, "*.wav")
    for file, name in named(folder, files, _NAME, "digit_speaker_index.wav"):
        text = name["digit" if label == "digit" else "speaker"]
        columns = keep({"digit": name["digit"], "index": name["index"]})
        utterance = Utterance.of(file, path, text, name["speaker"], columns=columns)
        utterances.append(utterance)
        index_by_key[utterance.key] = int(name["index"])
    found = {one.speaker or "" for one in utterances}
    lacks = [*lacking("speakers", _SPEAKERS, found), *fewer(len(utterances), 3000)]
    valid = options["valid_speaker"]
    if label == "verification":
        test = options["test_speaker"] or _VERIFIED
        return replace(_by_speaker(path, utterances, test, valid, lacks), label_name="trials")
    if options["test_speaker"] is None:
        if options["valid_speaker"] is not None:
            raise DataError(
                f"valid_speaker={options['valid_speaker']} needs a test_speaker too, because the "
                "official split has the same speakers in all splits."
            )
        return sided(
            f"fsdd:{path}",
            utterances,
            lambda one: {0: "test", 1: "valid"}.get(index_by_key[one.key] // 5, "train"),
            speaker_independent=False,
            note="Official split: index 0 to 4 is test, 5 to 9 is valid, with the same speakers.",
            lacks=lacks,
        )
    if label == "speaker":
        raise DataError(
            "label=speaker does not go with test_speaker, because that speaker is not in training. "
            "Leave one of the two out, or use label=verification."
        )
    return _by_speaker(path, utterances, options["test_speaker"], valid, lacks)


def _by_speaker(
    path: Path,
    utterances: Sequence[Utterance],
    test_speaker: str,
    valid_speaker: str | None,
    lacks: Sequence[str],
) -> Dataset:
    speakers = sorted({one.speaker for one in utterances if one.speaker})
    test = choose_many("test_speaker", test_speaker, speakers)
    rest = [speaker for speaker in speakers if speaker not in test]
    if valid_speaker is not None:
        valid = choose_many("valid_speaker", valid_speaker, rest)
    else:  # as many speakers, next in the alphabet, cyclically
        valid = list(next_after(len(test))(test, rest))
    return sided(
        f"fsdd:{path}",
        utterances,
        lambda one: "test" if one.speaker in test else "valid" if one.speaker in valid else "train",
        speaker_independent=True,
        note=speakers_note(test, valid),
        lacks=lacks,
    )


CORPUS = Corpus(
    name="fsdd",
    summary=(
        "Free Spoken Digit Dataset: ten English digits by six speakers, 8 kHz. In the official "
        "split indices 0 to 4 of every speaker are test; with test_speaker, test speakers are not "
        "in training."
    ),
    size="3000 recordings, 22 min, 6 speakers (release 1.0.10)",
    protocol=(
        "Official split: indices 0 to 4 of every digit and speaker are test; here 5 to 9 are "
        "validation. Harder, with the option test_speaker: test speakers are not in training."
    ),
    source="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
    options={
        "label": Option("digit, speaker or verification", "digit"),
        "test_speaker": Option(
            "test speakers, separated by commas (the official split; theo,yweweler for "
            "label=verification)"
        ),
        "valid_speaker": Option(
            "validation speakers, separated by commas (as many, following test_speaker)"
        ),
    },
    read=_read,
    root=holds("recordings/*.wav", "[0-9]_*_*.wav"),
    columns=("digit", "index"),
    example=Example(
        files={
            f"recordings/{digit}_{speaker}_{index}.wav": None
            for digit in (3, 7)
            for speaker in ("ann", "bob")
            for index in (0, 5, 10, 11)
        },
        labels=("3", "7"),
    ),
)
