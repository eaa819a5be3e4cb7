"""Decode, resample, check and crop recordings; a wave is (N,) float32 in [-1, 1].

wav, flac, ogg, opus, mp3 and whatever else libsndfile knows, told apart by their content, never by
the name of the file. Channels are averaged; soxr resamples at its HQ setting.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ossicle.data.manifest import Utterance
from ossicle.data.truncation import cut_short
from ossicle.errors import AudioError

Wave = npt.NDArray[np.float32]

SILENCE = 1e-4  # of full scale, -80 dBFS
_FULL_SCALE_MOST = 8.0  # lossy codecs overshoot 1 a little; integers kept as floats by thousands
_ROUNDING_S = 0.01  # an end this far outside the file is a rounded number, not a wrong one
_LENGTH_UNKNOWN = 2**62  # frames; libsndfile's mark for a header without a count


def load_wave(
    path: str | Path,
    sample_rate: int,
    *,
    start_s: float = 0.0,
    duration_s: float | None = None,
    span: tuple[int, int] | None = None,
) -> Wave:
    """Return a recording, or a part of it, at a sample rate.

    A recording counts as silent where half of its peak-to-peak is below 1e-4 (-80 dBFS), so that a
    constant offset is silence too. Overshoot past full scale is clipped.

    Args:
        path: The recording.
        sample_rate: Of the result, in Hz.
        start_s: Where the part begins, from the beginning of the file.
        duration_s: Length of the part; None goes to the end of the file.
        span: First byte and number of bytes of the recording inside an archive.

    Returns:
        (N,) in [-1, 1], the mean over channels.

    Raises:
        AudioError: the file is missing, cannot be decoded, is cut short, holds no samples, NaN,
            infinity or silence, or the part lies outside it.
    """
    path = Path(path)
    wave, file_rate = _decode(path, start_s, duration_s, span)
    if not np.isfinite(wave).all():
        count = int((~np.isfinite(wave)).sum())
        raise AudioError(f"{path} holds {count} samples that are NaN or infinite. Export it again.")
    if np.ptp(wave) / 2 < SILENCE:
        raise AudioError(
            f"{path} is silent: half its peak-to-peak is {np.ptp(wave) / 2:.1e}, "
            f"below {SILENCE:.0e} of full scale (-80 dBFS). Take it out of the data."
        )
    if (peak := float(np.abs(wave).max())) > _FULL_SCALE_MOST:
        raise AudioError(
            f"{path} reaches {peak:g}, and full scale is 1. Export it again, scaled to [-1, 1]."
        )
    if file_rate != sample_rate:
        wave = soxr.resample(wave, file_rate, sample_rate, quality="HQ")
    clipped: Wave = np.clip(wave, -1.0, 1.0)
    return clipped


def duration_s(path: str | Path) -> float:
    """Return a recording's length in seconds.

    From the header, except for mp3, whose header may hold an estimate and which is decoded.

    Raises:
        AudioError: the file is missing, cut short, empty or cannot be decoded.
    """
    path = Path(path)
    with _opened(path) as file:
        if file.format != "MP3":
            return float(file.frames / file.samplerate)
    wave, file_rate = _decode(path, 0.0, None)
    return len(wave) / file_rate


def scan(
    utterances: Sequence[Utterance],
    sample_rate: int,
    min_samples: int,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> list[int]:
    """Decode every utterance once and return the number of samples of each.

    Args:
        utterances: What will be trained on or evaluated.
        sample_rate: Of the backbone, in Hz.
        min_samples: The fewest the backbone can make a frame of, at `sample_rate`.
        progress: Called with how many are done, and of how many.

    Raises:
        AudioError: one for all recordings that cannot be used, a line each for the first ten.
    """

    def measure(utterance: Utterance) -> int | str:
        try:
            num_samples = len(load_utterance(utterance, sample_rate))
        except AudioError as error:
            return str(error)
        if num_samples < min_samples:
            return (
                f"{utterance.key} is {1000 * num_samples / sample_rate:.0f} ms long, and the "
                f"backbone needs {1000 * min_samples / sample_rate:.0f} ms. Take it out."
            )
        return num_samples

    lengths: list[int] = []
    bad: list[str] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        for done, measured in enumerate(pool.map(measure, utterances), start=1):
            if isinstance(measured, str):
                bad.append(measured)
            else:
                lengths.append(measured)
            if progress:
                progress(done, len(utterances))
    if bad:
        rest = [f"... and {len(bad) - 10} more"] if len(bad) > 10 else []
        head = f"{len(bad)} of {len(utterances)} recordings cannot be used:"
        raise AudioError("\n  ".join([head, *bad[:10], *rest]))
    return lengths


def load_utterance(utterance: Utterance, sample_rate: int) -> Wave:
    """Return an utterance's (N,) wave, as `load_wave` does."""
    return load_wave(
        utterance.path,
        sample_rate,
        start_s=utterance.start_s,
        duration_s=utterance.duration_s,
        span=utterance.span,
    )


