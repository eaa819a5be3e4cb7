"""Everyday sounds from formulas: training data of tiny-ast, and background noise for tiny-hubert.

    python pretraining/sounds.py --clips 12000 --out pretraining/made/sounds

Each kind of sound is a small function of random settings: rain is thousands of filtered clicks a
second, a bark a few harmonic bursts with falling pitch. They imitate; nothing is recorded. A clip
is a scene of 5.12 s: one kind, or two at different levels, through a random equaliser and room.
A shard holds

    wave    (U, N)  int16, 16 kHz
    kinds   (U, K)  float32, 1 where the kind is in the scene
"""

import argparse
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

SAMPLE_RATE: Final = 16000
NUM_SAMPLES: Final = 81920
SHARD_CLIPS: Final = 500
Wave = NDArray[np.float64]
Random = np.random.Generator


def seconds(duration_s: float) -> int:
    """Return the number of samples in a duration."""
    return max(1, int(duration_s * SAMPLE_RATE))


def log_uniform(rng: Random, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def shape(wave: Wave, gain: Callable[[Wave], Wave]) -> Wave:
    """Return the wave filtered by a gain over frequency in Hz."""
    frequencies = np.fft.rfftfreq(len(wave), 1 / SAMPLE_RATE)
    return np.fft.irfft(np.fft.rfft(wave) * gain(frequencies), len(wave))


def band(wave: Wave, centre: float, octaves: float) -> Wave:
    """Return the wave through a bell-shaped band of that width."""
    return shape(wave, lambda f: np.exp(-0.5 * (np.log2((f + 1) / centre) / octaves) ** 2))


def tilt(wave: Wave, power: float, low: float = 30.0) -> Wave:
    """Return the wave with a spectral slope: 0 leaves it, -1 is brown from white."""
    return shape(wave, lambda f: (np.maximum(f, low) / 1000) ** power)


def white(rng: Random, size: int) -> Wave:
    """Return white noise."""
    return rng.standard_normal(size)


def wander(rng: Random, size: int, rate: float, low: float, high: float) -> Wave:
    """Return a smooth random curve between two values that turns about `rate` times a second."""
    knots = max(2, int(size / SAMPLE_RATE * rate) + 2)
    places = np.linspace(0, size - 1, knots)
    values = rng.uniform(0, 1, knots)
    curve = np.interp(np.arange(size), places, values)
    smooth = 0.5 - 0.5 * np.cos(np.pi * curve)
    return low + (high - low) * smooth


def contour(size: int, *points: float) -> Wave:
    """Return straight lines through equally spaced points."""
    return np.interp(np.linspace(0, len(points) - 1, size), np.arange(len(points)), points)


def harmonics(rng: Random, f0: Wave, rolloff: float, count: int, rough: float = 0.0) -> Wave:
    """Return a harmonic tone along a curve of its fundamental in Hz."""
    jitter = 1 + rough * np.cumsum(white(rng, len(f0))) / np.sqrt(np.arange(1, len(f0) + 1)) * 0.02
    phase = 2 * np.pi * np.cumsum(f0 * jitter) / SAMPLE_RATE
    made = np.zeros(len(f0))
    for number in range(1, count + 1):
        audible = f0 * number < 7800
        made += np.sin(number * phase + rng.uniform(0, 6.28)) * audible * number**-rolloff
    return made


def formants(wave: Wave, *centres: float, octaves: float = 0.25) -> Wave:
    """Return the wave through a few resonances."""
    return shape(
        wave,
        lambda f: 0.05 + sum(np.exp(-0.5 * (np.log2((f + 1) / c) / octaves) ** 2) for c in centres),
    )


def decay(size: int, half_s: float, attack_s: float = 0.002) -> Wave:
    """Return an envelope that rises at once and halves every `half_s`."""
    time = np.arange(size) / SAMPLE_RATE
    return np.minimum(1, time / attack_s) * 0.5 ** (time / half_s)


def hump(size: int, sharp: float = 1.0) -> Wave:
    """Return an envelope that rises and falls."""
    return np.sin(np.pi * (np.arange(size) + 0.5) / size) ** sharp


def place(size: int, events: list[tuple[float, Wave]]) -> Wave:
    """Return the events, each at its start in seconds, in one wave."""
    made = np.zeros(size)
    for start_s, event in events:
        start = int(start_s * SAMPLE_RATE)
        if 0 <= start < size:
            piece = event[: size - start]
            made[start : start + len(piece)] += piece
    return made


def regular(rng: Random, rate: float, jitter: float, duration_s: float) -> list[float]:
    """Return times of a nearly regular train, starting anywhere in its period."""
    times = rng.uniform(0, 1 / rate) + np.arange(int(duration_s * rate) + 1) / rate
    return list(times + rng.normal(0, jitter / rate, len(times)))


def irregular(rng: Random, rate: float, duration_s: float) -> list[float]:
    """Return times of a random train."""
    return list(rng.uniform(0, duration_s, max(1, rng.poisson(rate * duration_s))))


def length(size: int) -> float:
    """Return the duration in seconds."""
    return size / SAMPLE_RATE


def clicks(rng: Random, size: int, rate: float) -> Wave:
    """Return impulses of random size at random places."""
    made = np.zeros(size)
    places = rng.integers(0, size, max(1, rng.poisson(rate * length(size))))
    np.add.at(made, places, rng.standard_normal(len(places)) * rng.exponential(1, len(places)))
    return made


def rain(rng: Random, size: int) -> Wave:
    """Return drops: from single ones to a hiss."""
    drops = band(clicks(rng, size, log_uniform(rng, 200, 8000)), log_uniform(rng, 1500, 5000), 0.9)
    return drops / drops.std() + rng.uniform(0, 0.8) * tilt(white(rng, size), -0.3)


def surf(rng: Random, size: int) -> Wave:
    """Return waves: noise that swells, brighter when louder."""
    swell = wander(rng, size, rng.uniform(0.15, 0.7), 0.05, 1) ** rng.uniform(1, 2.5)
    low, high = tilt(white(rng, size), -1), tilt(white(rng, size), -rng.uniform(0, 0.4))
    return low / low.std() * (0.3 + swell) + high / high.std() * swell**2 * rng.uniform(0.4, 1.2)


def fire(rng: Random, size: int) -> Wave:
    """Return crackles over a soft roar."""
    roar = tilt(white(rng, size), -rng.uniform(0.6, 1.2))
    events = []
    for start in irregular(rng, log_uniform(rng, 3, 40), length(size)):
        crack = white(rng, seconds(0.03)) * decay(seconds(0.03), log_uniform(rng, 0.0007, 0.006))
        events.append((start, crack * rng.exponential(1)))
    crackles = band(place(size, events), log_uniform(rng, 1500, 5000), 1.2)
    return roar / roar.std() * rng.uniform(0.1, 0.6) + crackles / crackles.std()


def ticking(rng: Random, size: int) -> Wave:
    """Return the ticks of a clock, every second one different."""
    rate = log_uniform(rng, 0.9, 6)
    both = [
        white(rng, seconds(0.05)) * decay(seconds(0.05), log_uniform(rng, 0.001, 0.008))
        + np.sin(2 * np.pi * log_uniform(rng, 800, 5000) * np.arange(seconds(0.05)) / SAMPLE_RATE)
        * decay(seconds(0.05), log_uniform(rng, 0.002, 0.012))
        for _ in range(2)
    ]
    second = both[int(rng.integers(2))]
    times = regular(rng, rate, 0.005, length(size))
    return place(size, [(t, both[0] if n % 2 else second) for n, t in enumerate(times)]) * 3


def rotor(rng: Random, size: int) -> Wave:
    """Return the beats of a rotor: noise pulses ten to thirty times a second over a rumble."""
    rate = rng.uniform(8, 30) * wander(rng, size, 0.3, 0.95, 1.05)
    beat = (0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(rate) / SAMPLE_RATE)) ** rng.uniform(2, 8)
    air = band(white(rng, size), log_uniform(rng, 80, 700), rng.uniform(0.8, 1.8))
    rumble = harmonics(rng, rate * rng.integers(2, 5), 1, 12)
    return air / air.std() * (0.15 + beat) + rumble / rumble.std() * rng.uniform(0.1, 0.7)


