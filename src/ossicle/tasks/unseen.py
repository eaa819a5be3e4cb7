"""Units of transcripts that no training transcript has, and settings that avoid them.

The model has no output for such a unit, for example a capital letter, a digit or a word that occurs
only in test transcripts. It stays in the reference, where it counts as an error.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, Self

from ossicle.errors import listing
from ossicle.settings import Setting

UNSEEN: Final = {
    "unseen": Setting(
        "characters, words or phones that no training transcript has: count them as errors, or "
        "stop with an error",
        "count",
        ("count", "error"),
    )
}
_HINTED: Final[tuple[dict[str, str], ...]] = (
    {"case": "lower"},
    {"punctuation": "remove"},
    {"case": "lower", "punctuation": "remove"},
)


class Speller(Protocol):
    """A task that writes texts with the units of its training transcripts."""

    @property
    def name(self) -> str:
        """Name of the task."""

    @property
    def settings(self) -> Mapping[str, Setting]:
        """Settings of the task."""

    @property
    def units(self) -> tuple[str, ...]:
        """The units of the training transcripts."""

    def units_of(self, text: str) -> list[str]:
        """Return the units of a text."""

    def with_rule(self, settings: Mapping[str, str]) -> Self:
        """Return the task with other settings of its texts, and without units."""


@dataclass(frozen=True)
class UnseenUnits:
    """The units of some transcripts that no training transcript has.

    Attributes:
        counts: How often each occurs.
        fraction: Their fraction of all units in the transcripts.
        example: A transcript that contains one; empty if `counts` is empty.
        hint: A sentence naming settings that would avoid all of them; empty if no settings do.
    """

    counts: Counter[str]
    fraction: float
    example: str
    hint: str

    @classmethod
    def find(cls, task: Speller, labels: Sequence[str]) -> Self:
        """Return the unseen units of some transcripts."""
        spelt = {label: task.units_of(label) for label in labels}
        counts = Counter(unit for label in labels for unit in spelt[label])
        unseen = Counter({unit: n for unit, n in counts.items() if unit not in task.units})
        if not unseen:
            return cls(unseen, 0.0, "", "")
        example = next(label for label in labels if not unseen.keys().isdisjoint(spelt[label]))
        return cls(unseen, unseen.total() / counts.total(), example, _hint(task, unseen))

    def error(self, known: Sequence[str]) -> str:
        """Return the message for transcripts that cannot be used because of these units."""
        return (
            f"{len(self.counts)} units of the transcripts are in no training transcript: "
            f"{listing(repr(unit) for unit in self.counts)}, for example in '{self.example}'. "
            f"Training has: {listing(known, 60)}. Write all transcripts in one way, or move some "
            f"to train.{self.hint}"
        )

    def notice(self, side: str) -> str:
        """Return the notice for transcripts that are evaluated despite these units."""
        counted = (f"{unit!r} ({count})" for unit, count in self.counts.most_common())
        return (
            f"{self.counts.total()} of the units of {side} ({100 * self.fraction:.2g} %) are in no "
            f"training transcript: {listing(counted, 10)}. The model cannot write them; they count "
            f"as errors.{self.hint}"
        )


def _hint(task: Speller, unseen: Iterable[str]) -> str:
    for settings in _HINTED:
        if not settings.keys() <= task.settings.keys():
            continue
        other = task.with_rule(settings)
        seen = {unit for one in task.units for unit in other.units_of(one)}
        if all(seen.issuperset(other.units_of(unit)) for unit in unseen):
            chosen = ",".join(f"{key}={value}" for key, value in settings.items())
            return f" --task '{task.name}({chosen})' avoids all of them"
    return ""
