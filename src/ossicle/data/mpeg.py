"""Count the frames of an mp3, which libsndfile estimates where the header has no count.

    ID3v2 | tag frame: Xing, Info or VBRI, with a count or not | frame | frame | ... | ID3v1, APE

A frame is `144 * bit rate / sample rate` bytes long in layer 3 (ISO 11172-3, section 2.4.2.3).
Another stream begins at a tag frame in the middle, after the last frame that the tag has counted,
and at another sample rate: two files were joined.
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
_STRAYS_MOST: Final = 100_000  # beginnings of a frame that are none
_TAG_BYTES: Final = 192  # that a frame must have to hold a tag


class _Header(NamedTuple):
    """What the first four bytes of a frame say.

    Attributes:
        kind: Version, layer, sample rate and whether it is mono; the same in a whole stream.
        length: Bytes of the frame.
        samples: Of each channel.
        tag_at: Where a tag would be.
    """

    kind: tuple[int, int, int, bool]
    length: int
    samples: int
    tag_at: int


@dataclass(slots=True)
class Frames:
    """The frames of one stream.

    Attributes:
        start: First byte, of the tag frame where there is one.
        sound: First byte of the first frame of sound.
        stop: One past the last byte.
        head: The header of the first frame of sound.
        stated: How many frames the tag counts; None: no tag, or none with a count.
        count: How many there are.
        samples: In all of them.
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
        """A tag frame with the true count, to be read before the sound; empty outside layer 3."""
        version, mode = self.head[1], self.head[3]
        for index in range(1, 15):
            head = bytes((0xFF, version | 1, index << 4 | self.head[2] & 0x0C, mode))
            found = _parsed(head)
            if found and found.kind[1] == 3 and found.length >= _TAG_BYTES:
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
    """Return the frames of each stream in a part of a file.

    Raises:
        Refused: there are none, or too much between them.
    """
    found: list[Frames] = []
    kind = None
    for at, header in _frames(data, low, high):
        tagged = data[at + header.tag_at : at + header.tag_at + 4] in _TAGS
        if tagged or header.kind != kind or found[-1].count == found[-1].stated:
            stated = _stated(data, at + header.tag_at) if tagged else None
            found.append(Frames(at, at, at, data[at : at + 4], stated))
            kind = header.kind
        one = found[-1]
        one.stop = at + header.length
        if tagged:
            one.sound = one.stop
        else:
            one.head = one.head if one.count else data[at : at + 4]
            one.count += 1
            one.samples += header.samples
    # Some encoders count one frame too few.
    kept = [one for n, one in enumerate(found) if one.count > (n > 0 and one.start == one.sound)]
    if not kept:
        raise Refused("holds no mp3 frames whose length is known; free format cannot be used")
    return kept


def _frames(data: mmap, at: int, high: int) -> Iterator[tuple[int, _Header]]:
    """Yield the first byte and the header of every whole frame."""
    kind, strays = None, 0
    while at + 4 <= high:
        header = _parsed(data[at : at + 4])
        if header and (header.kind == kind or _is_followed(data, at, high, header)):
            if (at := at + header.length) <= high:
                kind = header.kind
                yield at - header.length, header
            continue
        after = _after_tag(data, at, high)
        if after == at:
            match = _SYNC.search(data, at + 1, high)
            after, strays = match.start() if match else high, strays + 1
        if strays > _STRAYS_MOST:
            raise Refused("holds much that is not mp3 between its frames")
        at = after


def _is_followed(data: mmap, at: int, high: int, header: _Header) -> bool:
    """Return whether another frame of that kind, a tag or the end comes after a frame."""
    at += header.length
    if at + 4 > high or _after_tag(data, at, high) > at:
        return True
    after = _parsed(data[at : at + 4])
    return after is not None and after.kind == header.kind


def _after_tag(data: mmap, at: int, high: int) -> int:
    """Return the first byte after a tag, or the same byte where there is none."""
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
    """Return what a header says; None where it is not one, or of free format."""
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
    """Return how many frames a tag counts."""
    tag = data[at : at + 12]
    if len(tag) < 12 or tag.startswith(b"VBRI") or not tag[7] & 1:
        return None
    return int.from_bytes(tag[8:]) or None