def windows(num_samples: int, max_samples: int) -> list[tuple[int, int]]:
    """Return the (start, stop) pairs in which a recording is evaluated.

    A recording no longer than `max_samples` is one window. A longer one is ceil(N / max) windows
    of exactly `max_samples`, evenly spaced from its start to its end, so that they may overlap:

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
    """Return the (start, stop) of the part to train on: all, or any `max_samples` in a row."""
    if num_samples <= max_samples:
        return 0, num_samples
    start = int(rng.integers(num_samples - max_samples + 1))
    return start, start + max_samples


def _opened(path: Path, span: tuple[int, int] | None = None) -> soundfile.SoundFile:
    if not path.exists():
        raise AudioError(f"{path} does not exist. Mend the path or take it out of the data.")
    try:
        file = soundfile.SoundFile(BytesIO(read_span(path, span)) if span else path)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error.error_string) from error
    except TypeError as error:  # soundfile takes *.raw for sound without a header
        raise _undecodable(path, "a .raw file has no header") from error
    try:
        _refuse_cut_short(path, file, span)
        if file.frames == 0 or file.frames > _LENGTH_UNKNOWN:
            what = "does not state its length" if file.frames else "holds no samples"
            raise AudioError(f"{path} {what}. Export it again or take it out of the data.")
    except AudioError:
        file.close()
        raise
    return file


def read_span(path: Path, span: tuple[int, int] | None) -> bytes:
    """Return the bytes of a recording: of the file, or of its part of an archive."""
    first, count = span or (0, -1)
    with path.open("rb") as file:
        file.seek(first)
        return file.read(count)


def _refuse_cut_short(
    path: Path,
    file: soundfile.SoundFile,
    span: tuple[int, int] | None,
    decoded: int | None = None,
) -> None:
    if missing := cut_short(path, file, span, decoded):
        raise AudioError(f"{path} is cut short: {missing}. Copy or export it again.")


def _undecodable(path: Path, reason: str) -> AudioError:
    return AudioError(
        f"{path} cannot be decoded ({reason.rstrip('.')}). Expected wav, flac, ogg, opus or mp3: "
        "export it again or take it out of the data."
    )


def _decode(
    path: Path, start_s: float, duration_s: float | None, span: tuple[int, int] | None = None
) -> tuple[Wave, int]:
    """Return the mean over channels of a part of a file, and the file's sample rate."""
    with _opened(path, span) as file:
        rate, total = int(file.samplerate), int(file.frames)
        whole = None
        if file.format == "MP3":  # its header may estimate, so only decoding tells where it ends
            whole = _read(path, file, 0, total)
            total = len(whole)
            _refuse_cut_short(path, file, span, decoded=total)
        first, last = _part(path, total, rate, start_s, duration_s)
        if whole is not None:
            return whole[first:last], rate
        return _read(path, file, first, last), rate


def _read(path: Path, file: soundfile.SoundFile, first: int, last: int) -> Wave:
    try:
        file.seek(first)
        channels = file.read(last - first, dtype="float32", always_2d=True)  # (N, channels)
    except soundfile.LibsndfileError as error:
        raise _undecodable(path, error.error_string) from error
    wave: Wave = channels.mean(axis=1, dtype=np.float32)
    return wave


def _part(
    path: Path, total: int, rate: int, start_s: float, duration_s: float | None
) -> tuple[int, int]:
    """Return the first and one past the last frame of a part."""
    first = round(start_s * rate)
    last = total if duration_s is None else first + round(duration_s * rate)
    if 0 <= first < min(last, total) and last <= total + _ROUNDING_S * rate:
        return first, min(last, total)
    end = "the end" if duration_s is None else f"{start_s + duration_s:g} s"
    raise AudioError(
        f"{path} is {total / rate:g} s long and has no part from {start_s:g} s to {end}. "
        "Mend start_s and duration_s."
    )
