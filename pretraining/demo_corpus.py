"""Synthesise the demo corpus included in ossicle: eight commands, twenty voices, four manners.

    python pretraining/demo_corpus.py --out src/ossicle/data/demo

espeak-ng speaks each command once for each voice and manner, 640 recordings, and for each voice
eight sentences with a command in it, two in each manner, 160 recordings. A voice is one of the
variants that are not used in pretraining, with an accent, a pitch, a pace and a vocal tract of its
own. A manner moves pitch, range, pace and level from there, by amounts that differ from take to
take, so that neighbouring manners meet. Then come a room, noise and a gain, as a cheap microphone
would add them. The same seed and release of espeak-ng give the same waves.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr
from espeak import Espeak, Manner
from numpy.typing import NDArray
from voices import DEMO_COMMANDS, DEMO_VARIANTS

SAMPLE_RATE: Final = 16000
ACCENTS: Final = ("en-us", "en", "en-gb-scotland", "en-029")
TEST: Final = ("Annie", "steph", "david", "victor")  # two that sound like women, two like men
VALID: Final = ("linda", "f3", "antonio", "Gene")
SILENCE: Final = 0.01  # of the peak
MARGIN_S: Final = 0.1
LEVEL: Final = 0.05  # of speech at 0 dB: -26 dB of full scale, so that the loudest takes still fit
FAR: Final = 1.7  # times the median of a voice: an octave mistaken, or a formant
COLUMNS: Final = (
    "file_name", "command", "voice", "manner", "split", "pitch_hz", "energy_db", "rate_wpm",
    "transcript", "phones", "starts_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Style:
    """Effect of a manner on a voice: settings of espeak-ng, and decibels."""

    pitch: int
    pitch_range: int
    rate: float
    energy_db: float
    ending: str = "."


SENTENCES: Final = 8  # of each voice
THINGS: Final = ("radio", "music", "clock", "lamp", "fan", "engine")
PLACES: Final = ("window", "door", "box", "gate")

STYLES: Final = {
    "calm": Style(0, 45, 1.0, -3),
    "excited": Style(22, 90, 1.3, 2),
    "tired": Style(-16, 8, 0.68, -6),
    "asking": Style(6, 75, 1.0, -2, "?"),
}


@dataclass(frozen=True, slots=True)
class Voice:
    """One speaker."""

    name: str
    espeak: str
    pitch: int
    rate: float
    stretch: float

    @classmethod
    def drawn(cls, number: int, rng: np.random.Generator) -> "Voice":
        """Return the voice with that number."""
        variant = DEMO_VARIANTS[number]
        return cls(
            variant.lower(),
            f"{ACCENTS[number % len(ACCENTS)]}+{variant}",
            int(rng.integers(30, 66)),
            rng.uniform(150, 195),
            rng.uniform(0.9, 1.12),
        )


def trimmed(wave: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Return the wave with a short margin around what is audible, and how much went before."""
    audible = np.flatnonzero(np.abs(wave) > SILENCE * np.abs(wave).max())
    margin = int(MARGIN_S * SAMPLE_RATE)
    start = max(0, int(audible[0]) - margin)
    return wave[start : int(audible[-1]) + margin], start / SAMPLE_RATE


def pitches_hz(wave: NDArray[np.float32]) -> list[float]:
    """Return the fundamental of every voiced frame, by autocorrelation."""
    found = []
    for start in range(0, len(wave) - 800, 160):
        frame = wave[start : start + 800] * np.hanning(800)
        likeness = np.fft.irfft(np.abs(np.fft.rfft(frame, 2048)) ** 2)[:800]
        own = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(800), 2048)) ** 2)[:800]
        ratio = likeness / (own / own[0]) / (likeness[0] + 1e-6)
        lag = 32 + int(ratio[32:270].argmax())  # 500 to 60 Hz
        if ratio[lag] > 0.45 and np.sqrt((frame**2).mean()) > 0.02:
            found.append(SAMPLE_RATE / lag)
    return found


def pitch_hz(found: list[float], of_voice: float) -> float:
    """Return the median of a recording, without frames far from what the voice does elsewhere."""
    near = [hertz for hertz in found if 1 / FAR < hertz / of_voice < FAR]
    return float(np.median(near)) if near else of_voice


