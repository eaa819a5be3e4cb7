"""Find the audio data of a container, and check the size in its header.

    wav, rf64, w64, caf, aiff    chunks, one of which holds the audio data
    au, sphere                   a header, then audio data to the end of the file

A program that streams does not know the size and writes 0 or a very large one; the data then extend
to the end of the file. Any other size that is too large means that the file is truncated. A size
that is too small is right if chunks, tags or zeros follow the data. If anything else follows, it
may be audio that would be lost, and the file is rejected.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final, NamedTuple

_MPEG_TAGS: Final = (0x50, 0x55)  # format tags of a wav: layers 1 and 2; layer 3
_MOST_32: Final = 0xFFFFFFFF
# Sizes that programs write into a pipe (sox, ffmpeg, lame, arecord, espeak), including headers.
_UNKNOWN_32: Final = (
    range(0x7F000000, 0x7F000100),
    range(2_000_000_000, 2_000_000_100),
    range(0x7FFFE000, 0x80000100),
    range(0xFFFFE000, _MOST_32 + 1),
)
_UNKNOWN_64: Final = 2**62
_TAGS: Final = (b"TAG", b"ID3", b"APETAGEX")  # mp3 tags, but written after any format
_NAME: Final = re.compile(rb"[ -~]{4}")
# Begins another file, not a chunk.
_FILES: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff")
_METADATA: Final = (b"LIST", b"id3 ", b"bext", b"cue ", b"iXML", b"_PMX")  # often of a wrong size
_PADDING: Final = 256  # fewer bytes than this after the data are ignored
_ZEROS_MOST: Final = 1 << 20


class Refused(Exception):
    """A recording cannot be used; the message continues a sentence that begins with its path."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Location of the audio data in a file.

    Attributes:
        start: First byte.
        stop: Last byte plus one.
        pieces: Ranges of the file, with bytes that replace a wrong size in the header.
        is_mpeg: Whether the data consist of MPEG frames.
    """

    start: int
    stop: int
    pieces: tuple[bytes | range, ...]
    is_mpeg: bool = False


class _Layout(NamedTuple):
    """Chunk layout of a family of containers.

    Attributes:
        first: Bytes before the first chunk.
        header: struct format of name and size.
        name: Beginning of the name of the chunk with the audio data.
        before: Bytes of that chunk before the audio data.
        counted: Bytes of a chunk's header that its size includes.
        align: Alignment of chunks, in bytes.
    """

    first: int
    header: str
    name: bytes = b"data"
    before: int = 0
    counted: int = 0
    align: int = 2


class _Size(NamedTuple):
    """A size field: its position, struct format and value, and what it counts besides the data."""

    at: int
    format: str
    value: int
    extra: int = 0


_RIFF: Final = _Layout(12, "<4sI")
_LAYOUTS: Final = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"RIFX": _Layout(12, ">4sI"),
    b"FORM": _Layout(12, ">4sI", b"SSND", before=8),
    b"caff": _Layout(8, ">4sq", before=4, align=1),
    b"riff": _Layout(40, "<16sq", counted=24, align=8),  # Wave64
}


def sound_of(data: mmap, low: int, high: int) -> Sound | None:
    """Return the audio data in a range of a file; None for an unknown container.

    Raises:
        Refused: the size in the header is wrong and cannot be corrected.
    """
    magic = data[low : low + 4]
    if magic == b".snd" and high - low >= 24:
        start, size = struct.unpack_from(">II", data, low + 4)
        return _settled(data, low, high, low + start, _Size(low + 8, ">I", size))
    if magic == b"NIST":
        return _sphere(data, low, high)
    layout = _LAYOUTS.get(magic)
    if layout is None:
        return None
    wide, is_mpeg = 0, False
    for name, start, size in _chunks(data, low + layout.first, high, layout):
        if name == b"ds64":  # rf64's chunk for 64-bit sizes
            wide = start + 8
        elif name == b"fmt ":
            is_mpeg = int.from_bytes(data[start : start + 2], "little") in _MPEG_TAGS
        elif name.startswith(layout.name):
            written = _size(data, layout, start, size, wide)
            start += layout.before
            return _settled(data, low, high, start, written, layout, is_mpeg=is_mpeg)
    return None


def _chunks(data: mmap, at: int, high: int, layout: _Layout) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and size of each chunk; the last may extend beyond the file."""
    length = struct.calcsize(layout.header)
    while at + length <= high:
        name, size = struct.unpack_from(layout.header, data, at)
        start, size = at + length, size - layout.counted
        yield name, start, size
        if size < 0:
            return
        at = start + size + -size % layout.align


