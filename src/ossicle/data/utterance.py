"""Labelled recordings, and the pairs of them that speaker verification is judged by."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ossicle.data.text import composed


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled recording, or a part of one.

    Label and speaker are kept in Unicode's composed form, NFC, however they are written.

    Attributes:
        key: Unique within a dataset: the path from the data's root, with `/`, and `#start-stop`
            in seconds for a part.
        path: The file.
        label: What the task predicts, as text.
        speaker: Who speaks, where known.
        start_s: Where the part begins.
        duration_s: Its length; None goes to the end of the file.
        span: First byte and number of bytes of the recording inside the file, where the file is an
            archive of many; None: the file is the recording.
    """

    key: str
    path: Path
    label: str
    speaker: str | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    span: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", composed(self.label))
        if self.speaker is not None:
            object.__setattr__(self, "speaker", composed(self.speaker))

    @classmethod
    def of(
        cls,
        path: Path,
        root: Path,
        label: str,
        speaker: str | None = None,
        start_s: float = 0.0,
        duration_s: float | None = None,
    ) -> "Utterance":
        """Return an utterance whose key is made from its path below `root` and its part."""
        above = root.as_posix().rstrip("/") + "/"
        key = path.as_posix().removeprefix("" if above == "./" else above)
        if start_s or duration_s is not None:
            stop = "end" if duration_s is None else _seconds(start_s + duration_s)
            key += f"#{_seconds(start_s)}-{stop}"
        return cls(key, path, label, speaker, start_s, duration_s)


class Trial(NamedTuple):
    """Two utterances of which it is asked whether one speaker says both.

    Attributes:
        first: Key of the enrolled utterance.
        second: Key of the tested one.
        same: Whether it is one speaker.
    """

    first: str
    second: str
    same: bool


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
