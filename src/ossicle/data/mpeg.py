"""Count the frames of an mp3; libsndfile only estimates them if the header has no count.

    ID3v2 | tag frame: Xing, Info or VBRI, with a count or not | frame | frame | ... | ID3v1, APE

A frame is `144 * bit rate / sample rate` bytes long in layer 3 (ISO 11172-3, section 2.4.2.3).
A new stream begins at a tag frame in the middle, after the last frame counted by the tag, and at a
change of sample rate: several files were joined.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from typing import Final, NamedTuple

from ossicle.data.containers import Refused

_RATES: Final = (44100, 48000, 32000)  # halved in MPEG 2, and again in 2.5
_KBPS: Final = {  # by whether it is MPEG 1, and layer
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_TAGS: Final = (b"Xing", b"Info", b"VBRI")
_SYNC: Final = re.compile(rb"\xff[\xe0-\xff]")
_STRAYS_MOST: Final = 100_000  # most sync patterns that do not begin a frame
_TAG_BYTES: Final = 192  # fewest bytes of a frame that can hold a tag


class _Header(NamedTuple):
    """Parsed header of a frame, its first four bytes.

    Attributes:
        format: Version, layer, sample rate and whether it is mono; constant within a stream.
        length: Bytes of the frame.
        samples: Samples per channel.
        tag_at: Offset of a tag, if there is one.
    """

    format: tuple[int, int, int, bool]
    length: int
    samples: int
    tag_at: int


@dataclass(slots=True)
class Frames:
    """Frames of one stream.

    Attributes:
        start: First byte, including the tag frame if there is one.
        sound: First byte of the first audio frame.
        stop: Last byte plus one.
        head: Header of the first audio frame.
        stated: Number of frames stated by the tag; None without a tag or a count.
        count: Actual number of frames.
        samples: Samples in all frames.
    """

    start: int
    sound: int
    stop: int
    head: bytes
    stated: int | None
    count: int = 0
    samples: int = 0

    @property
    def tag(self) -> bytes:
        """Tag frame with the true count, to be read before the audio; empty outside layer 3."""
        version, mode = self.head[1], self.head[3]
        for index in range(1, 15):
            head = bytes((0xFF, version | 1, index << 4 | self.head[2] & 0x0C, mode))
            found = _parsed(head)
            if found and found.format[1] == 3 and found.length >= _TAG_BYTES:
                tag = b"Xing" + (1).to_bytes(4) + self.count.to_bytes(4)
                return (head + bytes(found.tag_at - 4) + tag).ljust(found.length, b"\0")
        return b""


def after_tags(data: mmap, at: int, high: int) -> int:
    """Return the first byte after any ID3v2 tags."""
    while data[at : at + 3] == b"ID3" and at + 10 <= high:
        size = 0
        for byte in data[at + 6 : at + 10]:
            size = size << 7 | byte & 0x7F
        at += 10 + size + (10 if data[at + 5] & 0x10 else 0)
    return min(at, high)


def frames_of(data: mmap, low: int, high: int) -> list[Frames]:
    """Return the frames of each stream in a range of a file.

    Raises:
        Refused: there are no frames, or too many other bytes between them.
    """
    found: list[Frames] = []
    format = None
    for at, header in _frames(data, low, high):
        tagged = data[at + header.tag_at : at + header.tag_at + 4] in _TAGS
        if tagged or header.format != format or found[-1].count == found[-1].stated:
            stated = _stated(data, at + header.tag_at) if tagged else None
            found.append(Frames(at, at, at, data[at : at + 4], stated))
            format = header.format
        one = found[-1]
        one.stop = at + header.length
        if tagged:
            one.sound = one.stop
        else:
            one.head = one.head if one.count else data[at : at + 4]
            one.count += 1
            one.samples += header.samples
    # Some encoders state one frame too few.
    kept = [one for n, one in enumerate(found) if one.count > (n > 0 and one.start == one.sound)]
    if not kept:
        raise Refused("has no mp3 frames of known length; free format is not supported")
    return kept


def _frames(data: mmap, at: int, high: int) -> Iterator[tuple[int, _Header]]:
    """Yield the first byte and the header of every complete frame."""
    format, strays = None, 0
    while at + 4 <= high:
        header = _parsed(data[at : at + 4])
        if header and (header.format == format or _is_followed(data, at, high, header)):
            if (at := at + header.length) <= high:
                format = header.format
                yield at - header.length, header
            continue
        after = _after_tag(data, at, high)
        if after == at:
            match = _SYNC.search(data, at + 1, high)
            after, strays = match.start() if match else high, strays + 1
        if strays > _STRAYS_MOST:
            raise Refused("has too many bytes that are not mp3 between its frames")
        at = after


def _is_followed(data: mmap, at: int, high: int, header: _Header) -> bool:
    """Return whether a frame is followed by one of the same format, a tag or the end."""
    at += header.length
    if at + 4 > high or _after_tag(data, at, high) > at:
        return True
    after = _parsed(data[at : at + 4])
    return after is not None and after.format == header.format


def _after_tag(data: mmap, at: int, high: int) -> int:
    """Return the first byte after a tag, or `at` if there is no tag."""
    name = data[at : at + 8]
    if name.startswith(b"ID3"):
        return after_tags(data, at, high)
    if name.startswith(b"TAG"):
        return min(at + 128, high)
    if name == b"APETAGEX" and at + 16 <= high:
        return min(at + 32 + int.from_bytes(data[at + 12 : at + 16], "little"), high)
    return at


def _layer(version: int) -> int:
    return 4 - (version >> 1 & 3)


@lru_cache(maxsize=4096)
def _parsed(head: bytes) -> _Header | None:
    """Return the parsed header; None if it is not a header or has free format."""
    version, layer = head[1] >> 3 & 3, _layer(head[1])
    rate, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or layer == 4:
        return None
    if not 0 < rate < 15 or rate_index == 3:
        return None
    is_first, is_mono = version == 3, head[3] >> 6 == 3
    bits = 1000 * _KBPS[is_first, layer][rate - 1]
    hertz = _RATES[rate_index] >> {3: 0, 2: 1, 0: 2}[version]
    padded = head[2] >> 1 & 1
    if layer == 1:
        length, samples = 4 * (12 * bits // hertz + padded), 384
    else:
        samples = 1152 if layer == 2 or is_first else 576
        length = samples // 8 * bits // hertz + padded
    side = (17 if is_mono else 32) if is_first else (9 if is_mono else 17)
    return _Header((version, layer, hertz, is_mono), length, samples, 4 + side)


def _stated(data: mmap, at: int) -> int | None:
    """Return the number of frames stated by a tag."""
    tag = data[at : at + 12]
    if len(tag) < 12 or tag.startswith(b"VBRI") or not tag[7] & 1:
        return None
    return int.from_bytes(tag[8:]) or None