def saw_motor(rng: Random, size: int) -> Wave:
    """Return a small motor that revs: rough harmonics with noise in their rhythm."""
    revs = wander(rng, size, rng.uniform(0.4, 2.5), 1, rng.uniform(1.1, 2.5))
    f0 = rng.uniform(50, 150) * revs
    tone = harmonics(rng, f0, rng.uniform(0.2, 0.8), 45, rough=1)
    beat = 0.6 + 0.4 * np.sin(2 * np.pi * np.cumsum(f0) / SAMPLE_RATE)
    hiss = tilt(white(rng, size), rng.uniform(-0.4, 0.2)) * beat
    return np.tanh(tone / tone.std() * rng.uniform(0.8, 2)) + hiss / hiss.std() * rng.uniform(
        0.2, 1
    )


def crowing(rng: Random, size: int) -> Wave:
    """Return a call of several notes, the last long and falling."""
    base = log_uniform(rng, 350, 800)
    notes, at = [], rng.uniform(0, 1.5)
    for number in range(int(rng.integers(3, 6))):
        last = number >= 3
        part = seconds(rng.uniform(0.6, 1.2) if last else rng.uniform(0.12, 0.35))
        top = base * rng.uniform(1.1, 1.6)
        f0 = contour(part, base, top, top * rng.uniform(0.9, 1.1), base * rng.uniform(0.6, 1))
        voice = harmonics(rng, f0, rng.uniform(0.3, 0.9), 14, rough=0.5) * hump(part, 0.5)
        notes.append((at, voice))
        at += length(part) * rng.uniform(0.9, 1.3)
    return formants(
        place(size, notes), rng.uniform(900, 1500), rng.uniform(2000, 3500), octaves=0.5
    )


