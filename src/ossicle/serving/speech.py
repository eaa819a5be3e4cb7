"""Transcripts as OpenAI's API asks for them: what an adapter can do, and its answer in each format.

    json           {"text"}
    text           the text, and the end of a line
    verbose_json   {"task", "language", "duration", "text", "segments"}
    srt, vtt       subtitles

Segments come from the times that a text decoder writes; transcripts of CTC have none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from torch import Tensor

from ossicle.errors import RunError
from ossicle.serving.catalogue import Entry
from ossicle.serving.refusal import invalid
from ossicle.subtitles import SUBTITLES, subtitles
from ossicle.tasks import Task
from ossicle.tasks.ctc import Transcription
from ossicle.tasks.heard import compression_ratio, read_windows
from ossicle.tasks.seq2seq import NEW, TextTask
from ossicle.tasks.written import Seq2Seq
from ossicle.votes import Decision

Layout = Literal["json", "text", "verbose_json", "srt", "vtt"]
MEDIA_TYPES: Final = {"text": "text/plain", "srt": "application/x-subrip", "vtt": "text/vtt"}
UNKNOWN: Final = "und"  # undetermined, in ISO 639
ENGLISH: Final = "en"
STEPS: Final = 100  # `seek` counts hundredths of a second


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client wants of a transcript.

    Attributes:
        layout: The format.
        language: The language that it expects, in ISO 639; None: any.
        prompt: What was said before.
        granularities: What shall have times: `word`, `segment`.
    """

    layout: Layout = "json"
    language: str | None = None
    prompt: str = ""
    granularities: tuple[str, ...] = ()

    @property
    def needs_times(self) -> bool:
        """Whether it cannot be had of a text without times."""
        return self.layout in SUBTITLES or bool(self.granularities)


def has_times(task: Task, wish: Wish) -> bool:
    """Return whether a transcript is written with times."""
    return isinstance(task, TextTask) and wish.layout in (*SUBTITLES, "verbose_json")


def check_wish(entry: Entry, task: Task, wish: Wish) -> None:
    """Raise unless an adapter can give what a client wants.

    Raises:
        Refusal: it writes no transcript, another language, or no such times; or it takes no prompt.
    """
    whose = f"adapter '{entry.name}'"
    if not isinstance(task, Transcription | Seq2Seq):
        raise invalid(
            f"{whose} writes no transcript: its task is {task.name}, {task.about}; use /v1/predict"
        )
    if "word" in wish.granularities:
        raise invalid(
            f"{whose} gives no times of words; leave `word` out of `timestamp_granularities[]`"
        )
    if wish.granularities and wish.layout != "verbose_json":
        raise invalid("`timestamp_granularities[]` needs the `response_format` verbose_json")
    if wish.needs_times and not isinstance(task, TextTask):
        raise invalid(
            f"{whose} writes a text without times, because its task is {task.name}; use the "
            "`response_format` json, text, or verbose_json without `timestamp_granularities[]`"
        )
    _check_language(whose, task, wish.language)
    if wish.prompt:
        try:
            task.check_prompt(wish.prompt)
        except RunError as error:
            raise invalid(f"{whose}: {error}") from error


def _check_language(whose: str, task: Task, language: str | None) -> None:
    written = language_of(task)
    if language is None or language.lower() == written:
        return
    if written is None:
        raise invalid(
            f"{whose} writes the language that it was trained on, and does not know which one that "
            "is; leave `language` out"
        )
    raise invalid(
        f"{whose} writes the language '{written}', not '{language:.40}'; leave `language` out"
    )


def language_of(task: Task) -> str | None:
    """Return the language that a task writes, in ISO 639; None: it does not know."""
    if not isinstance(task, TextTask):
        return None
    only_english = not task.tokens.languages and task.language != NEW
    return ENGLISH if only_english else task.writing.language


def as_json(
    task: Task, decision: Decision, wish: Wish, duration_s: float
) -> dict[str, str | float | list[dict[str, Any]]]:
    """Return a transcript in the format json or verbose_json."""
    text = decision.decoded["label"]
    if wish.layout == "json":
        return {"text": text}
    about = {
        "task": "transcribe",
        "language": language_of(task) or UNKNOWN,
        "duration": duration_s,
        "text": text,
    }
    if isinstance(task, TextTask) and decision.output is not None:
        about["segments"] = segments(task, decision.output)
    return about


def as_text(decoded: Mapping[str, Any], wish: Wish) -> str:
    """Return a transcript in one of the other formats."""
    if wish.layout == "text":
        return f"{decoded['label']}\n"
    return subtitles(decoded["segments"], wish.layout)


def segments(task: TextTask, output: Tensor) -> list[dict[str, Any]]:
    """Return the segments of an output as verbose_json has them.

    Args:
        task: The task, with its tokens.
        output: Its output for the recording, with times.
    """
    found: list[dict[str, Any]] = []
    for window in read_windows(output, task.tokens):
        if window.signs(task.thresholds)["no_speech"]:
            continue
        about = {
            "temperature": 0.0,
            "avg_logprob": window.log_prob,
            "compression_ratio": compression_ratio(task.tokens.decode(window.ids)),
            "no_speech_prob": window.no_speech,
        }
        for part in window.parts()[0]:
            if text := task.tokens.decode(part.ids):
                of_part = {
                    "id": len(found),
                    "seek": round(STEPS * window.start_s),
                    "start": round(part.start_s, 2),
                    "end": round(part.end_s, 2),
                    "text": text,
                    "tokens": list(part.ids),
                }
                found.append(of_part | about)
    return found
