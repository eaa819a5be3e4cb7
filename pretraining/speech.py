"""Synthesise the pretraining speech of tiny-hubert, with phone and word times.

    python pretraining/speech.py --hours 20 --out pretraining/made/speech

espeak-ng speaks most of it, in many languages and over a hundred variants; flite, whose English
voices are built from recordings of people, the rest. Every utterance has a voice of its own: pitch,
range and rate are drawn, and resampling stretches the vocal tract. A shard holds

    wave     (N,)     int16, 16 kHz, all utterances in one row
    phones   (N/160,) uint8, every 10 ms: index into `symbols.json`
    words    (N/160,) int16, every 10 ms: index into words.ENGLISH_WORDS, -1 where unknown
    starts   (U + 1,) int64, the sample where each utterance starts
    voices   (U,)     int32, a number for each pair of variant and language group
    pitches  (U,)     float32, espeak-ng's pitch, range and rate on a scale from 0 to 1

Existing shards are not written again.
"""

import argparse
import itertools
import json
import random
import subprocess
import tempfile
import unicodedata
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from espeak import Espeak, Manner
from numpy.typing import NDArray
from safetensors.numpy import save_file
from voices import DEMO_VARIANTS
from words import ENGLISH_WORDS, english_words, foreign_words

SAMPLE_RATE: Final = 16000
HOP: Final = 160
SHARD_HOURS: Final = 0.5
FLITE_SHARE: Final = 0.2
FLITE_VOICES: Final = ("slt", "awb", "rms", "kal16")
ENGLISH_VOICES: Final = ("en-us", "en", "en-gb-scotland", "en-029", "en-gb-x-rp", "en-us-nyc")
OTHER_VOICES: Final = (
    "af am ar bg bn ca cmn cs cy da el es es-419 et eu fa fi fr fr-be ga hi hr hu hy id is it "
    "ka kk ko lt lv mk ms mt nb ne nl pl pt pt-br ro ru sk sl sq sr sv sw ta te tr uk ur vi"
).split()
# robots and tests; and variants that some releases list without shipping them
NOT_SPEAKERS: Final = {"Demonic", "announcer", "fast", "klatt", "UniRobot", "Mr", "norbert", "Max"}
CACHED_WORDS: Final = {word: number for number, word in enumerate(ENGLISH_WORDS)}
PAUSE: Final = "_"
SYMBOLS: Final = (
    PAUSE, *"a b c d e f g h i j k l m n o p q r s t u v w x y z æ ç ð ø ŋ œ ɐ ɑ ɒ ɔ ɕ ɖ ə ɛ ɜ ɟ ɡ "
    "ɣ ɨ ɪ ɫ ɭ ɯ ɲ ɳ ɹ ɽ ɾ ʁ ʂ ʃ ʈ ʉ ʊ ʋ ʌ ʎ ʑ ʒ ʔ β θ χ ħ ɬ ɚ "
    "aɪ aʊ eɪ oʊ əʊ ɔɪ tʃ dʒ ts dz əl iə eə ʊə".split(),
)  # fmt: skip
SYMBOL_NUMBERS: Final = {symbol: number for number, symbol in enumerate(SYMBOLS)}
UNKNOWN: Final = 255
ARPABET: Final = {
    "pau": PAUSE, "aa": "ɑ", "ae": "æ", "ah": "ʌ", "ao": "ɔ", "aw": "aʊ", "ax": "ə", "axr": "ɚ",
    "ay": "aɪ", "b": "b", "ch": "tʃ", "d": "d", "dh": "ð", "eh": "ɛ", "er": "ɜ", "ey": "eɪ",
    "f": "f", "g": "ɡ", "hh": "h", "ih": "ɪ", "iy": "i", "jh": "dʒ", "k": "k", "l": "l", "m": "m",
    "n": "n", "ng": "ŋ", "ow": "oʊ", "oy": "ɔɪ", "p": "p", "r": "ɹ", "s": "s", "sh": "ʃ", "t": "t",
    "th": "θ", "uh": "ʊ", "uw": "u", "v": "v", "w": "w", "y": "j", "z": "z", "zh": "ʒ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance, at 16 kHz.

    Attributes:
        wave: (N,) float32.
        phones: (symbol number, start in seconds), in order.
        words: (word number or -1, start, end in seconds), in order.
        voice: Number of the voice.
        pitches: Pitch, range and rate, each from 0 to 1; NaN where the synthesiser sets them.
    """

    wave: NDArray[np.float32]
    phones: list[tuple[int, float]]
    words: list[tuple[int, float, float]]
    voice: int
    pitches: tuple[float, float, float]


def variants() -> list[str]:
    """Return espeak-ng's variants that are voices, without those of the demo corpus."""
    listed = subprocess.run(
        ["espeak-ng", "--voices=variant"], capture_output=True, text=True, check=True
    ).stdout
    files = [line.split("!v/")[1].split()[0] for line in listed.splitlines() if "!v/" in line]
    return sorted(set(files) - set(DEMO_VARIANTS) - NOT_SPEAKERS)


def symbol_number(ipa: str) -> int:
    """Return the number of an IPA symbol without its length, stress and other marks."""
    if not ipa:
        return SYMBOL_NUMBERS[PAUSE]
    plain = "".join(
        c for c in unicodedata.normalize("NFD", ipa) if unicodedata.category(c)[0] in "L"
        and unicodedata.category(c) != "Lm"
    )  # fmt: skip
    for candidate in (plain[:2], plain[:1]):
        if candidate in SYMBOL_NUMBERS:
            return SYMBOL_NUMBERS[candidate]
    return UNKNOWN


def with_espeak(espeak: Espeak, names: list[str], rng: random.Random) -> Said:
    """Return an utterance of a few words by one of espeak-ng's voices."""
    draw = rng.random()
    if draw < 0.5:
        language = rng.choice(ENGLISH_VOICES)
        group = 0
    else:
        language = "de" if draw < 0.68 else rng.choice(OTHER_VOICES)
        group = 1 if language == "de" else 2
    variant = rng.choice(names)
    manner = Manner(
        rate=rng.randrange(110, 260),
        volume=100,
        pitch=rng.randrange(5, 96),
        pitch_range=rng.randrange(5, 96),
    )
    count = rng.randrange(2, 7)
    words = english_words(rng, count) if group == 0 else foreign_words(rng, language, count)
    separator = rng.choice((" ", " ", ", ", ". "))
    text = separator.join(words)
    stretch = rng.uniform(0.84, 1.22)
    spoken = espeak.say(text, f"{language}+{variant}", manner)
    wave = soxr.resample(spoken.wave, spoken.sample_rate * stretch, SAMPLE_RATE)
    end = len(wave) / SAMPLE_RATE
    places, at = {}, 0
    for word in words:
        places[at] = word
        at += len(word) + len(separator)
    starts = [(places.get(position), start / stretch) for position, _, start in spoken.words]
    phones = [(symbol_number(ipa), start / stretch) for ipa, start in spoken.phones]
    ends = [start for _, start in starts[1:]] + [end]
    timed = []
    for (word, start), stop in zip(starts, ends, strict=True):
        number = CACHED_WORDS.get(word, -1) if group == 0 and word else -1
        timed.append((number, start, stop))
    return Said(
        wave.astype(np.float32),
        phones,
        timed,
        names.index(variant) * 3 + group,
        (manner.pitch / 99, manner.pitch_range / 99, (manner.rate - 110) / 150),
    )


def with_flite(folder: Path, rng: random.Random, first_voice: int) -> Said:
    """Return an utterance of a few words by one of flite's voices, a pause between the words."""
    number = rng.randrange(len(FLITE_VOICES))
    words = english_words(rng, rng.randrange(2, 6))
    slower = rng.uniform(0.75, 1.35)
    command = [
        "flite", "-voice", FLITE_VOICES[number], "-psdur",
        "--setf", f"duration_stretch={slower:.2f}",
        "--setf", f"int_f0_target_mean={rng.uniform(80, 220):.0f}",
        "-t", ", ".join(words), "-o", str(folder / "one.wav"),
    ]  # fmt: skip
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made, rate = soundfile.read(folder / "one.wav", dtype="float32")
    stretch = rng.uniform(0.8, 1.25)
    wave = soxr.resample(made, rate * stretch, SAMPLE_RATE)
    phones, spans, start = [], [], 0.0
    for item in printed.split():
        phone, _, stop = item.rpartition(":")
        phones.append((SYMBOL_NUMBERS[ARPABET[phone]], start / stretch))
        if phone == "pau":
            spans.append((start / stretch, float(stop) / stretch))
        start = float(stop)
    gaps = list(itertools.pairwise(spans))
    known = len(gaps) == len(words)
    timed = [
        (CACHED_WORDS.get(words[i], -1) if known else -1, before[1], after[0])
        for i, (before, after) in enumerate(gaps)
    ]
    missing = float("nan")
    return Said(wave.astype(np.float32), phones, timed, first_voice + number, (missing,) * 3)


def make_shard(number: int, hours: float, out: Path) -> Path:
    """Write one shard, unless it exists."""
    file = out / f"shard-{number:03d}.safetensors"
    if file.is_file():
        return file
    rng = random.Random(number)
    espeak, names = Espeak(), variants()
    said: list[Said] = []
    wanted, have = hours * 3600, 0.0
    with tempfile.TemporaryDirectory() as temporary:
        while have < wanted:
            if rng.random() < FLITE_SHARE:
                one = with_flite(Path(temporary), rng, 3 * len(names))
            else:
                one = with_espeak(espeak, names, rng)
            if len(one.wave) >= SAMPLE_RATE // 2 and np.abs(one.wave).max() > 0.01:
                said.append(one)
                have += len(one.wave) / SAMPLE_RATE
    partial = file.with_suffix(".partial")
    save_file(_tensors(said), partial)
    partial.replace(file)
    return file


def _tensors(said: list[Said]) -> dict[str, NDArray[np.generic]]:
    sizes = [len(one.wave) // HOP * HOP for one in said]
    waves, phones, words = [], [], []
    for one, size in zip(said, sizes, strict=True):
        wave = one.wave[:size] / max(1e-4, float(np.abs(one.wave).max())) * 0.9
        waves.append((wave * 32767).astype(np.int16))
        frames = (np.arange(size // HOP) + 0.5) * HOP / SAMPLE_RATE
        starts = np.array([start for _, start in one.phones])
        symbols = np.array([symbol for symbol, _ in one.phones], dtype=np.uint8)
        place = np.searchsorted(starts, frames, side="right") - 1
        phones.append(np.where(place < 0, SYMBOL_NUMBERS[PAUSE], symbols[place]).astype(np.uint8))
        row = np.full(size // HOP, -1, dtype=np.int16)
        for word, start, stop in one.words:
            row[(frames >= start) & (frames < stop)] = word
        row[phones[-1] == SYMBOL_NUMBERS[PAUSE]] = -1
        words.append(row)
    return {
        "wave": np.concatenate(waves),
        "phones": np.concatenate(phones),
        "words": np.concatenate(words),
        "starts": np.cumsum([0, *sizes]),
        "voices": np.array([one.voice for one in said], dtype=np.int32),
        "pitches": np.array([one.pitches for one in said], dtype=np.float32),
    }


def main() -> None:
    """Write all shards, in parallel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=20.0)
    parser.add_argument("--out", type=Path, default=Path("pretraining/made/speech"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shards = round(options.hours / SHARD_HOURS)
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(make_shard, n, SHARD_HOURS, options.out) for n in range(shards)]
        for done, one in enumerate(waiting, start=1):
            print(f"{done} of {shards}: {one.result()}", flush=True)
    facts = {"symbols": SYMBOLS, "voices": 3 * len(variants()) + len(FLITE_VOICES)}
    (options.out / "symbols.json").write_text(json.dumps(facts), encoding="utf-8")


if __name__ == "__main__":
    main()