def barking(rng: Random, size: int) -> Wave:
    """Return short rough bursts whose pitch falls."""
    base, part = log_uniform(rng, 150, 700), rng.uniform(0.08, 0.25)
    events, at = [], rng.uniform(0, 1)
    for _ in range(int(rng.integers(1, 9))):
        size_one = seconds(part * rng.uniform(0.8, 1.2))
        f0 = contour(
            size_one, base * 0.8, base * rng.uniform(1.1, 1.5), base * rng.uniform(0.4, 0.8)
        )
        voice = harmonics(rng, f0, 0.4, 25, rough=2) + white(rng, size_one) * rng.uniform(0.5, 2)
        events.append((at, voice * hump(size_one, 0.6)))
        at += part + rng.exponential(0.35) + 0.05
    first = log_uniform(rng, 500, 1100)
    return formants(place(size, events), first, first * rng.uniform(1.7, 2.6), octaves=0.4)


def crying(rng: Random, size: int) -> Wave:
    """Return long wavering cries with breaths between."""
    base, at, events = rng.uniform(300, 600), rng.uniform(0, 0.8), []
    while at < length(size):
        part = seconds(rng.uniform(0.4, 1.5))
        f0 = contour(
            part, base * 0.85, base * rng.uniform(1, 1.3), base * rng.uniform(1, 1.2), base * 0.7
        )
        f0 = f0 * (1 + 0.03 * np.sin(2 * np.pi * rng.uniform(4, 9) * np.arange(part) / SAMPLE_RATE))
        events.append(
            (at, harmonics(rng, f0, rng.uniform(0.2, 0.7), 18, rough=1) * hump(part, 0.4))
        )
        at += length(part) + rng.uniform(0.05, 0.2)
        breath = seconds(rng.uniform(0.1, 0.3))
        events.append((at, white(rng, breath) * hump(breath) * rng.uniform(0, 0.5)))
        at += length(breath) + rng.uniform(0, 0.3)
    first = rng.uniform(800, 1300)
    return formants(place(size, events), first, rng.uniform(1.8, 3) * first, 3800, octaves=0.35)


def sneezing(rng: Random, size: int) -> Wave:
    """Return one or two bursts of breath, each after an inhalation."""
    events, at = [], rng.uniform(0, 2.5)
    for _ in range(int(rng.integers(1, 3))):
        breath = seconds(rng.uniform(0.15, 0.6))
        events.append(
            (at, band(white(rng, breath), 1500, 1.2) * hump(breath) * rng.uniform(0.05, 0.4))
        )
        at += length(breath) + rng.uniform(0, 0.1)
        burst = seconds(rng.uniform(0.2, 0.6))
        f0 = contour(burst, rng.uniform(200, 500), rng.uniform(120, 300))
        voice = harmonics(rng, f0, 0.6, 20, rough=2) * rng.uniform(0, 1)
        noise = white(rng, burst) * rng.uniform(1, 3)
        blown = tilt(voice + noise, rng.uniform(-0.5, 0.4)) * decay(
            burst, rng.uniform(0.03, 0.15), 0.02
        )
        events.append(
            (at, formants(blown, rng.uniform(600, 1200), rng.uniform(1800, 4000), octaves=0.7))
        )
        at += length(burst) + rng.uniform(0.3, 1.5)
    return place(size, events)


