"""A part of a study, for a job of a scheduler. Nothing here imports torch."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Self, TypeVar

from ossicle.errors import RunError

Item = TypeVar("Item")


@dataclass(frozen=True)
class Shard:
    """A part of a study: every `count`-th trial, starting with trial `number`, from 1.

    Trials that start from the run of another one are in the part of that one.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the shard that a text such as `3/16` names.

        Raises:
            RunError: it is not two whole numbers, the first from 1 to the second.
        """
        number, _, count = text.partition("/")
        numbers = [part.isascii() and part.isdigit() for part in (number, count)]
        if not all(numbers) or not 1 <= int(number) <= int(count):
            raise RunError(
                f"the shard is '{text}'; expected a number and how many there are, such as 3/16, "
                "with numbers from 1"
            )
        return cls(int(number), int(count))

    def of(self, trials: Sequence[Item], families: Sequence[Hashable] | None = None) -> list[Item]:
        """Return the trials of this shard; each trial belongs to exactly one.

        Args:
            trials: All trials.
            families: What each belongs to that must not be divided; None: every trial to its own.
        """
        groups = families or range(len(trials))
        numbers = {one: number for number, one in enumerate(dict.fromkeys(groups))}
        return [
            trial
            for trial, group in zip(trials, groups, strict=True)
            if numbers[group] % self.count == self.number - 1
        ]
