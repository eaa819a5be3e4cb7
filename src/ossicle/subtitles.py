"""Segments of transcripts as subtitles, in SRT or WebVTT."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

SUBTITLES: Final = ("srt", "vtt")


def subtitles(segments: Sequence[Mapping[str, Any]], kind: str) -> str:
    """Return segments as subtitles.

    Args:
        segments: `start_s`, `end_s` and `text` of each.
        kind: `srt` or `vtt`.
    """
    mark = "," if kind == "srt" else "."
    blocks = [] if kind == "srt" else ["WEBVTT\n"]
    for number, one in enumerate(segments, start=1):
        times = f"{_clock(one['start_s'], mark)} --> {_clock(one['end_s'], mark)}"
        # an arrow in a text would be read as a line of times
        lines = [times, one["text"].replace("-->", "->")]
        blocks.append("\n".join([str(number), *lines] if kind == "srt" else lines) + "\n")
    return "\n".join(blocks)


def _clock(seconds: float, mark: str) -> str:
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{mark}{ms % 1000:03}"