def birdsong(rng: Random, size: int) -> Wave:
    """Return a phrase of whistled notes, repeated."""
    centre = log_uniform(rng, 1800, 5500)
    phrase = [
        (centre * rng.uniform(0.7, 1.4), centre * rng.uniform(0.7, 1.4), rng.uniform(0.03, 0.2))
        for _ in range(int(rng.integers(1, 7)))
    ]
    events, at = [], rng.uniform(0, 1)
    while at < length(size):
        for first, last, part_s in phrase:
            part = seconds(part_s)
            events.append((at, harmonics(rng, contour(part, first, last), 2.5, 2) * hump(part)))
            at += part_s * rng.uniform(1.05, 1.4)
        at += rng.exponential(0.8)
    return place(size, events)


def chirring(rng: Random, size: int) -> Wave:
    """Return insects: a high tone in fast pulses, in groups."""
    tone = harmonics(rng, np.full(size, log_uniform(rng, 2500, 6500)), 2, 2)
    pulses = np.maximum(0, np.sin(2 * np.pi * rng.uniform(15, 70) * np.arange(size) / SAMPLE_RATE))
    groups = np.sin(2 * np.pi * log_uniform(rng, 0.5, 5) * np.arange(size) / SAMPLE_RATE + 1)
    return tone * pulses * (groups > rng.uniform(-1, 0.5))


def siren(rng: Random, size: int) -> Wave:
    """Return a pitch that sweeps up and down."""
    base, rate = log_uniform(rng, 400, 900), log_uniform(rng, 0.15, 4)
    wave = np.sin(2 * np.pi * rate * np.arange(size) / SAMPLE_RATE + rng.uniform(0, 6.28))
    sweep = np.sign(wave) if rng.random() < 0.3 else wave
    return harmonics(rng, base * (1.4 + 0.4 * sweep), rng.uniform(0.8, 2), 8)


def ringing(rng: Random, size: int) -> Wave:
    """Return struck bells: decaying partials that are not harmonics."""
    base, half = log_uniform(rng, 200, 2000), log_uniform(rng, 0.08, 0.8)
    ratios = np.sort(rng.uniform(1, 6, int(rng.integers(3, 8))))
    events = []
    for start in irregular(rng, log_uniform(rng, 0.4, 3), length(size)):
        part = seconds(min(2.5, half * 6))
        time = np.arange(part) / SAMPLE_RATE
        struck = sum(np.sin(2 * np.pi * base * r * time) * 0.5 ** (time / half * r) for r in ratios)
        events.append((start, struck * rng.uniform(0.4, 1)))
    return place(size, events)


def knocking(rng: Random, size: int) -> Wave:
    """Return groups of dull knocks."""
    knock = sum(
        np.sin(2 * np.pi * log_uniform(rng, 80, 900) * np.arange(seconds(0.15)) / SAMPLE_RATE)
        * decay(seconds(0.15), log_uniform(rng, 0.006, 0.03))
        for _ in range(4)
    )
    events, at = [], rng.uniform(0, 1.5)
    while at < length(size):
        gap = rng.uniform(0.12, 0.35)
        for _ in range(int(rng.integers(2, 6))):
            events.append((at, knock * rng.uniform(0.6, 1)))
            at += gap * rng.uniform(0.9, 1.1)
        at += rng.exponential(1.5) + 0.4
    return place(size, events)


def walking(rng: Random, size: int) -> Wave:
    """Return steps: two soft bursts each, nearly regular."""
    events = []
    colour = log_uniform(rng, 150, 2500)
    for start in regular(rng, rng.uniform(1.2, 3), 0.05, length(size)):
        for late, loud in ((0, 1), (rng.uniform(0.05, 0.1), rng.uniform(0.2, 0.8))):
            step = white(rng, seconds(0.15)) * decay(seconds(0.15), rng.uniform(0.008, 0.04), 0.005)
            events.append((start + late, step * loud))
    return band(place(size, events), colour, 1.2)


def wind(rng: Random, size: int) -> Wave:
    """Return noise whose band and level wander; sometimes it whistles."""
    parts = []
    for _ in range(3):
        level = wander(rng, size, rng.uniform(0.3, 1.5), 0.05, 1)
        one = band(white(rng, size), log_uniform(rng, 100, 1200), rng.uniform(0.3, 1.2))
        parts.append(one / one.std() * level)
    return sum(parts)


