"""Recordings split into training, validation and test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ossicle.data.utterance import Trial, Utterance


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
