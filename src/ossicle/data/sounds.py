"""One value of a column of recordings, in whatever form, as a recording."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ossicle.data.held import Samples, Sound
from ossicle.errors import DataError

RATE_NAMES: Final = ("sampling_rate", "sample_rate", "sr")
AUDIO_NAMES: Final = (
    *("audio", "path", "file_name", "audio_filepath", "filename", "wav", "file"),
    *("file_path", "audio_path", "audio_file", "wav_path", "wav_file"),
)
_KINDS: Final = ("int16", "int32", "float32", "float64")


def is_audio(value: object) -> bool:
    """Return whether a value is a recording by its type; a path is text as any other."""
    if isinstance(value, Mapping):
        return bool({"array", "bytes"} & value.keys())
    if isinstance(value, bytes):
        return True
    if isinstance(value, list | tuple):
        return len(value) > 1 and all(isinstance(one, float) for one in value[:100])
    return (hasattr(value, "__array__") and getattr(value, "ndim", 0) > 0) or _decodes(value)


def sound_of(row: int, value: Any, rate: object = None) -> Sound:
    """Return the recording of a row.

    Args:
        row: Its number, for messages.
        value: An array, a dict with `array` and `sampling_rate`, one with `bytes` and `path`,
            bytes, or a path.
        rate: Sample rate of a bare array.

    Raises:
        DataError: it is none of these.
    """
    if isinstance(value, Mapping):
        if value.get("array") is not None:
            return _samples(row, value["array"], value.get("sampling_rate", rate))
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, str | Path):
        return Path(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if value is None or isinstance(value, float):
        raise DataError(f"row {row} has no audio. Fill it in or remove the row.")
    if _decodes(value):
        raise DataError(
            f"row {row} has a {type(value).__name__}, which decodes by itself. Pass the Dataset, "
            'not its rows, or cast the column first: cast_column("audio", Audio(decode=False)).'
        )
    return _samples(row, value, rate)


def _samples(row: int, value: Any, rate: Any) -> Samples:
    if hasattr(value, "detach"):  # a tensor
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:  # lists of unequal lengths
        raise DataError(f"row {row}: the audio is not an array: {error}.") from error
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    if array.ndim != 1 or not array.size or array.dtype.name not in _KINDS:
        raise DataError(
            f"row {row}: the audio is an array of {array.dtype} of shape {array.shape}; expected "
            f"samples of one channel, (N,), of {', '.join(_KINDS)}."
        )
    if isinstance(rate, np.integer | float) and rate == int(rate):
        rate = int(rate)
    if type(rate) is not int or rate < 1:
        raise DataError(
            f"row {row}: the sample rate of its array is {rate}; expected a number of Hz. Give a "
            "column sampling_rate, or in_memory(WAVES, label=LABELS, sampling_rate=16000)."
        )
    return Samples(array, rate)


def _decodes(value: object) -> bool:
    """Return whether a value is a decoder, as that of torchcodec."""
    return hasattr(value, "get_all_samples")
