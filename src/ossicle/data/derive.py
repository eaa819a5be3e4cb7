"""Data made from other data, for people with nothing else: connected words, verification trials.

words   |three|   pause   |eight|   pause  |one|        one speaker, drawn by seed
label    three eight one                                exact, and so are onsets and offsets
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Final

import numpy as np
import soundfile

from ossicle.data.audio import load_utterance
from ossicle.data.dataset import Dataset
from ossicle.data.rows import write_rows
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
MANIFEST: Final = "manifest.csv"
NEAR_SILENCE: Final = 1e-3  # of full scale: the noise of a pause, which is no digital silence


def connect(
    dataset: Dataset,
    out: Path,
    *,
    count: int,
    lengths: tuple[int, int] = (3, 7),
    pauses: tuple[float, float] = (0.1, 0.5),
    sample_rate: int = 16_000,
    seed: int = 0,
) -> Path:
    """Write recordings of several words in a row, and a manifest with their transcripts and times.

    A string is of one speaker and of recordings of one side; words may come twice. Labels 0 to 9
    are written as words.

    Args:
        dataset: A word for a label, and a speaker for each recording.
        out: A new or empty folder.
        count: Strings for training; validation and test get a fifth of it each.
        lengths: Fewest and most words of a string.
        pauses: Shortest and longest pause before, between and after words, in seconds.
        sample_rate: Of what is written, in Hz.
        seed: Of speakers, words and pauses.

    Returns:
        The manifest; its columns are path, speaker, split, transcript and events.

    Raises:
        DataError: the folder is in use, or a recording names no speaker.
    """
    _check(dataset, out, count, lengths, pauses)
    rng = np.random.default_rng(seed)
    (out / "audio").mkdir(parents=True, exist_ok=True)
    rows = []
    for side, part in dataset.sides.items():
        by_speaker: dict[str, list[Utterance]] = defaultdict(list)
        for one in part:
            by_speaker[one.speaker or ""].append(one)
        speakers = sorted(by_speaker)
        for number in range(count if side == "train" else max(1, count // 5)):
            speaker = speakers[rng.integers(len(speakers))]
            drawn = rng.integers(
                len(by_speaker[speaker]), size=rng.integers(lengths[0], lengths[1] + 1)
            )
            chosen = [by_speaker[speaker][i] for i in drawn]
            wave, times = _string(chosen, pauses, sample_rate, rng)
            name = f"audio/{side}-{number:05d}.wav"
            soundfile.write(out / name, wave, sample_rate)
            about = {"path": name, "speaker": speaker, "split": side}
            rows.append(about | _labels([_word(one.label) for one in chosen], times))
    write_rows(out / MANIFEST, rows)
    return out / MANIFEST


def _check(
    dataset: Dataset,
    out: Path,
    count: int,
    lengths: tuple[int, int],
    pauses: tuple[float, float],
) -> None:
    if out.exists() and any(out.iterdir()):
        raise DataError(f"{out} is not empty. Choose a new folder.")
    if not 1 <= lengths[0] <= lengths[1] or not 0 <= pauses[0] <= pauses[1] or count < 1:
        raise DataError(
            f"{count} strings of {lengths[0]} to {lengths[1]} words with pauses of {pauses[0]:g} "
            f"to {pauses[1]:g} s cannot be made. Give at least one of each, the smaller first."
        )
    if unknown := [one.key for one in dataset.utterances if one.speaker is None]:
        raise DataError(f"{unknown[0]} names no speaker, and a string is of one. Name them all.")


def _labels(words: Sequence[str], times: Sequence[tuple[float, float]]) -> dict[str, str]:
    """Return the columns that a string can be learnt by."""
    events = [f"{on:.4f}-{off:.4f}:{word}" for (on, off), word in zip(times, words, strict=True)]
    return {"transcript": " ".join(words), "events": "|".join(events)}


def _string(
    chosen: Sequence[Utterance],
    pauses: tuple[float, float],
    sample_rate: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return the wave of a string, and onset and offset of each word in seconds."""

    def pause() -> np.ndarray:
        samples = round(rng.uniform(*pauses) * sample_rate)
        return rng.normal(0, NEAR_SILENCE, samples).astype(np.float32)

    parts, events = [pause()], []
    for one in chosen:
        onset = sum(map(len, parts)) / sample_rate
        wave = load_utterance(one, sample_rate)
        parts += [wave, pause()]
        events.append((onset, onset + len(wave) / sample_rate))
    return np.concatenate(parts), events


def _word(label: str) -> str:
    return DIGITS[int(label)] if label.isdecimal() and int(label) < len(DIGITS) else label


def write_trials(dataset: Dataset, file: Path, *, most: int = 100_000, seed: int = 0) -> int:
    """Write trials between the test recordings, half of them of one speaker; return their number.

    Args:
        dataset: With a speaker for each test recording.
        file: In VoxCeleb's form: 1 or 0, and the keys of two recordings.
        most: Trials of each kind, drawn where there are more.
        seed: Of the draw.

    Raises:
        DataError: the test recordings make no pairs of both kinds.
    """
    rng = np.random.default_rng(seed)
    pairs = list(combinations(sorted(dataset.test, key=lambda one: one.key), 2))
    kinds = [
        [pair for pair in pairs if (pair[0].speaker == pair[1].speaker) is same]
        for same in (True, False)
    ]
    if not all(kinds):
        raise DataError(
            f"the test recordings of {dataset.name} make no pairs of one and of two speakers. Test "
            "two speakers at least, with two recordings each."
        )
    count = min(most, *map(len, kinds))
    lines = []
    for same, kind in zip("10", kinds, strict=True):
        for i in sorted(rng.permutation(len(kind))[:count].tolist()):
            lines.append(f"{same} {kind[i][0].key} {kind[i][1].key}\n")
    file.write_text("".join(lines), encoding="utf-8")
    return len(lines)
