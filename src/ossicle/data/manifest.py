"""Utterances, and the datasets and manifests that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ossicle.data.columns import SIDE_BY_NAME as SIDE_BY_NAME
from ossicle.data.columns import SIDES as SIDES
from ossicle.data.roles import LABEL as LABEL
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


@dataclass(frozen=True)
class Dataset:
    """Utterances in their three parts.

    Attributes:
        name: The data string it was opened by.
        train: What is learnt from.
        valid: What settings and epochs are chosen by.
        test: What is reported.
        speaker_independent: Whether no speaker may stand on two sides.
        given: Whether the test part is the corpus's, the folder's, a column's or an option's, and
            not drawn by us.
        note: One sentence on how it was split.
        task: The name of the task that its labels suggest.
        trials: The pairs by which speaker verification is judged, by side; a side without any is
            judged by all its pairs.
        test_chooses: Whether the validation part is the test part, because a published protocol
            that was asked for has it so.
        notices: Sentences that a user must read before trusting a result: columns that were not
            used, classes absent from a side, recordings left out. A run logs and stores them.
    """

    name: str
    train: tuple[Utterance, ...]
    valid: tuple[Utterance, ...]
    test: tuple[Utterance, ...]
    speaker_independent: bool
    given: bool
    note: str
    task: str = "classification"
    trials: Mapping[str, tuple[Trial, ...]] = field(default_factory=dict)
    test_chooses: bool = False
    notices: tuple[str, ...] = ()

    @property
    def sides(self) -> dict[str, tuple[Utterance, ...]]:
        """The three parts by name: train, valid, test."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """All of them: train, then valid, then test."""
        return self.train + self.valid + self.test

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The labels of the training part, sorted; a class's number is its place here."""
        return tuple(sorted({utterance.label for utterance in self.train}))

    @property
    def split(self) -> dict[str, str]:
        """The side of every utterance by its key, as `write_manifest` takes it."""
        return {one.key: side for side, part in self.sides.items() for one in part}


@dataclass(frozen=True)
class Manifest:
    """What a table of recordings holds.

    Attributes:
        utterances: In its order.
        split: The side of each that has one, by key.
        task: The task that the columns of the label suggest.
        notices: As those of `Dataset`.
        split_by: What gives the split, as in "by the folders of the paths"; empty: a column, or
            the layout of the data.
        folds: The fold of each, by key, where a column names folds.
    """

    utterances: tuple[Utterance, ...]
    split: Mapping[str, str]
    task: str = "classification"
    notices: tuple[str, ...] = ()
    split_by: str = ""
    folds: Mapping[str, str] = field(default_factory=dict)


def _seconds(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
