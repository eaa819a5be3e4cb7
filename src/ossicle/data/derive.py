"""Derive data from other data: strings of words from single words, and verification trials.

words   |three|   pause   |eight|   pause  |one|        one speaker, random by seed
label    three eight one                                with exact onsets and offsets
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
NEAR_SILENCE: Final = 1e-3  # of full scale: noise in pauses, instead of digital silence


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
    """Write recordings of several words, and a manifest with their transcripts and times.

    A string has one speaker and uses recordings of one split; words may repeat. Labels 0 to 9 are
    written as words.

    Args:
        dataset: Single words, with the word as label and a speaker for each recording.
        out: New or empty folder.
        count: Number of strings for training; validation and test get a fifth of it each.
        lengths: Fewest and most words of a string.
        pauses: Shortest and longest pause before, between and after words, in seconds.
        sample_rate: Sample rate of the recordings written, in Hz.
        seed: Seed of speakers, words and pauses.

    Returns:
        Path of the manifest; its columns are path, speaker, split, transcript and events.

    Raises:
        DataError: the folder is not empty, or a recording has no speaker.
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
            f"to {pauses[1]:g} s: expected at least one string, and ranges with at least one word "
            "and the smaller number first."
        )
    if unknown := [one.key for one in dataset.utterances if one.speaker is None]:
        raise DataError(
            f"{unknown[0]} has no speaker, which a string needs. Add all speakers to the data."
        )


def _labels(words: Sequence[str], times: Sequence[tuple[float, float]]) -> dict[str, str]:
    """Return the label columns of a string."""
    events = [f"{on:.4f}-{off:.4f}:{word}" for (on, off), word in zip(times, words, strict=True)]
    return {"transcript": " ".join(words), "events": "|".join(events)}


def _string(
    chosen: Sequence[Utterance],
    pauses: tuple[float, float],
    sample_rate: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Return the wave of a string, with onset and offset of each word in seconds."""

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
    """Write trials between test recordings, half of them of the same speaker; return their number.

    Args:
        dataset: Data with a speaker for each test recording.
        file: File to write in VoxCeleb's format: 1 or 0, and the keys of two recordings.
        most: Most trials of the same speaker, and of different ones; sampled if there are more.
        seed: Seed of the sampling.

    Raises:
        DataError: there are no pairs of the same speaker, or none of different speakers.
    """
    rng = np.random.default_rng(seed)
    pairs = list(combinations(sorted(dataset.test, key=lambda one: one.key), 2))
    groups = [
        [pair for pair in pairs if (pair[0].speaker == pair[1].speaker) is same]
        for same in (True, False)
    ]
    if not all(groups):
        raise DataError(
            f"the test recordings of {dataset.name} lack pairs of the same speaker, or of two "
            "speakers. Use at least two test speakers with two recordings each."
        )
    count = min(most, *map(len, groups))
    lines = []
    for same, group in zip("10", groups, strict=True):
        for i in sorted(rng.permutation(len(group))[:count].tolist()):
            lines.append(f"{same} {group[i][0].key} {group[i][1].key}\n")
    file.write_text("".join(lines), encoding="utf-8")
    return len(lines)
