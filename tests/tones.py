"""Recordings of tones and a tiny backbone on disk, for tests of whole runs."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from ossicle.backbones.families import FAMILIES
from ossicle.backbones.load import random_backbone
from ossicle.data import Clips, Utterance

SAMPLE_RATE = 16_000
PITCH_HZ = {"high": 2000.0, "low": 300.0}
SIDE_BY_SPEAKER = {"anna": "train", "ben": "valid", "cleo": "test"}

Row = tuple[str, str, str, str]  # file_name, label, speaker, split


def tone(hz: float, seconds: float, seed: int, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """Return (N,) of a tone of any phase in a little noise."""
    rng = np.random.default_rng(seed)
    times = np.arange(round(seconds * sample_rate)) / sample_rate
    wave = 0.3 * np.sin(2 * np.pi * hz * times + rng.uniform(0, 6))
    return wave + 0.02 * rng.standard_normal(len(times))


def short_clips(root: Path, labels: Sequence[str]) -> Clips:
    """Write a recording of 0.2 s for each label, of another pitch each; return them."""
    made = []
    for number, label in enumerate(labels):
        file = root / f"{number}.wav"
        soundfile.write(file, tone(300 * (1 + number), 0.2, number), SAMPLE_RATE)
        made.append(Utterance.of(file, root, label))
    return Clips(tuple(made), (3200,) * len(made), 16_000)


def write_tone(path: Path, label: str, seconds: float, seed: int) -> None:
    """Write a recording of a label."""
    soundfile.write(path, tone(PITCH_HZ[label], seconds, seed), SAMPLE_RATE)


def write_metadata(root: Path, rows: Sequence[Row]) -> None:
    """Write the labels, speakers and splits of a folder of recordings."""
    with (root / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file_name", "label", "speaker", "split"), *rows])


def write_corpus(root: Path, takes: int = 3, seconds: float = 0.3) -> list[Row]:
    """Write high and low tones of one speaker per split; return the rows of the metadata."""
    root.mkdir(parents=True)
    rows: list[Row] = []
    for speaker, side in SIDE_BY_SPEAKER.items():
        for label in PITCH_HZ:
            for take in range(takes):
                name = f"{speaker}-{label}-{take}.wav"
                write_tone(root / name, label, seconds + 0.02 * take, seed=len(rows))
                rows.append((name, label, speaker, side))
    write_metadata(root, rows)
    return rows


def write_backbone(folder: Path) -> str:
    """Write a HuBERT of a few thousand random weights in the hub's layout; return its name."""
    # stochastic: keeps SpecAugment in the configuration, as in released models
    made = random_backbone(FAMILIES["hubert"], FAMILIES["hubert"].tiny(), "tiny", stochastic=True)
    made.save(folder)
    return str(folder)