def bubbling(rng: Random, size: int) -> Wave:
    """Return drops and bubbles: short tones that rise."""
    events = []
    for start in irregular(rng, log_uniform(rng, 2, 60), length(size)):
        part = seconds(rng.uniform(0.02, 0.09))
        base = log_uniform(rng, 350, 2500)
        tone = harmonics(rng, contour(part, base, base * rng.uniform(1.1, 2)), 3, 1)
        events.append((start, tone * decay(part, rng.uniform(0.006, 0.03)) * rng.exponential(1)))
    return place(size, events) + 0.01 * white(rng, size)


def typing(rng: Random, size: int) -> Wave:
    """Return keys: double clicks in bursts."""
    colour, events, at = log_uniform(rng, 1200, 4500), [], rng.uniform(0, 0.5)
    while at < length(size):
        for late in (0, rng.uniform(0.05, 0.1)):
            key = white(rng, seconds(0.03)) * decay(seconds(0.03), rng.uniform(0.002, 0.008))
            events.append((at + late, key * rng.uniform(0.3, 1)))
        at += rng.exponential(0.12) + 0.06 if rng.random() < 0.9 else rng.uniform(0.4, 1.2)
    return band(place(size, events), colour, 1.0)


def idling(rng: Random, size: int) -> Wave:
    """Return a large engine that idles: low uneven pulses."""
    f0 = rng.uniform(20, 60) * wander(rng, size, 0.5, 0.9, 1.1)
    tone = harmonics(rng, f0, rng.uniform(0.4, 1), 40, rough=1)
    beat = 0.5 + 0.5 * np.sin(2 * np.pi * np.cumsum(f0 / rng.integers(2, 5)) / SAMPLE_RATE)
    noise = tilt(white(rng, size), -0.8)
    return tone / tone.std() * (0.4 + beat) + noise / noise.std() * rng.uniform(0.2, 0.8)


def humming(rng: Random, size: int) -> Wave:
    """Return a fan or vacuum cleaner: a steady hum with a band of noise."""
    tone = harmonics(rng, np.full(size, rng.uniform(80, 500)), rng.uniform(0.3, 1.5), 12)
    noise = band(white(rng, size), log_uniform(rng, 400, 4000), rng.uniform(0.8, 2))
    return tone / tone.std() * rng.uniform(0.05, 0.8) + noise / noise.std()


def beeping(rng: Random, size: int) -> Wave:
    """Return a tone that goes on and off regularly."""
    tone = harmonics(rng, np.full(size, log_uniform(rng, 500, 3500)), rng.uniform(0.8, 3), 5)
    phase = np.arange(size) / SAMPLE_RATE * log_uniform(rng, 0.7, 8) + rng.uniform()
    return tone * (phase % 1 < rng.uniform(0.2, 0.7))


def shattering(rng: Random, size: int) -> Wave:
    """Return breaking glass: a burst, then many high dying partials."""
    start, events = rng.uniform(0, 3), []
    events.append((start, white(rng, seconds(0.2)) * decay(seconds(0.2), 0.02) * 3))
    for _ in range(int(rng.integers(10, 50))):
        part = seconds(0.3)
        tone = np.sin(2 * np.pi * log_uniform(rng, 2000, 7500) * np.arange(part) / SAMPLE_RATE)
        events.append((start + rng.exponential(0.25), tone * decay(part, rng.uniform(0.01, 0.06))))
    return place(size, events)


def clapping(rng: Random, size: int) -> Wave:
    """Return claps of a few or of many hands."""
    events = []
    for start in irregular(rng, log_uniform(rng, 3, 150), length(size)):
        clap = white(rng, seconds(0.04)) * decay(seconds(0.04), rng.uniform(0.003, 0.01))
        events.append((start, band(clap, log_uniform(rng, 800, 2500), 0.8) * rng.uniform(0.3, 1)))
    return place(size, events)


def thunder(rng: Random, size: int) -> Wave:
    """Return rolls of low noise, each with a sharp start or none."""
    rolls = np.zeros(size)
    for start in irregular(rng, 0.6, length(size)):
        part = seconds(rng.uniform(1, 4))
        roll = tilt(white(rng, part), -rng.uniform(0.9, 1.6)) * wander(rng, part, 8, 0.2, 1)
        attack = rng.choice((0.01, 0.3))
        rolls += place(
            size, [(start, roll / roll.std() * decay(part, rng.uniform(0.3, 1), attack))]
        )
    return rolls + 0.02 * tilt(white(rng, size), -0.5)


