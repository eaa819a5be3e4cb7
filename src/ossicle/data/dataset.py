"""Recordings split into training, validation and test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from ossicle.data.utterance import Trial, Utterance


@dataclass(frozen=True)
class Dataset:
    """Utterances split into training, validation and test.

    Attributes:
        name: Data string it was opened from.
        train: Training utterances.
        valid: Utterances for model selection.
        test: Utterances whose metrics are reported.
        speaker_independent: Whether every speaker must be in a single split.
        given: Whether the test split comes from the data or an option, not from a random draw.
        note: One sentence on how the data were split.
        label_name: Name of the label column, such as `transcript`, `tags` or `events`, without
            case, spaces, hyphens and underscores. Tasks are suggested by it:
            `ossicle.tasks.suggest_task`.
        trials: Trials of speaker verification by split; without them, all pairs of a split count.
        validates_on_test: Whether the validation split is the test split, as in a published
            protocol that an option selects.
        notices: Sentences that a user should read before trusting a result: unused columns, classes
            absent from a split, skipped recordings. A run logs and stores them.
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
    validates_on_test: bool = False
    notices: tuple[str, ...] = ()

    @property
    def sides(self) -> dict[str, tuple[Utterance, ...]]:
        """The three splits by name: train, valid, test."""
        return {"train": self.train, "valid": self.valid, "test": self.test}

    @property
    def utterances(self) -> tuple[Utterance, ...]:
        """All utterances: train, then valid, then test."""
        return self.train + self.valid + self.test

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Sorted labels of the training split; the index of a class is its position here."""
        return tuple(sorted({utterance.label for utterance in self.train}))

    @property
    def split(self) -> dict[str, str]:
        """Split of every utterance by its key, as `write_manifest` takes it."""
        return {one.key: side for side, part in self.sides.items() for one in part}
