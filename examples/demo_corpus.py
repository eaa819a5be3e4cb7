"""A small labelled corpus of synthetic calls, to try ossicle on without any recordings.

    python examples/demo_corpus.py OUT [--speakers 8] [--takes 4] [--seed 0]

Every sound is computed: a voice sings one of six calls, a melody with a movement of the mouth, and
the label is the call's name.

    rise ／ a-i    fall ＼ e-u    rise-fall ／＼ u-a-u    level ― e    trill ∿ i    double - - a

A voice is a base pitch, a vocal tract and a brightness of its own. Takes differ in how far the
melody moves, how the vowels are formed, tempo, moment, loudness, drift and the noise of the room.
Calls share vowels, and voices form them differently: the mean spectrum tells some of the label, not
all. Nobody speaks like this: figures on it say that the software works, and nothing about a method.

OUT/metadata.csv names label, speaker and split of each recording in OUT/audio/. A speaker is in one
split only. The same seed gives the same bytes, whatever the number of speakers and takes.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000
FFT_SIZE = 32_768  # more than the longest take
VOWELS = {"a": (750, 1250), "e": (450, 1900), "i": (290, 2300), "u": (320, 800)}  # formants, Hz
MOUTH = {"rise": "ai", "fall": "eu", "rise-fall": "uau", "level": "e", "trill": "i", "double": "a"}
LABELS = tuple(MOUTH)


def melody(label, t, rng):
    """Return pitch in semitones above the voice's own, and loudness, at times t from 0 to 1."""
    span = rng.uniform(3, 8)  # semitones
    pitch = rng.normal(0, 0.7) + rng.normal(0, 0.8) * (t - 0.5)  # mistuned, drifting
    loudness = np.clip(np.minimum(t, 1 - t) / rng.uniform(0.05, 0.15), 0, 1)
    if label == "rise":
        pitch += span * (t - 0.5)
    elif label == "fall":
        pitch -= span * (t - 0.5)
    elif label == "rise-fall":
        pitch += span * (1 - np.abs(2 * t - 1) - 0.5)
    elif label == "trill":
        pitch += rng.uniform(1, 2) * np.sin(2 * np.pi * (rng.uniform(4, 7) * t + rng.random()))
    elif label == "double":
        gap, middle = rng.uniform(0.04, 0.1), rng.uniform(0.4, 0.6)
        loudness *= np.clip((np.abs(t - middle) - gap) / 0.05, 0, 1)
    return pitch, loudness


def draw_voice(rng):
    """Return base pitch in Hz, size of the vocal tract, and brightness of a voice."""
    return (
        np.exp(rng.uniform(np.log(100), np.log(220))),
        rng.uniform(0.95, 1.06),
        rng.uniform(25, 50),
    )


def sing(label, voice, rng):
    """Return one take as (N,) float64 in [-1, 1]."""
    base, tract, brightness = voice
    num_samples = int(rng.uniform(0.8, 1.5) * SAMPLE_RATE)
    length = int(rng.uniform(0.65, 0.9) * num_samples)
    start = rng.integers(num_samples - length)
    t = np.linspace(0, 1, length)
    pitch, loudness = melody(label, t, rng)
    jitter = np.cumsum(rng.normal(0, 0.004, length))  # semitones, a slow random walk
    phase = 2 * np.pi * np.cumsum(base * 2 ** ((pitch + jitter) / 12)) / SAMPLE_RATE
    # A smooth pulse per period: harmonic k has about exp(-k^2 / 2 brightness) of the first.
    pulses = np.exp(brightness * (np.cos(phase) - 1))
    source = (pulses - pulses.mean() + rng.normal(0, rng.uniform(0.005, 0.03), length)) * loudness
    mouth = MOUTH[label]
    at = np.linspace(0, 1, len(mouth)) if len(mouth) > 1 else np.zeros(1)
    sound = np.zeros(length)
    for number, vowel in enumerate(mouth):  # one vowel fades into the next
        share = np.interp(t, at, np.arange(len(mouth)) == number)
        formants = [hz / tract * rng.normal(1, 0.04) for hz in (*VOWELS[vowel], 2800, 3600)]
        sound += share * resonate(source, formants)
    sound /= np.sqrt(np.mean(sound**2))
    hiss = np.fft.rfft(rng.normal(0, 1, FFT_SIZE))
    room = np.fft.irfft(hiss / np.sqrt(1 + np.arange(len(hiss))))[:num_samples]  # pink noise
    wave = room / room.std() * 10 ** (-rng.uniform(10, 30) / 20)  # signal to noise: 10 to 30 dB
    wave[start : start + length] += sound
    return wave / np.abs(wave).max() * rng.uniform(0.1, 0.9)


def resonate(source, formants):
    """Return the source through a chain of resonances, one per formant, at unit power."""
    hz = np.fft.rfftfreq(FFT_SIZE, 1 / SAMPLE_RATE)
    gain = np.ones(len(hz), dtype=complex)
    for formant in formants:
        bandwidth = 50 + 0.05 * formant
        gain *= formant**2 / (formant**2 - hz**2 + 1j * bandwidth * hz)
    sound = np.fft.irfft(np.fft.rfft(source, FFT_SIZE) * gain)[: len(source)]
    return sound / np.sqrt(np.mean(sound**2))


def write_corpus(out, speakers=8, takes=4, seed=0):
    """Write the audio and `metadata.csv` below `out`."""
    if speakers < 3:
        raise ValueError(f"{speakers} speakers: expected at least 3, one for each split.")
    (out / "audio").mkdir(parents=True, exist_ok=True)
    num_test, num_valid = max(1, speakers // 4), max(1, speakers // 8)
    rows = []
    for speaker in range(speakers):
        split = "train"
        if speaker < num_test + num_valid:
            split = "test" if speaker < num_test else "valid"
        voice = draw_voice(np.random.default_rng([seed, speaker]))
        for number, label in enumerate(LABELS):
            for take in range(takes):
                wave = sing(label, voice, np.random.default_rng([seed, speaker, number, take]))
                name = f"audio/{label}_voice{speaker:02d}_{take:02d}.wav"
                soundfile.write(out / name, wave, SAMPLE_RATE, subtype="PCM_16")
                rows.append((name, label, f"voice{speaker:02d}", split))
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file_name", "label", "speaker", "split"))
        writer.writerows(rows)
    return rows


def main():
    """Read the command line and write the corpus."""
    parser = argparse.ArgumentParser(description="Write a small corpus of synthetic calls.")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--speakers", type=int, default=8, help="at least 3 (default: 8)")
    parser.add_argument("--takes", type=int, default=4, help="of each call by each (default: 4)")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.speakers < 3 or given.takes < 1:
        parser.error("needs at least 3 speakers, one for each split, and 1 take")
    rows = write_corpus(given.out, given.speakers, given.takes, given.seed)
    print(f"{len(rows)} recordings of {given.speakers} synthetic voices in {given.out}")


if __name__ == "__main__":
    main()
