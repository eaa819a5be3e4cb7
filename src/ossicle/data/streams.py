"""Find all audio data in a file, even if its header is wrong.

libsndfile stops where the header says: after the first of several joined files, at an estimate if
an mp3 has no frame count, at the beginning if a program streamed without knowing the size. Here a
file is split into its streams, and each becomes a view that libsndfile reads to its real end:

    ogg, opus                     one stream for each joined file
    flac                          the same, without the number of samples in the header
    mp3                           the same, with the true number of frames in the header
    wav, aiff, au, caf, sphere    the true size of the audio data (see `containers`)
"""

import io
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap
from typing import Final

from ossicle.data.containers import Refused, sound_of
from ossicle.data.mpeg import after_tags, frames_of

Piece = bytes | range  # replacement bytes, or a range of the file

_FLAC: Final = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # the magic and a STREAMINFO of 34 bytes
_FLAC_COUNT: Final = 18  # offset of the 64 bits that end with the number of samples
_COUNT_BITS: Final = 36
_FLAC_PADDING: Final = 16  # zeros at the end that are not a frame
_OGG_FIRST: Final = re.compile(rb"OggS\x00[\x02\x06]")
_OGG_PAGE_MOST: Final = 27 + 255 + 255 * 255  # bytes: header, segment table, segments
_OGG_LAST: Final = 4  # flag
_MPEG_DELAY_MOST: Final = 8192  # most samples of encoder delay and padding, which are removed


@dataclass(frozen=True, slots=True)
class Stream:
    """Audio data that libsndfile reads as one file.

    Attributes:
        pieces: File contents for reading from the first sample.
        sought: File contents for reading from a later sample; None: seeking is not possible.
        fewest: Fewest samples that must be decoded, or the file is truncated; None: as many as the
            header states.
    """

    pieces: tuple[Piece, ...]
    sought: tuple[Piece, ...] | None = None
    fewest: int | None = None


def streams(data: mmap, low: int, high: int) -> list[Stream]:
    """Return the streams in a range of a file; at least one.

    Args:
        data: Contents of the file.
        low: First byte of the recording.
        high: Last byte plus one.

    Raises:
        Refused: the recording is truncated, or has bytes that may be audio but cannot be read.
    """
    if data[low : low + 4] == b"OggS":
        return _ogg(data, low, high)
    at = after_tags(data, low, high)
    if data[at : at + 4] == b"fLaC":
        return _flac(data, at, high)
    sync = data[at : at + 2]
    if at > low or (len(sync) == 2 and sync[0] == 0xFF and sync[1] >= 0xE0):
        return _mpeg(data, at, high)
    sound = sound_of(data, low, high)
    if sound is not None and sound.is_mpeg:
        return _mpeg(data, sound.start, sound.stop)
    pieces = (range(low, high),) if sound is None else sound.pieces
    return [Stream(pieces, pieces)]


def _ogg(data: mmap, low: int, high: int) -> list[Stream]:
    """Split joined files where a first page follows a page that is not a first page."""
    starts, expected = [], -1
    for match in _OGG_FIRST.finditer(data, low, high):
        at = match.start()
        if at != expected:  # consecutive first pages belong to multiplexed streams
            starts.append(at)
        table = data[at + 27 : at + 27 + int.from_bytes(data[at + 26 : at + 27])]
        expected = at + 27 + len(table) + sum(table)
    parts = [range(*ends) for ends in zip(starts, [*starts[1:], high], strict=False)]
    if not parts or not all(_ends_with_last_page(data, part) for part in parts):
        raise Refused("is truncated: its last Ogg page is missing")
    return [Stream((part,), (part,)) for part in parts]


def _ends_with_last_page(data: mmap, part: range) -> bool:
    at = data.rfind(b"OggS", max(part.start, part.stop - _OGG_PAGE_MOST), part.stop)
    page = data[at : part.stop] if at >= 0 else b""
    if len(page) < 27:
        return False
    table = page[27 : 27 + page[26]]
    whole = len(table) == page[26] and len(page) >= 27 + len(table) + sum(table)
    return whole and bool(page[5] & _OGG_LAST)  # RFC 3533, section 6


def _flac(data: mmap, low: int, high: int) -> list[Stream]:
    starts = [match.start() for match in _FLAC.finditer(data, low, high)] or [low]
    parts = [range(*ends) for ends in zip([low, *starts[1:]], [*starts[1:], high], strict=True)]
    return [_uncounted(data, part) for part in parts]


def _uncounted(data: mmap, part: range) -> Stream:
    """Return a FLAC stream that is decoded to its end, ignoring the count in its header."""
    at = part.start + _FLAC_COUNT
    field = data[at : min(at + 8, part.stop)]
    if len(field) < 8:
        return Stream((part,))  # too short to be opened
    (number,) = struct.unpack(">Q", field)
    count = number & (1 << _COUNT_BITS) - 1
    tail = data[max(at, part.stop - 128) : part.stop]
    if tail.startswith(b"TAG") or not any(tail[-_FLAC_PADDING:]):  # would be decoded as frames
        return Stream((part,), (part,), count)
    unknown = struct.pack(">Q", number >> _COUNT_BITS << _COUNT_BITS)
    pieces = (range(part.start, at), unknown, range(at + 8, part.stop))
    return Stream(pieces, (part,) if count else None, count)


def _mpeg(data: mmap, low: int, high: int) -> list[Stream]:
    found = []
    for frames in frames_of(data, low, high):
        stated = frames.stated
        if stated is not None and frames.count < stated - 1:
            raise Refused(
                f"is truncated: its header states {stated} frames, but it has {frames.count}"
            )
        fewest = max(1, frames.samples - _MPEG_DELAY_MOST)
        if stated is not None:
            pieces: tuple[Piece, ...] = (range(frames.start, frames.stop),)
        else:
            pieces = (frames.tag, range(frames.sound, frames.stop))
        found.append(Stream(pieces, fewest=fewest))
    return found


class View:
    """File-like view of pieces of a file and of memory."""

    def __init__(self, data: mmap, pieces: Sequence[Piece]) -> None:
        """Start at the first byte of the first piece."""
        self._data = data
        self._pieces = pieces
        self._size = sum(map(len, pieces))
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a byte and return its offset."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the offset of the next byte."""
        return self._at

    def read(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        parts, start, stop = [], self._at, self._at + count
        for piece in self._pieces:
            part = piece[max(0, start) : max(0, stop)]
            parts.append(part if isinstance(part, bytes) else self._data[part.start : part.stop])
            start, stop = start - len(piece), stop - len(piece)
        self._at += sum(map(len, parts))
        return b"".join(parts)
