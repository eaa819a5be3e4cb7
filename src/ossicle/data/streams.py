"""Find all the sound in a file, whatever its header states.

libsndfile ends where the header says: at the first of two files that were joined, at an estimate
where an mp3 has no count, at nothing where a program streamed and could not know the size. Here a
file is split into its streams, and each becomes a view that libsndfile reads to its real end:

    ogg, opus                     one stream for each file that was joined
    flac                          the same, with the count of samples taken out of the header
    mp3                           the same, with a header that holds the true count of frames
    wav, aiff, au, caf, sphere    the true size of the sound (see `containers`)
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

Piece = bytes | range  # written by us, or bytes of the file

_FLAC: Final = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")  # the magic and a STREAMINFO of 34 bytes
_FLAC_COUNT: Final = 18  # where the 64 bits are that end with the count of samples
_COUNT_BITS: Final = 36
_FLAC_PADDING: Final = 16  # zeros at the end that are no frame
_OGG_FIRST: Final = re.compile(rb"OggS\x00[\x02\x06]")
_OGG_PAGE_MOST: Final = 27 + 255 + 255 * 255  # bytes: header, segment table, segments
_OGG_LAST: Final = 4  # flag
_MPEG_DELAY_MOST: Final = 8192  # samples that an encoder may declare to be cut off


@dataclass(frozen=True, slots=True)
class Stream:
    """Sound that libsndfile reads in one go.

    Attributes:
        pieces: What it reads from the first sample on.
        sought: What it reads from a later sample on; None: only from the first.
        fewest: Samples that have to be decoded, or the end is missing; None: as many as the header
            states.
    """

    pieces: tuple[Piece, ...]
    sought: tuple[Piece, ...] | None = None
    fewest: int | None = None


def streams(data: mmap, low: int, high: int) -> list[Stream]:
    """Return the streams in a part of a file, one at least.

    Args:
        data: The file.
        low: First byte of the recording.
        high: One past its last.

    Raises:
        Refused: the recording is cut short, or holds what may be sound and cannot be read.
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
    """Split joined files where a first page follows a page that is not one."""
    starts, expected = [], -1
    for match in _OGG_FIRST.finditer(data, low, high):
        at = match.start()
        if at != expected:  # first pages in a row are of streams that play together
            starts.append(at)
        table = data[at + 27 : at + 27 + int.from_bytes(data[at + 26 : at + 27])]
        expected = at + 27 + len(table) + sum(table)
    parts = [range(*ends) for ends in zip(starts, [*starts[1:], high], strict=False)]
    if not parts or not all(_ends_with_last_page(data, part) for part in parts):
        raise Refused("is cut short: its last Ogg page is missing")
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
    """Return a FLAC stream that is decoded to its end and not to the count in its header."""
    at = part.start + _FLAC_COUNT
    field = data[at : min(at + 8, part.stop)]
    if len(field) < 8:
        return Stream((part,))  # too short to be opened
    (number,) = struct.unpack(">Q", field)
    count = number & (1 << _COUNT_BITS) - 1
    tail = data[max(at, part.stop - 128) : part.stop]
    if tail.startswith(b"TAG") or not any(tail[-_FLAC_PADDING:]):  # decoding would go on into it
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
                f"is cut short: its header states {stated} frames and it holds {frames.count}"
            )
        fewest = max(1, frames.samples - _MPEG_DELAY_MOST)
        if stated is not None:
            pieces: tuple[Piece, ...] = (range(frames.start, frames.stop),)
        else:
            pieces = (frames.tag, range(frames.sound, frames.stop))
        found.append(Stream(pieces, fewest=fewest))
    return found


class View:
    """Pieces of a file and of memory, read as one file."""

    def __init__(self, data: mmap, pieces: Sequence[Piece]) -> None:
        """Begin at the first byte of the first piece."""
        self._data = data
        self._pieces = pieces
        self._size = sum(map(len, pieces))
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte and return its number."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the number of the next byte."""
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
