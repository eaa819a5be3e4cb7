"""Segments of transcripts in text: a line each, or subtitles in SRT or WebVTT."""

from collections.abc import Sequence
from typing import Any, Final

from ossicle.errors import RunError

TEXT: Final = "text"
SUBTITLES: Final = ("srt", "vtt")
SIGNS: Final = {
    "no_speech": "no speech was found, and a text was left out",
    "repetitive": "the text repeats itself, and is probably not what was said",
    "improbable": "the text is improbable",
}


def check_format(kind: str, recordings: int, *, json: bool) -> None:
    """Raise RunError unless predictions can be written in a format.

    Args:
        kind: The format.
        recordings: The number of recordings.
        json: Whether JSON is asked for too.
    """
    if kind == TEXT:
        return
    if kind not in SUBTITLES:
        raise RunError(f"--format is '{kind:.80}'; expected text, srt or vtt")
    if json:
        raise RunError(f"--format {kind} and --json are two formats; leave one of them out")
    if recordings != 1:
        raise RunError(
            f"--format {kind} writes the subtitles of one recording, and there are {recordings}; "
            "call it for each"
        )


def subtitles(segments: Sequence[dict[str, Any]], kind: str) -> str:
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


def lines_of(name: str, found: dict[str, Any]) -> list[str]:
    """Return a line for each segment: file, start and end in seconds, text."""
    return [
        f"{name}\t{one['start_s']:.2f}\t{one['end_s']:.2f}\t{one['text']}"
        for one in found["segments"]
    ]


def notices(name: str, found: dict[str, Any]) -> list[str]:
    """Return what is doubtful about a text, a line each."""
    return [f"{name}: {why}" for sign, why in SIGNS.items() if found.get(sign)]


def _clock(seconds: float, mark: str) -> str:
    minutes, ms = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{ms // 1000:02}{mark}{ms % 1000:03}"
