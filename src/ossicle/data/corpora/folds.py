"""The folds that a corpus defines, each of which is the test split once."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.data.pairs import Options


@dataclass(frozen=True, slots=True)
class Folds:
    """The folds that a corpus defines: over all of them, each recording is tested once.

    Attributes:
        option: Option of the data string that chooses the test fold.
        names: Function (path, options including defaults) -> values of that option, one for each
            fold; none if the data at the path have no folds.
    """

    option: str
    names: Callable[[Path, Options], Sequence[str]]


def sorted_folds(names: Iterable[str]) -> list[str]:
    """Return the names of folds without repetitions, numbers in their order."""
    return sorted(set(names), key=lambda name: (len(name), name))
