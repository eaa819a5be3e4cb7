"""Recordings as strangers send them: good ones in every format, and bad ones."""

import io
import struct
from functools import cache

import numpy as np
import soundfile
from numpy.typing import NDArray


def tone(seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> NDArray[np.float32]:
    """A tone with a little noise, (N, channels)."""
    times = np.arange(round(seconds * rate)) / rate
    noise = np.random.default_rng(0).normal(0, 0.01, (len(times), channels))
    return (0.3 * np.sin(2 * np.pi * 220 * times)[:, None] + noise).astype(np.float32)


def encoded(
    samples: NDArray[np.floating] | NDArray[np.integer],
    rate: int = 16_000,
    format: str = "WAV",
    subtype: str | None = None,
) -> bytes:
    """The content of a file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=format, subtype=subtype)
    return buffer.getvalue()


def silence(hours: float, format: str = "FLAC", rate: int = 8_000) -> bytes:
    """Hours of silence in a small file."""
    buffer = io.BytesIO()
    block = np.zeros(rate * 60, np.int16)
    with soundfile.SoundFile(buffer, "w", rate, 1, format=format) as file:
        for _ in range(round(hours * 60)):
            file.write(block)
    return buffer.getvalue()


def uncounted(flac: bytes) -> bytes:
    """A flac whose header does not state the number of samples, as after streaming."""
    return flac[:21] + bytes([flac[21] & 0xF0]) + bytes(4) + flac[26:]


def wav_header(
    content: bytes,
    *,
    channels: int = 1,
    rate: int = 16_000,
    stated: int | None = None,
) -> bytes:
    """A wav of 16 bits with any header."""
    stated, width = len(content) if stated is None else stated, 2 * channels
    layout = struct.pack("<HHIIHH", 1, channels, rate, rate * width % 2**32, width % 2**16, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout + b"data" + struct.pack("<I", stated)
    return b"RIFF" + struct.pack("<I", len(body) + len(content)) + body + content


@cache
def hostile() -> dict[str, bytes]:
    """Files that cannot be answered, by what is wrong with them."""
    good = encoded(tone())
    flac, ogg, mp3 = (encoded(tone(), format=name) for name in ("FLAC", "OGG", "MP3"))
    floats = tone().ravel()
    nan, infinite = floats.copy(), floats.copy()
    nan[100], infinite[100] = np.nan, np.inf
    noise = np.random.default_rng(1).bytes(20_000)
    return {
        "no bytes": b"",
        "one byte": b"R",
        "text": b"this is not audio " * 100,
        "noise": noise,
        "zeros": bytes(10_000),
        "NaN": encoded(nan, subtype="FLOAT"),
        "infinite": encoded(infinite, subtype="FLOAT"),
        "silent": encoded(np.zeros(16_000, np.int16)),
        "no samples": encoded(np.zeros(0, np.int16)),
        "no channels": wav_header(bytes(8000), channels=0),
        "65535 channels": wav_header(noise, channels=65_535),
        "no sample rate": wav_header(noise, rate=0),
        "a sample rate of 4 GHz": wav_header(noise, rate=2**32 - 1),
        "a wav cut off": good[: len(good) // 2],
        "a wav of 1 GB in 8 kB": wav_header(noise[:8000], stated=1_000_000_000),
        "a flac cut off": flac[: len(flac) // 2],
        "an ogg cut off": ogg[: len(ogg) // 2],
        "an mp3 of garbage": mp3[:40] + noise,
        "a flac of garbage": flac[:60] + noise,
        "an ogg of garbage": ogg[:200] + noise,
        "a picture": b"\x89PNG\r\n\x1a\n" + noise,
        "a zip": b"PK\x03\x04" + noise,
    }
