"""Segments of transcripts on the command line: a line each, and what is doubtful about a text."""

from typing import Any, Final

from ossicle.errors import RunError
from ossicle.subtitles import SUBTITLES

TEXT: Final = "text"
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


def lines_of(name: str, found: dict[str, Any]) -> list[str]:
    """Return a line for each segment: file, start and end in seconds, text."""
    return [
        f"{name}\t{one['start_s']:.2f}\t{one['end_s']:.2f}\t{one['text']}"
        for one in found["segments"]
    ]


def notices(name: str, found: dict[str, Any]) -> list[str]:
    """Return what is doubtful about a text, a line each."""
    return [f"{name}: {why}" for sign, why in SIGNS.items() if found.get(sign)]
