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
        label_name: What the labels are, by the name of their column, such as `transcript`, `tags`
            or `events`; without case, spaces, hyphens and underscores. Tasks go by it:
            `ossicle.tasks.suggest_task`.
        trials: The pairs of recordings that speaker verification is evaluated on, by side; a side
            without any is evaluated on all its pairs.
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
    label_name: str = "label"
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