def _size(data: mmap, layout: _Layout, start: int, size: int, wide: int) -> _Size:
    """Return the size field of a chunk: its own, or that in rf64's ds64 chunk."""
    if wide and size == _MOST_32 and wide + 8 <= start:
        return _Size(wide, "<Q", int(struct.unpack_from("<Q", data, wide)[0]))
    number = layout.header[0] + layout.header[-1]
    at = start - struct.calcsize(number)
    return _Size(at, number, size + layout.counted, layout.before + layout.counted)


def _sphere(data: mmap, low: int, high: int) -> Sound | None:
    """Read a NIST header, which is text; compressed data have no size to compare."""
    lines = data[low : low + 1024].split(b"\n")
    fields = {line.split()[0]: line.split()[2] for line in lines[2:] if len(line.split()) > 2}
    try:
        start = low + int(lines[1])
        names = (b"sample_count", b"sample_n_bytes", b"channel_count")
        count, width, channels = (int(fields[name]) for name in names)
    except (IndexError, KeyError, ValueError):
        return None
    size = count * width * channels
    if size <= 0 or b"," in fields.get(b"sample_coding", b""):
        return None
    return _settled(data, low, high, start, _Size(0, "", size))


def _settled(
    data: mmap,
    low: int,
    high: int,
    start: int,
    size: _Size,
    layout: _Layout | None = None,
    *,
    is_mpeg: bool = False,
) -> Sound:
    """Return the location of the audio data, with an unknown size corrected."""
    stated, held = size.value - size.extra, high - start
    end = start + max(0, stated)
    if _is_unknown(size) or (stated <= 0 and not _is_known(data, end, high, layout)):
        if size.format.endswith("q") and size.value >= 0 and stated <= 0:
            raise Refused("was streamed, and its header does not say where the audio data are")
        true = struct.pack(size.format, held + size.extra)
        pieces = (range(low, size.at), true, range(size.at + len(true), high))
        return Sound(start, high, pieces, is_mpeg)
    if stated > held:
        raise Refused(f"is truncated: its header states {stated} bytes of audio, but it has {held}")
    if not _is_known(data, end, high, layout):
        raise Refused(
            f"states {stated} bytes of audio in its header, but {high - end} more bytes follow "
            "that may be audio"
        )
    return Sound(start, end, (range(low, high),), is_mpeg)


def _is_unknown(size: _Size) -> bool:
    """Return whether a size is one that programs write if they do not know it."""
    if size.format.endswith("I"):
        return any(size.value in values for values in _UNKNOWN_32)
    return bool(size.format) and (size.value == -1 or size.value >= _UNKNOWN_64)


def _is_known(data: mmap, at: int, high: int, layout: _Layout | None) -> bool:
    """Return whether the bytes after the audio data are certainly not audio."""
    rest = high - at
    if rest < _PADDING or (rest <= _ZEROS_MOST and data[at:high].count(0) == rest):
        return True
    if data[at : at + 8].startswith(_TAGS):
        return True
    if layout is None:
        return False
    return any(_are_chunks(data, first, high, layout) for first in {at, at + -at % 2})


def _are_chunks(data: mmap, at: int, high: int, layout: _Layout) -> bool:
    last = at
    for name, start, size in _chunks(data, at, high, layout):
        if name.startswith(_METADATA):
            return True
        if not _NAME.match(name) or name.startswith(_FILES) or not 0 <= size <= high - start:
            return last > at and _is_known(data, last, high, None)
        last = start + size
    return True