def horn(rng: Random, size: int) -> Wave:
    """Return a chord that is held once or twice."""
    base = log_uniform(rng, 180, 500)
    chord = [
        base * r
        for r in rng.choice((1, 1.19, 1.26, 1.33, 1.5, 1.68), int(rng.integers(1, 4)), False)
    ]
    events, at = [], rng.uniform(0, 1.5)
    for _ in range(int(rng.integers(1, 4))):
        part = seconds(rng.uniform(0.3, 1.8))
        tone = sum(harmonics(rng, np.full(part, f), rng.uniform(0.3, 1), 15) for f in chord)
        events.append((at, tone * hump(part, 0.2)))
        at += length(part) + rng.uniform(0.1, 0.8)
    return place(size, events)


def meowing(rng: Random, size: int) -> Wave:
    """Return an animal's call whose pitch and resonance rise and fall together."""
    base, events, at = log_uniform(rng, 250, 800), [], rng.uniform(0, 1.5)
    for _ in range(int(rng.integers(1, 5))):
        part = seconds(rng.uniform(0.3, 1.2))
        f0 = contour(part, base, base * rng.uniform(1.1, 1.5), base * rng.uniform(0.7, 1))
        voice = harmonics(rng, f0, rng.uniform(0.3, 0.8), 18, rough=0.5) * hump(part, 0.8)
        opened = contour(part, 0, 1, 0.3)
        near, far = formants(voice, 700, 2000), formants(voice, 1200, 3200)
        events.append((at, near * (1 - opened) + far * opened))
        at += length(part) + rng.exponential(0.7) + 0.1
    return place(size, events)


def croaking(rng: Random, size: int) -> Wave:
    """Return frogs, hens and crows: rough pulsed bursts."""
    base, events, at = log_uniform(rng, 40, 300), [], rng.uniform(0, 0.8)
    while at < length(size):
        part = seconds(rng.uniform(0.08, 0.5))
        f0 = contour(part, base, base * rng.uniform(0.8, 1.3))
        events.append((at, harmonics(rng, f0, 0.2, 40, rough=2) * hump(part, 0.5)))
        at += length(part) + rng.exponential(0.4) + 0.05
    first = log_uniform(rng, 500, 1800)
    return formants(place(size, events), first, first * rng.uniform(1.5, 2.5), octaves=0.3)


def plucking(rng: Random, size: int) -> Wave:
    """Return notes of a scale on a plucked string."""
    base, events = log_uniform(rng, 100, 500), []
    half = log_uniform(rng, 0.06, 0.5)
    for start in regular(rng, rng.uniform(1.5, 8), 0.03, length(size)):
        part = seconds(min(1.5, half * 5))
        note = base * 2 ** (rng.choice((0, 2, 4, 5, 7, 9, 11, 12)) / 12)
        events.append((start, harmonics(rng, np.full(part, note), 1, 10) * decay(part, half)))
    return place(size, events)


def laughing(rng: Random, size: int) -> Wave:
    """Return trains of voiced breaths, slower and lower towards the end."""
    base, events, at = rng.uniform(130, 400), [], rng.uniform(0, 1.5)
    first, second = rng.uniform(600, 1000), rng.uniform(1200, 2400)
    for number in range(int(rng.integers(4, 14))):
        part = seconds(rng.uniform(0.08, 0.16))
        f0 = contour(part, base, base * 0.85) * (1 - 0.02 * number)
        voice = harmonics(rng, f0, 0.6, 20, rough=1) + white(rng, part) * rng.uniform(0.2, 0.8)
        events.append((at, voice * hump(part) * 0.95**number))
        at += rng.uniform(0.14, 0.25)
    return formants(place(size, events), first, second, 3000)


def scraping(rng: Random, size: int) -> Wave:
    """Return strokes of a saw or a brush."""
    rate, events = rng.uniform(0.8, 5), []
    colour = log_uniform(rng, 800, 5000)
    for number, start in enumerate(regular(rng, rate, 0.05, length(size))):
        part = seconds(rng.uniform(0.5, 0.95) / rate)
        events.append(
            (start, white(rng, part) * hump(part) * (1 if number % 2 else rng.uniform(0.3, 1)))
        )
    return band(place(size, events), colour, rng.uniform(0.5, 1.3))


