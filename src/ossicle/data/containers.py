"""Where the sound lies in a container, and whether its stated size can be true.

    wav, rf64, w64, caf, aiff    chunks, one of which holds the sound
    au, sphere                   a header, then the sound to the end of the file

A program that streams cannot know the size and writes 0 or a very large one: the size is then what
the file holds. Any other size that is too large shows that the file was cut short. A size that is
smaller is true where chunks, tags or zeros follow the sound. Where anything else follows, it may be
sound that would be lost, and the file is refused.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Final, NamedTuple

_MPEG_TAGS: Final = (0x50, 0x55)  # of a wav: layers 1 and 2; layer 3
_MOST_32: Final = 0xFFFFFFFF
# Sizes that programs write into a pipe (sox, ffmpeg, lame, arecord, espeak), with their headers.
_UNKNOWN_32: Final = (
    range(0x7F000000, 0x7F000100),
    range(2_000_000_000, 2_000_000_100),
    range(0x7FFFE000, 0x80000100),
    range(0xFFFFE000, _MOST_32 + 1),
)
_UNKNOWN_64: Final = 2**62
_TAGS: Final = (b"TAG", b"ID3", b"APETAGEX")  # of mp3, but written after any sound
_NAME: Final = re.compile(rb"[ -~]{4}")
# Another file follows the sound, not a chunk.
_FILES: Final = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff")
_ABOUT: Final = (b"LIST", b"id3 ", b"bext", b"cue ", b"iXML", b"_PMX")  # often of a wrong size
_PADDING: Final = 256  # bytes that are not worth refusing a file for
_ZEROS_MOST: Final = 1 << 20


class Refused(Exception):
    """Why a recording cannot be used; reads on from its path."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Where the sound lies in a file.

    Attributes:
        start: Its first byte.
        stop: One past its last.
        pieces: Ranges of the file, and bytes that replace a size that is not true.
        is_mpeg: Whether it consists of MPEG frames.
    """

    start: int
    stop: int
    pieces: tuple[bytes | range, ...]
    is_mpeg: bool = False


class _Kind(NamedTuple):
    """How a family of containers writes its chunks.

    Attributes:
        first: Bytes before the first chunk.
        header: struct format of name and size.
        name: Beginning of the name of the chunk with the sound.
        before: Bytes inside that chunk before the sound.
        counted: Bytes of a chunk's header that its size includes.
        align: A chunk begins at a multiple of it.
    """

    first: int
    header: str
    name: bytes = b"data"
    before: int = 0
    counted: int = 0
    align: int = 2


class _Size(NamedTuple):
    """A size as it is written: its place, its struct format, what it includes beside the sound."""

    at: int
    format: str
    value: int
    extra: int = 0


_RIFF: Final = _Kind(12, "<4sI")
_KINDS: Final = {
    b"RIFF": _RIFF,
    b"RF64": _RIFF,
    b"BW64": _RIFF,
    b"RIFX": _Kind(12, ">4sI"),
    b"FORM": _Kind(12, ">4sI", b"SSND", before=8),
    b"caff": _Kind(8, ">4sq", before=4, align=1),
    b"riff": _Kind(40, "<16sq", counted=24, align=8),  # Wave64
}


def sound_of(data: mmap, low: int, high: int) -> Sound | None:
    """Return where the sound is in a part of a file; None in a container not known here.

    Raises:
        Refused: the stated size is not true and cannot be corrected.
    """
    magic = data[low : low + 4]
    if magic == b".snd" and high - low >= 24:
        start, size = struct.unpack_from(">II", data, low + 4)
        return _settled(data, low, high, low + start, _Size(low + 8, ">I", size))
    if magic == b"NIST":
        return _sphere(data, low, high)
    kind = _KINDS.get(magic)
    if kind is None:
        return None
    wide, is_mpeg = 0, False
    for name, start, size in _chunks(data, low + kind.first, high, kind):
        if name == b"ds64":  # of rf64: holds what does not fit 32 bits
            wide = start + 8
        elif name == b"fmt ":
            is_mpeg = int.from_bytes(data[start : start + 2], "little") in _MPEG_TAGS
        elif name.startswith(kind.name):
            written = _size(data, kind, start, size, wide)
            return _settled(data, low, high, start + kind.before, written, kind, is_mpeg=is_mpeg)
    return None


def _chunks(data: mmap, at: int, high: int, kind: _Kind) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, first byte and size of each chunk; the last may be larger than the file."""
    length = struct.calcsize(kind.header)
    while at + length <= high:
        name, size = struct.unpack_from(kind.header, data, at)
        start, size = at + length, size - kind.counted
        yield name, start, size
        if size < 0:
            return
        at = start + size + -size % kind.align


def _size(data: mmap, kind: _Kind, start: int, size: int, wide: int) -> _Size:
    """Return the written size of a chunk: its own, or that of rf64's table."""
    if wide and size == _MOST_32 and wide + 8 <= start:
        return _Size(wide, "<Q", int(struct.unpack_from("<Q", data, wide)[0]))
    number = kind.header[0] + kind.header[-1]
    at = start - struct.calcsize(number)
    return _Size(at, number, size + kind.counted, kind.before + kind.counted)


def _sphere(data: mmap, low: int, high: int) -> Sound | None:
    """Read a NIST header, which is text; sound that is compressed inside has no size to compare."""
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
    kind: _Kind | None = None,
    *,
    is_mpeg: bool = False,
) -> Sound:
    """Return where the sound is, with its size corrected where it was unknown."""
    stated, held = size.value - size.extra, high - start
    end = start + max(0, stated)
    if _is_unknown(size) or (stated <= 0 and not _is_known(data, end, high, kind)):
        if size.format.endswith("q") and size.value >= 0 and stated <= 0:
            raise Refused("was streamed, and its header does not state where the sound is")
        true = struct.pack(size.format, held + size.extra)
        pieces = (range(low, size.at), true, range(size.at + len(true), high))
        return Sound(start, high, pieces, is_mpeg)
    if stated > held:
        raise Refused(
            f"is cut short: its header states {stated} bytes of sound and it holds {held}"
        )
    if not _is_known(data, end, high, kind):
        raise Refused(
            f"states {stated} bytes of sound in its header, and {high - end} bytes follow that "
            "may be sound"
        )
    return Sound(start, end, (range(low, high),), is_mpeg)


def _is_unknown(size: _Size) -> bool:
    """Return whether a size is one that is written where it cannot be known."""
    if size.format.endswith("I"):
        return any(size.value in values for values in _UNKNOWN_32)
    return bool(size.format) and (size.value == -1 or size.value >= _UNKNOWN_64)


def _is_known(data: mmap, at: int, high: int, kind: _Kind | None) -> bool:
    """Return whether what follows the sound is known not to be sound."""
    rest = high - at
    if rest < _PADDING or (rest <= _ZEROS_MOST and data[at:high].count(0) == rest):
        return True
    if data[at : at + 8].startswith(_TAGS):
        return True
    if kind is None:
        return False
    return any(_are_chunks(data, first, high, kind) for first in {at, at + -at % 2})


def _are_chunks(data: mmap, at: int, high: int, kind: _Kind) -> bool:
    last = at
    for name, start, size in _chunks(data, at, high, kind):
        if name.startswith(_ABOUT):
            return True
        if not _NAME.match(name) or name.startswith(_FILES) or not 0 <= size <= high - start:
            return last > at and _is_known(data, last, high, None)
        last = start + size
    return True