def recorded(
    wave: NDArray[np.float32], energy_db: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the wave at that level, in a small room, through a cheap microphone."""
    tail_s = rng.uniform(0.05, 0.25)
    time = np.arange(int(tail_s * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * 10 ** (-3 * time / tail_s)
    tail *= rng.uniform(0.1, 0.5) / np.sqrt((tail**2).sum())
    tail[0] += 1
    wet = np.convolve(wave, tail)[: len(wave)]
    wet *= LEVEL * 10 ** (energy_db / 20) / np.sqrt((wet**2).mean())
    hiss = np.fft.rfft(rng.standard_normal(len(wet)))
    hiss /= np.maximum(1, np.arange(len(hiss))) ** rng.uniform(0.1, 0.5)
    noise = np.fft.irfft(hiss, len(wet))
    noise *= LEVEL * 10 ** (-rng.uniform(18, 38) / 20) / noise.std()
    return np.clip(wet + noise, -0.99, 0.99).astype(np.float32)


def sentence(rng: np.random.Generator) -> str:
    """Return a sentence with one or two of the commands in it."""
    stop, start, left, right, louder, softer, open_, close = DEMO_COMMANDS
    thing, other = rng.choice(THINGS, 2, replace=False)
    text = rng.choice(
        [
            f"{rng.choice([stop, start])} the {thing}",
            f"make the {thing} {rng.choice([louder, softer])}",
            f"{rng.choice([open_, close])} the {rng.choice([left, right])} {rng.choice(PLACES)}",
            f"{rng.choice([stop, start])} the {thing} and the {other}",
            f"move the {thing} to the {rng.choice([left, right])}",
        ]
    )
    return f"{text} {rng.choice(['now', 'please', 'again'])}" if rng.random() < 0.5 else str(text)


def say(
    espeak: Espeak, text: str, voice: Voice, style: Style, rng: np.random.Generator
) -> tuple[NDArray[np.float32], list[float], tuple[str, ...]]:
    """Return a recording, the pitch of its frames, and its columns from `energy_db` on."""
    rate = voice.rate * style.rate * rng.normal(1, 0.06)
    settings = Manner(
        rate=int(np.clip(rate, 90, 300)),
        volume=100,
        pitch=int(np.clip(voice.pitch + style.pitch + rng.normal(0, 4), 0, 99)),
        pitch_range=int(np.clip(style.pitch_range + rng.normal(0, 6), 0, 99)),
    )
    energy_db = style.energy_db + rng.normal(0, 2)
    spoken = espeak.say(text + style.ending, voice.espeak, settings)
    whole = soxr.resample(spoken.wave, spoken.sample_rate * voice.stretch, SAMPLE_RATE, "VHQ")
    clean, cut_s = trimmed(whole)
    phones = [
        (ipa, max(0.0, start / voice.stretch - cut_s))
        for ipa, start in spoken.phones
        if ipa and start / voice.stretch - cut_s < len(clean) / SAMPLE_RATE
    ]
    columns = (
        f"{energy_db:.1f}",
        str(settings.rate),
        text,
        " ".join(ipa for ipa, _ in phones),
        " ".join(f"{start:.3f}" for _, start in phones),
    )
    return recorded(clean, energy_db, rng), pitches_hz(clean), columns


def takes(number: int, seed: int) -> list[tuple[str, str, str, str, list[int]]]:
    """Return name, command, manner, text and random key of every recording of a voice."""
    manners = list(STYLES)
    made = [
        (f"{command}-{{voice}}-{manner}", command, manner, command, [seed, number, c, m])
        for c, command in enumerate(DEMO_COMMANDS)
        for m, manner in enumerate(manners)
    ]
    for one in range(SENTENCES):
        key = [seed, number, len(DEMO_COMMANDS), one]
        text = sentence(np.random.default_rng([*key, 1]))
        manner = manners[one % len(manners)]
        made.append((f"sentence{one}-{{voice}}-{manner}", "", manner, text, key))
    return made


def make(out: Path, seed: int) -> int:
    """Write all recordings and `metadata.csv`; return how many."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    espeak = Espeak()
    sides = dict.fromkeys(TEST, "test") | dict.fromkeys(VALID, "valid")
    rows = []
    for number, variant in enumerate(DEMO_VARIANTS):
        voice = Voice.drawn(number, np.random.default_rng([seed, number]))
        spoken = []
        for name, command, manner, text, key in takes(number, seed):
            file = f"audio/{name.format(voice=voice.name)}.ogg"
            rng = np.random.default_rng(key)
            wave, pitches, columns = say(espeak, text, voice, STYLES[manner], rng)
            soundfile.write(
                out / file, wave, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=0.8
            )
            facts = (file, command, voice.name, manner, sides.get(variant, "train"))
            spoken.append((facts, pitches, columns))
        of_voice = float(np.median([hertz for _, pitches, _ in spoken for hertz in pitches]))
        rows += [(*f, f"{pitch_hz(pitches, of_voice):.0f}", *c) for f, pitches, c in spoken]
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(sorted(rows))
    return len(rows)


def main() -> None:
    """Read the command line and write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("src/ossicle/data/demo"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"{make(options.out, options.seed)} recordings in {options.out}")


if __name__ == "__main__":
    main()
