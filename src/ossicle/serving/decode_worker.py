"""The process that decodes recordings of strangers; see `decoding`.

It imports numpy, libsndfile and soxr, and no torch. Orders and answers are a line of JSON with the
sizes of what follows it, after a line that says that the process is ready:

    {"bytes": 120044, "rates": [16000]}                      and the content of the file
    {"duration_s": 3.75, "samples": [60000]}                 and the wave at each rate, in float32
    {"error": "too_long", "message": "..."}                  and nothing
"""

import json
import mmap
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from ossicle.data.audio import check_part, usable
from ossicle.data.decode import Recording, Wave
from ossicle.errors import AudioError

BAD_AUDIO: Final = "bad_audio"
TOO_LONG: Final = "too_long"
TOO_LARGE: Final = "too_large"
_NAME: Final = Path("The recording")  # in place of the path at the beginning of messages
_OF_DATA: Final = (" or remove it from the data", " Remove it from the data.")
_STATUS: Final = Path("/proc/self/statm")


class _TooLong(Exception):
    """A recording has more samples than are allowed."""


def main() -> None:
    """Answer orders until the standard input ends."""
    limits = json.loads(sys.argv[1])
    source, sink = _own_streams()
    _limit_process(limits["memory_bytes"])
    sink.write(b"ready\n")
    sink.flush()
    while line := source.readline():
        # Also ends this process when its parent was killed while it decodes.
        signal.setitimer(signal.ITIMER_REAL, 2 * limits["time_s"] + 1)
        order = json.loads(line)
        answer, waves = _answer(source, order, limits)
        sink.write(json.dumps(answer).encode() + b"\n")
        for wave in waves:
            sink.write(wave.tobytes())
        sink.flush()
        signal.setitimer(signal.ITIMER_REAL, 0)


def _own_streams() -> tuple[BinaryIO, BinaryIO]:
    """Return the standard input and output, which decoders then cannot write to.

    mpg123 prints notes on files to the standard error, so that goes nowhere either.
    """
    source, sink, errors = (os.dup(number) for number in range(3))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(nowhere, number)
    sys.stderr = os.fdopen(errors, "w")
    return os.fdopen(source, "rb"), os.fdopen(sink, "wb")


def _limit_process(memory_bytes: int) -> None:
    """Limit memory beyond what is used now; no files, so no core dumps of recordings either."""
    with suppress(ImportError, ValueError, OSError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        used = int(_STATUS.read_text().split()[0]) * mmap.PAGESIZE
        resource.setrlimit(resource.RLIMIT_AS, (used + memory_bytes,) * 2)


def _answer(
    source: BinaryIO, order: dict[str, Any], limits: dict[str, Any]
) -> tuple[dict[str, Any], list[Wave]]:
    """Return the answer to an order, and the waves that follow it."""
    with mmap.mmap(-1, order["bytes"]) as data:
        if source.readinto(data) < order["bytes"]:  # type: ignore[attr-defined]
            sys.exit()  # the parent has ended
        try:
            return _decoded(data, order["rates"], limits)
        except AudioError as error:
            message = str(error)
            for words in _OF_DATA:
                message = message.replace(words, "")
            return {"error": BAD_AUDIO, "message": message}, []
        except _TooLong as error:
            return {"error": TOO_LONG, "message": str(error)}, []
        except MemoryError:
            most = limits["memory_bytes"] >> 20
            message = f"The recording needs more than {most} MiB to decode. Send a shorter one."
            return {"error": TOO_LARGE, "message": message}, []


def _decoded(
    data: mmap.mmap, rates: Sequence[int], limits: dict[str, Any]
) -> tuple[dict[str, Any], list[Wave]]:
    recording = Recording(_NAME, data, 0, len(data))
    wave = _wave(recording, limits["duration_s"], limits["samples"])
    duration_s = len(wave) / recording.rate
    waves = [usable(_NAME, wave, recording.rate, rate) for rate in rates]
    return {"duration_s": duration_s, "samples": [len(one) for one in waves]}, waves


def _wave(recording: Recording, most_s: float, most: int) -> Wave:
    """Return all samples of a recording, which is counted while it is decoded.

    Raises:
        AudioError: it cannot be decoded or has no samples.
        _TooLong: it has too many.
    """
    allowed = min(most, int(most_s * recording.rate))
    blocks, count = [], recording.stated()
    if count <= allowed:
        count = 0
        for block in recording.blocks():
            count += len(block)
            if count > allowed:
                break
            blocks.append(block)
    if count > allowed:
        raise _TooLong(
            f"The recording is longer than {allowed / recording.rate:g} s, the most that is "
            f"accepted at its sample rate of {recording.rate} Hz. Cut it into shorter parts."
        )
    check_part(_NAME, count, recording.rate, 0.0, None)
    return np.concatenate(blocks)


if __name__ == "__main__":
    main()