def whooshing(rng: Random, size: int) -> Wave:
    """Return something that passes: a band of noise, or an engine, that swells and sinks."""
    swell = hump(size, rng.uniform(1, 4))
    tone = harmonics(rng, contour(size, 1, 1, 0.8, 0.8) * rng.uniform(60, 250), 0.8, 20)
    noise = tilt(white(rng, size), -rng.uniform(0, 0.8))
    return (tone / tone.std() * rng.uniform(0, 1) + noise / noise.std()) * swell


def hissing(rng: Random, size: int) -> Wave:
    """Return steady noise of any colour: a spray, a fan, a bad line."""
    return tilt(white(rng, size), rng.uniform(-1, 0.7))


KINDS: Final[tuple[Callable[[Random, int], Wave], ...]] = (
    rain, surf, fire, ticking, rotor, saw_motor, crowing, barking, crying, sneezing, birdsong,
    chirring, siren, ringing, knocking, walking, wind, bubbling, typing, idling, humming, beeping,
    shattering, clapping, thunder, horn, meowing, croaking, plucking, laughing, scraping, whooshing,
    hissing,
)  # fmt: skip


def in_a_room(rng: Random, wave: Wave) -> Wave:
    """Return the wave with the echo of a random room: noise that dies away."""
    size = seconds(rng.uniform(0.05, 0.7))
    tail = white(rng, size) * decay(size, log_uniform(rng, 0.01, 0.12), 0.001)
    tail *= rng.uniform(0.05, 0.6) / np.sqrt((tail**2).sum())
    tail[0] = 1
    spectrum = np.fft.rfft(wave, 2 * len(wave)) * np.fft.rfft(tail, 2 * len(wave))
    return np.fft.irfft(spectrum)[: len(wave)]


def equalised(rng: Random, wave: Wave) -> Wave:
    """Return the wave through a random smooth filter, now and then cut off below 8 kHz."""
    knots = np.geomspace(40, 8000, 8)
    gains_db = rng.normal(0, 4, len(knots))
    cut = log_uniform(rng, 2500, 8000) if rng.random() < 0.4 else 9000

    def gain(f: Wave) -> Wave:
        return 10 ** (np.interp(f, knots, gains_db) / 20) / (1 + (f / cut) ** 12)

    return shape(wave, gain)


def scene(rng: Random) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return one clip, scaled to a peak of 0.9, and the classes in it."""
    present = np.zeros(len(KINDS), np.float32)
    mixed = np.zeros(NUM_SAMPLES)
    count = 1 if rng.random() < 0.75 else 2
    for level, number in zip((1.0, rng.uniform(0.3, 1)), rng.choice(len(KINDS), count, False)):  # noqa: B905 - one kind leaves the second level unused
        present[number] = 1
        wave = KINDS[number](rng, NUM_SAMPLES)
        mixed += wave / max(1e-9, float(np.sqrt((wave**2).mean()))) * level
    if rng.random() < 0.5:
        mixed = in_a_room(rng, mixed)
    noise = tilt(white(rng, NUM_SAMPLES), rng.uniform(-1, 0.2))
    mixed += noise / noise.std() * mixed.std() * 10 ** (-rng.uniform(5, 50) / 20)
    mixed = equalised(rng, mixed)
    return (mixed / max(1e-9, float(np.abs(mixed).max())) * 0.9).astype(np.float32), present


def make_shard(number: int, out: Path) -> Path:
    """Write one shard, unless it exists."""
    file = out / f"shard-{number:03d}.safetensors"
    if not file.is_file():
        scenes = [scene(np.random.default_rng([number, clip])) for clip in range(SHARD_CLIPS)]
        waves = np.stack([(wave * 32767).astype(np.int16) for wave, _ in scenes])
        partial = file.with_suffix(".partial")
        save_file({"wave": waves, "kinds": np.stack([kinds for _, kinds in scenes])}, partial)
        partial.replace(file)
    return file


def main() -> None:
    """Write all shards, in parallel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12000)
    parser.add_argument("--out", type=Path, default=Path("pretraining/made/sounds"))
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    shards = -(-options.clips // SHARD_CLIPS)
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(make_shard, number, options.out) for number in range(shards)]
        for done, one in enumerate(waiting, start=1):
            print(f"{done} of {shards}: {one.result()}", flush=True)


if __name__ == "__main__":
    main()
