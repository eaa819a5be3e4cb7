"""Labelled recordings, and pairs of them for speaker verification."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ossicle.data.text import composed


@dataclass(frozen=True, slots=True)
class Utterance:
    """One labelled recording, or a part of one.

    Label, speaker and prompt are normalised to NFC.

    Attributes:
        key: Unique name within a dataset: the path from the data's root, with `/`, and
            `#start-stop` in seconds for a part.
        path: Path of the file.
        label: Label to predict, as text.
        speaker: Name of the speaker, if known.
        start_s: Start of the part in the file.
        duration_s: Length of the part; None: to the end of the file.
        span: First byte and number of bytes of the recording inside an archive; None: the file is
            the recording.
        columns: While data are read, other columns that `where` may choose by: all their names, and
            the values of those that it asks for (`ossicle.data.selection`). Afterwards empty.
        prompt: What was asked or said before, for a task that writes text; empty: nothing.
    """

    key: str
    path: Path
    label: str
    speaker: str | None = None
    start_s: float = 0.0
    duration_s: float | None = None
    span: tuple[int, int] | None = None
    columns: tuple[tuple[str, str | None], ...] = ()
    prompt: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", composed(self.label))
        object.__setattr__(self, "prompt", composed(self.prompt))
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
        columns: tuple[tuple[str, str | None], ...] = (),
        prompt: str = "",
    ) -> "Utterance":
        """Return an utterance with a key built from its path below `root` and its part."""
        above = root.as_posix().rstrip("/") + "/"
        key = path.as_posix().removeprefix("" if above == "./" else above)
        if start_s or duration_s is not None:
            stop = "end" if duration_s is None else _seconds(start_s + duration_s)
            key += f"#{_seconds(start_s)}-{stop}"
        part = start_s, duration_s
        return cls(key, path, label, speaker, *part, columns=columns, prompt=prompt)


class Trial(NamedTuple):
    """Two utterances to compare in speaker verification.

    Attributes:
        first: Key of the enrolment utterance.
        second: Key of the test utterance.
        same: Whether both are by the same speaker.
    """

    first: str
    second: str
    same: bool


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
