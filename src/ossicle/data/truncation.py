"""Tell a recording that was cut short from a short recording.

libsndfile reads what is there and says nothing, so an interrupted copy would train as if it were
whole. Each container gives itself away in its own place:

    wav, aiff, au     the header states more bytes of sound than the file holds
    ogg, opus         the last page is not whole or not marked as the last (RFC 3533, section 6)
    mp3               the header states more samples than can be decoded
    flac, caf         decoding fails by itself
"""

import re
from pathlib import Path

import soundfile

# libsndfile's own log of the header, e.g. "data : 529200 (should be 264578)".
_STATED_AND_HELD = re.compile(r"(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)")
# What a program writes that streams into a pipe and cannot know the size beforehand.
_SIZE_UNKNOWN = 0x7FFFFF00
_OGG_PAGE_MOST = 27 + 255 + 255 * 255  # bytes: header, segment table, segments
_OGG_LAST_PAGE = 4  # flag
_MP3_FRAME = 1152  # samples


def cut_short(
    path: Path,
    file: soundfile.SoundFile,
    span: tuple[int, int] | None = None,
    decoded: int | None = None,
) -> str:
    """Return how an open recording shows that its end is missing; empty where it does not.

    Args:
        path: The recording's file.
        file: The same file, open.
        span: First byte and number of bytes of the recording, where the file is an archive.
        decoded: How many frames came out of decoding all of it, where that was done.
    """
    if stated := _STATED_AND_HELD.search(file.extra_info):
        size, held = int(stated[1]), int(stated[2])
        if held < size < _SIZE_UNKNOWN:
            return f"its header states {size} bytes of sound and it holds {held}"
    if file.format == "OGG" and not _ends_with_last_page(path, span):
        return "its last Ogg page is missing"
    # A header without a frame count makes libsndfile estimate, to about a frame or two.
    slack = max(4 * _MP3_FRAME, file.frames // 50)
    if file.format == "MP3" and decoded is not None and decoded < file.frames - slack:
        return f"its header states {file.frames} samples and {decoded} can be decoded"
    return ""


def _ends_with_last_page(path: Path, span: tuple[int, int] | None) -> bool:
    first, count = span or (0, path.stat().st_size)
    with path.open("rb") as file:
        file.seek(first + max(0, count - _OGG_PAGE_MOST))
        tail = file.read(min(count, _OGG_PAGE_MOST))
    page = tail[max(0, tail.rfind(b"OggS")) :]
    if len(page) < 27:
        return False
    segments = page[27 : 27 + page[26]]
    whole = len(segments) == page[26] and len(page) >= 27 + len(segments) + sum(segments)
    return whole and bool(page[5] & _OGG_LAST_PAGE)
