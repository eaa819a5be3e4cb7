"""A claim of a publication as data: what is compared, which difference matters, and who says so.

A claim consists of comparisons, each the difference of a first cell to a second in the score of a
recording (higher is better), or a growth of such a difference. What is claimed of each:

    better        the difference is above 0
    not better    the difference is below the margin
    equal         the difference is within the margin, in either direction

The margin is the smallest difference that matters. A claim with several comparisons, such as an
order of three recipes, is about all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Final, Literal, TypeAlias

from ossicle.trials.trial import Label

Kind: TypeAlias = Literal["better", "not better", "equal"]
KINDS: Final[tuple[Kind, ...]] = ("better", "not better", "equal")
POINT: Final = 0.01
CellKey: TypeAlias = tuple[str, Label | None]  # recipe, and the value of `Claim.over`


@dataclass(frozen=True)
class Comparison:
    """What is compared.

    Attributes:
        name: What it is, as text.
        terms: Cells to add (+1) and to subtract (-1).
    """

    name: str
    terms: tuple[tuple[int, CellKey], ...]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a publication about recipes.

    Attributes:
        statement: The claim, as a sentence without a full stop.
        source: The publication, and the table or section.
        kind: What is claimed of each comparison.
        pairs: First and second recipe of each comparison.
        margin: The smallest difference that matters, as a fraction.
        name: Its name in the list of claims, such as D5a; empty for one that is not listed.
        over: Label whose values the comparisons are made at, such as `shots`; empty without one.
        values: These values, in ascending order.
        growth: Whether the claim is about how much a difference grows from the first value to the
            last, instead of about the difference at each of them.
        tasks: Names of the tasks that the claim is about; empty: any.
        by_metric: Whether to compare the primary metric of the task instead of recording scores.
        is_open: Whether the publication leaves it open, and does not assert it.
        study: Name of the study whose trials bear on it.
        published: The published figure, as text, where the publication has one in words alone.
        cannot: Why no study can be asked; empty if one can.
    """

    statement: str
    source: str
    kind: Kind = "better"
    pairs: tuple[tuple[str, str], ...] = ()
    margin: float = POINT
    name: str = ""
    over: str = ""
    values: tuple[Label, ...] = ()
    growth: bool = False
    tasks: tuple[str, ...] = ()
    by_metric: bool = False
    is_open: bool = False
    study: str = "methods"
    published: str = ""
    cannot: str = ""

    @property
    def recipes(self) -> list[str]:
        """The recipes that it compares."""
        return list(dict.fromkeys(one for pair in self.pairs for one in pair))

    def filled(self, **words: Sequence[str]) -> "Claim":
        """Return the claim with words in braces replaced; each pair for each of several words."""
        choices = [dict(zip(words, one, strict=True)) for one in product(*words.values())]
        pairs = dict.fromkeys(
            (first.format(**chosen), second.format(**chosen))
            for chosen in choices
            for first, second in self.pairs
        )
        statement = self.statement.format(**choices[0]) if choices else self.statement
        return replace(self, pairs=tuple(pairs), statement=statement)

    def at(self, values: Sequence[Label]) -> "Claim":
        """Return the claim at other values of its label."""
        return replace(self, values=tuple(values))

    @property
    def comparisons(self) -> list[Comparison]:
        """What is compared, in order."""
        if not self.growth:
            return [
                Comparison(self._name(pair, value), _terms(pair, value))
                for value in self.values or (None,)
                for pair in self.pairs
            ]
        low, high = self.values[0], self.values[-1]
        return [
            Comparison(
                f"{self._name(pair)} from {self.over} {low} to {high}",
                (*_terms(pair, high), *((-sign, key) for sign, key in _terms(pair, low))),
            )
            for pair in self.pairs
        ]

    def _name(self, pair: tuple[str, str], value: Label | None = None) -> str:
        place = "" if value is None else f" at {self.over} {value}"
        return f"{pair[0]} against {pair[1]}{place}"


def _terms(pair: tuple[str, str], value: Label | None) -> tuple[tuple[int, CellKey], ...]:
    return (1, (pair[0], value)), (-1, (pair[1], value))


def each_with_each(first: Sequence[str], second: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return all pairs of two lists of recipes."""
    return tuple(product(first, second))


def labelled(labels: Mapping[str, Label], over: str) -> CellKey:
    """Return the key of a cell with these labels."""
    return str(labels.get("recipe")), labels.get(over) if over else None
