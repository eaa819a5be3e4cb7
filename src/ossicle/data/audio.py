"""Decode, resample, check and crop recordings; a wave is (N,) float32 in [-1, 1].

Reads wav, flac, ogg, opus, mp3 and the other formats of libsndfile. The format is detected from the
content, not the file name, and files are read to their real end (see `streams`). Channels are
averaged; soxr resamples at its HQ setting.
"""

from pathlib import Path

import numpy as np
import soxr

from ossicle.data.decode import Span, Wave, opened
from ossicle.data.utterance import Utterance
from ossicle.errors import AudioError

SILENCE = 1e-4  # of full scale, -80 dBFS
_FULL_SCALE_MOST = 8.0  # lossy codecs exceed 1 slightly; unscaled integers by thousands
_ROUNDING_S = 0.01  # an end up to this far after the end of the file is taken as rounding


def load_wave(
    path: str | Path,
    sample_rate: int,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    span: Span | None = None,
) -> Wave:
    """Load a recording, or a part of it, at a sample rate.

    A recording is silent if half its peak-to-peak amplitude is below 1e-4 (-80 dBFS), so that a
    constant offset is silence too. Samples beyond full scale are clipped.

    Args:
        path: Path of the recording.
        sample_rate: Sample rate of the result, in Hz.
        start_s: Start of the part in the file.
        duration_s: Length of the part; None: to the end of the file.
        span: First byte and number of bytes of the recording inside an archive.

    Returns:
        (N,) in [-1, 1], the mean over channels.

    Raises:
        AudioError: the file is missing, not a regular file, cannot be decoded, is truncated, has
            no samples, contains NaN or infinity, is silent, is longer than `LONGEST` samples, has a
            sample rate below 1 or above 768 kHz, or the part lies outside it.
    """
    path = Path(path)
    with opened(path, span) as recording:
        first, last = bounds(start_s, duration_s, recording.rate)
        begin = max(0, first)
        ((_, wave),) = recording.cut(recording.blocks(begin), begin, [(first, last)])
        if not is_complete(wave, first, last):
            total = begin + len(wave) if len(wave) else recording.count()
            check_part(path, total, recording.rate, start_s, duration_s)
        return usable(path, wave, recording.rate, sample_rate)


def usable(path: Path, wave: Wave, file_rate: int, sample_rate: int) -> Wave:
    """Check a wave and resample it.

    Raises:
        AudioError: it contains NaN or infinity, is silent, or is far beyond full scale.
    """
    if not np.isfinite(wave).all():
        count = int((~np.isfinite(wave)).sum())
        raise AudioError(f"{path} has {count} samples that are NaN or infinite. Export it again.")
    if np.ptp(wave) / 2 < SILENCE:
        raise AudioError(
            f"{path} is silent: half its peak-to-peak is {np.ptp(wave) / 2:.1e}, "
            f"below {SILENCE:.0e} of full scale (-80 dBFS). Remove it from the data."
        )
    if (peak := float(np.abs(wave).max())) > _FULL_SCALE_MOST:
        raise AudioError(
            f"{path} has a peak of {peak:g}; full scale is 1. Export it again, scaled to [-1, 1]."
        )
    if file_rate != sample_rate:
        wave = soxr.resample(wave, file_rate, sample_rate, quality="HQ")
    clipped: Wave = np.clip(wave, -1.0, 1.0)
    return clipped


def duration_s(path: str | Path) -> float:
    """Return a recording's length in seconds, by decoding it, because headers can be wrong.

    Raises:
        AudioError: the file is missing, truncated, empty or cannot be decoded.
    """
    path = Path(path)
    with opened(path) as recording:
        total = recording.count()
        check_part(path, total, recording.rate, 0.0, None)
        return total / recording.rate


def load_utterance(utterance: Utterance, sample_rate: int) -> Wave:
    """Load the wave (N,) of an utterance, see `load_wave`."""
    return load_wave(
        utterance.path,
        sample_rate,
        start_s=utterance.start_s,
        duration_s=utterance.duration_s,
        span=utterance.span,
    )


def shortage_ms(num_samples: int, fewest: int, sample_rate: int) -> tuple[int, int]:
    """Return the length of a wave that is too short, and the length that it needs, in ms.

    The one is rounded down and the other up, so that they are never the same.
    """
    return 1000 * num_samples // sample_rate, -(-1000 * fewest // sample_rate)


def windows(num_samples: int, max_samples: int) -> list[tuple[int, int]]:
    """Return (start, stop) of the windows in which a recording is evaluated.

    A recording of at most `max_samples` is one window. A longer one has ceil(N / max) windows of
    exactly `max_samples`, evenly spaced from start to end, which may overlap:

        N = 10, max = 4    |0 . . 3|
                                 |3 . . 6|
                                       |6 . . 9|
    """
    if num_samples < 1 or max_samples < 1:
        raise ValueError(
            f"{num_samples} samples in windows of {max_samples}: both must be 1 or more"
        )
    if num_samples <= max_samples:
        return [(0, num_samples)]
    count = -(-num_samples // max_samples)
    starts = (i * (num_samples - max_samples) // (count - 1) for i in range(count))
    return [(start, start + max_samples) for start in starts]


def random_crop(num_samples: int, max_samples: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return (start, stop) of the part to train on: all, or a random part of `max_samples`."""
    if num_samples <= max_samples:
        return 0, num_samples
    start = int(rng.integers(num_samples - max_samples + 1))
    return start, start + max_samples


def bounds(start_s: float, duration_s: float | None, rate: int) -> tuple[int, int | None]:
    """Return the first sample of a part and its last plus one; None: the end of the recording."""
    first = round(start_s * rate)
    return first, None if duration_s is None else first + round(duration_s * rate)


def is_complete(wave: Wave, first: int, last: int | None) -> bool:
    """Return whether a part has all of its samples."""
    return first >= 0 and len(wave) >= (1 if last is None else max(1, last - first))


def check_part(path: Path, total: int, rate: int, start_s: float, duration_s: float | None) -> None:
    """Check that a part lies inside a recording, with 10 ms of tolerance at its end.

    Raises:
        AudioError: it does not.
    """
    if not total:
        raise AudioError(f"{path} has no samples. Export it again or remove it from the data.")
    first, last = bounds(start_s, duration_s, rate)
    last = total if last is None else last
    if 0 <= first < min(last, total) and last <= total + _ROUNDING_S * rate:
        return
    end = "the end" if duration_s is None else f"{start_s + duration_s:g} s"
    raise AudioError(
        f"{path} is {total / rate:g} s long and has no part from {start_s:g} s to {end}. "
        "Fix start_s and duration_s."
    )
