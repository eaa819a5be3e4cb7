"""Augmentation of training waves (N,), random by seed, epoch and recording.

    speed   0.9, 1 or 1.1 times the speed                           Ko et al. 2015
    noise   white noise, 10 to 30 dB below the recording
    mask    up to two spans of up to 0.1 s set to zero, and two bands of up to 400 Hz removed:
            SpecAugment approximated on waveforms                   Park et al. 2019, SpeechBrain

Masks apply to the waveform, not to a spectrogram, so that they are the same for every backbone.
"""

from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import soxr

from ossicle.data.decode import Wave
from ossicle.errors import DataError, did_you_mean

SPEEDS: Final = (0.9, 1.0, 1.1)
NOISE_DB: Final = (10.0, 30.0)
MASKS: Final = 2
SPAN_S: Final = 0.1
BAND_HZ: Final = 400.0
SLOWEST: Final = 1 / min(SPEEDS)

Augmentation = Callable[[Wave, int, np.random.Generator], Wave]


def speed(wave: Wave, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Return the wave at another speed and pitch."""
    factor = float(rng.choice(SPEEDS))
    if factor == 1.0:
        return wave
    output: Wave = soxr.resample(wave, sample_rate * factor, sample_rate, quality="HQ")
    return output


def noise(wave: Wave, sample_rate: int, rng: np.random.Generator) -> Wave:  # noqa: ARG001 - one form
    """Return the wave with white noise added."""
    ratio = 10 ** (-rng.uniform(*NOISE_DB) / 20)
    level = ratio * float(np.sqrt(np.mean(np.square(wave))))
    return wave + rng.normal(0, level, len(wave)).astype(np.float32)


def mask(wave: Wave, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Return the wave with some spans silent and some bands removed."""
    spectrum = np.fft.rfft(wave)
    hz_per_bin = sample_rate / 2 / (len(spectrum) - 1)
    for _ in range(rng.integers(MASKS + 1)):
        width = round(rng.uniform(0, BAND_HZ) / hz_per_bin)
        first = int(rng.integers(max(1, len(spectrum) - width)))
        spectrum[first : first + width] = 0
    output: Wave = np.fft.irfft(spectrum, len(wave)).astype(np.float32)
    for _ in range(rng.integers(MASKS + 1)):
        width = int(rng.uniform(0, min(SPAN_S, len(wave) / sample_rate / 4)) * sample_rate)
        first = int(rng.integers(len(wave) - width + 1))
        output[first : first + width] = 0
    return output


AUGMENTATIONS: Final[Mapping[str, Augmentation]] = {"speed": speed, "noise": noise, "mask": mask}


def parse_augment(text: str) -> tuple[str, ...]:
    """Return the names in a comma-separated list of augmentations.

    Raises:
        DataError: a name is unknown.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in AUGMENTATIONS:
            raise DataError(
                f"no augmentation '{name}'; available: {', '.join(AUGMENTATIONS)}."
                f"{did_you_mean(name, AUGMENTATIONS)}"
            )
    return names
