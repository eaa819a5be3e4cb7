"""The pretraining audio, in memory, and the rows of one step."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from safetensors.numpy import load_file

SAMPLE_RATE: Final = 16000
HOP: Final = 160
UNKNOWN: Final = 255
FSDD_SPEAKERS: Final = ("lucas", "nicolas", "yweweler")  # the others are reserved for evaluation
FSDD_TEST_INDEX: Final = 5  # official: 0 to 4 are test recordings


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one step.

    Attributes:
        wave: (B, N) float32.
        phones: (B, N / 160) numbers of symbols, -100 where unknown.
        words: (B, N / 160) numbers of words, -100 where unknown.
        voices: (B,) numbers of voices, -100 where unknown.
        pitches: (B, 3) pitch, range and rate of the synthesiser; NaN where unknown.
    """

    wave: NDArray[np.float32]
    phones: NDArray[np.int64]
    words: NDArray[np.int64]
    voices: NDArray[np.int64]
    pitches: NDArray[np.float32]


class Corpus:
    """Synthetic speech, synthetic sounds and, if given, recordings of three FSDD speakers."""

    def __init__(self, speech: Path, sounds: Path, fsdd: Path | None) -> None:
        facts = json.loads((speech / "symbols.json").read_text(encoding="utf-8"))
        self.num_symbols: int = len(facts["symbols"])
        self.num_voices: int = facts["voices"]
        shards = [load_file(file) for file in sorted(speech.glob("*.safetensors"))]
        self.wave = np.concatenate([shard["wave"] for shard in shards])
        self.phones = np.concatenate([shard["phones"] for shard in shards])
        self.words = np.concatenate([shard["words"] for shard in shards])
        self.voices = np.concatenate([shard["voices"] for shard in shards])
        self.pitches = np.concatenate([shard["pitches"] for shard in shards])
        before = np.cumsum([0] + [len(shard["wave"]) for shard in shards[:-1]])
        self.starts = np.concatenate(
            [shard["starts"][:-1] + at for shard, at in zip(shards, before, strict=True)]
        )
        self.ends = np.append(self.starts[1:], len(self.wave))
        changes = np.flatnonzero(np.diff(self.words, prepend=-1))
        self.word_starts = changes[self.words[changes] >= 0]  # in steps of 10 ms
        self.sounds = np.concatenate(
            [load_file(file)["wave"] for file in sorted(sounds.glob("*.safetensors"))]
        )
        self.recordings = _read_fsdd(fsdd) if fsdd else {}

    @property
    def hours(self) -> float:
        """Hours of synthetic speech."""
        return len(self.wave) / SAMPLE_RATE / 3600

    def rows(self, rng: np.random.Generator, count: int, size: int, *, at_words: bool) -> Rows:
        """Return random rows of `size` samples, a multiple of 160.

        Args:
            rng: Draws everything.
            count: Rows.
            size: Samples.
            at_words: Begin shortly before a known word, and not anywhere.
        """
        steps = size // HOP
        made = Rows(
            np.zeros((count, size), np.float32),
            np.full((count, steps), -100, np.int64),
            np.full((count, steps), -100, np.int64),
            np.full(count, -100, np.int64),
            np.full((count, 3), np.nan, np.float32),
        )
        for row in range(count):
            draw = rng.random()
            if draw < 0.08:
                made.wave[row] = self._sound(rng, size)
            elif draw < 0.14 and self.recordings:
                made.wave[row] = self._recordings(rng, size)
            else:
                self._speech(rng, made, row, size, at_words=at_words)
        return made

    def _speech(
        self, rng: np.random.Generator, made: Rows, row: int, size: int, *, at_words: bool
    ) -> None:
        if at_words:
            word = self.word_starts[rng.integers(len(self.word_starts))]
            start = max(0, int(word) - int(rng.integers(0, 12))) * HOP
        else:
            anywhere = rng.integers(len(self.wave) - size)
            one = int(np.searchsorted(self.starts, anywhere, side="right")) - 1
            last = max(self.starts[one], self.ends[one] - size)
            start = int(rng.integers(self.starts[one], last + 1)) // HOP * HOP
        start = min(start, (len(self.wave) - size) // HOP * HOP)
        one = int(np.searchsorted(self.starts, start, side="right")) - 1
        at = slice(start // HOP, (start + size) // HOP)
        made.wave[row] = self.wave[start : start + size].astype(np.float32) / 32768
        phones, words = self.phones[at].astype(np.int64), self.words[at].astype(np.int64)
        made.phones[row] = np.where(phones == UNKNOWN, -100, phones)
        made.words[row] = np.where(words < 0, -100, words)
        if start + size <= self.ends[one]:
            made.voices[row] = self.voices[one]
            made.pitches[row] = self.pitches[one]

    def _sound(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        one = self.sounds[rng.integers(len(self.sounds))]
        start = rng.integers(len(one) - size)
        return one[start : start + size].astype(np.float32) / 32768

    def _recordings(self, rng: np.random.Generator, size: int) -> NDArray[np.float32]:
        """Return recordings of one speaker, with gaps, until the row is full."""
        speakers = sorted(self.recordings)
        of_one = self.recordings[speakers[rng.integers(len(speakers))]]
        pieces, have = [], 0
        while have < size:
            wave = of_one[rng.integers(len(of_one))]
            pieces += [wave, np.zeros(int(rng.integers(0, 4000)), np.float32)]
            have += len(pieces[-1]) + len(pieces[-2])
        return np.concatenate(pieces)[:size]


def _read_fsdd(folder: Path) -> dict[str, list[NDArray[np.float32]]]:
    found: dict[str, list[NDArray[np.float32]]] = {}
    for file in sorted(folder.rglob("*.wav")):
        _, speaker, index = file.stem.split("_")
        if speaker in FSDD_SPEAKERS and int(index) >= FSDD_TEST_INDEX:
            wave, rate = soundfile.read(file, dtype="float32")
            resampled = soxr.resample(wave, rate, SAMPLE_RATE)
            found.setdefault(speaker, []).append(resampled / np.abs(resampled).max() * 0.9)
    if not found:
        raise SystemExit(f"{folder} holds no FSDD recordings such as 7_lucas_12.wav")
    return found
