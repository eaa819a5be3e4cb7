"""Whether the outcomes of a study support a published claim: one word, and the evidence for it.

A claim that some recipes are better than others consists of pairs.

    holds              every pair is decided that way
    does not hold      a pair is decided the other way
    not decided ...    anything else

A pair is decided if the permutation tests over recordings and over repeats both have a p below
0.05 after Holm's correction over the pairs of the claim. That all pairs must be decided for a claim
to hold needs no correction; that one is enough to contradict it does.

A claim that the best of some recipes is at most so much better than the best of others is judged by
the 95 % interval of their difference in score, over seeds and recordings or speakers:

    holds              the whole interval is below the margin
    does not hold      the whole interval is above zero
    not decided ...    anything else

The two are chosen by their means on the same results, which favours neither side. One seed has no
such interval that covers training again, so two are needed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, TypeAlias

from ossicle.studies.analysis.cell import Cell, cells, describe, groups, varying
from ossicle.studies.analysis.difference import SIDES, Difference
from ossicle.studies.analysis.rows import Row, compare, corrected
from ossicle.studies.analysis.text import NOT_DECIDED, count, p_text, score
from ossicle.trials.outcome import Outcome

Word: TypeAlias = Literal["holds", "does not hold", "not decided at this size"]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of a publication about recipes.

    Attributes:
        statement: The claim, as a sentence.
        source: The publication, and the table or section.
        first: Recipes that are claimed to be better, or at most a little better.
        second: Recipes that they are compared with.
        zipped: Whether the first is compared with the first, the second with the second, and so
            on; otherwise each with each.
        task: Name of the task that the claim is about; None: any.
        at_most: If given, the claim is that the best of `first` is at most this much better than
            the best of `second`, as a fraction in the score of a recording.
        is_open: Whether the publication leaves it open, and does not assert it.
    """

    statement: str
    source: str
    first: tuple[str, ...]
    second: tuple[str, ...]
    zipped: bool = False
    task: str | None = None
    at_most: float | None = None
    is_open: bool = False


def judge(claims: Sequence[Claim], outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence for each claim and each group of comparable cells that can test it.

    Args:
        claims: Claims about recipes, by the label `recipe`.
        outcomes: Outcomes of a study; claims about recipes that are not among them are left out.
    """
    found = cells(outcomes)
    names = [name for name in varying(found) if name != "recipe"]
    said = []
    for one in claims:
        for group in groups(found, ("recipe",)):
            by_recipe = {
                str(cell.labels.get("recipe")): cell
                for cell in group
                if cell.repeats and one.task in (None, cell.task.name)
            }
            if by_recipe.keys() >= {*one.first, *one.second}:
                where = describe(group[0].labels, names)
                said.append(_sentence(one, by_recipe, where))
    return said


def _sentence(claim: Claim, by_recipe: Mapping[str, Cell], where: str) -> str:
    word, evidence = (_ordered if claim.at_most is None else _bounded)(claim, by_recipe)
    place = f" with {where}" if where else ""
    verb = "is " if word == NOT_DECIDED else ""
    what = "Left open by" if claim.is_open else "Claim of"
    return f"{what} {claim.source}: {claim.statement}. This {verb}{word}{place}: {evidence}."


def _ordered(claim: Claim, by_recipe: Mapping[str, Cell]) -> tuple[Word, str]:
    """Judge a claim that recipes are better than others."""
    pairs = zip(claim.first, claim.second, strict=True) if claim.zipped else None
    chosen = list(pairs or product(claim.first, claim.second))
    rows = corrected(
        [compare(by_recipe[first], by_recipe[second], SIDES) for first, second in chosen]
    )
    faults = [row.fault for row in rows if row.fault is not None]
    known = [row for row in rows if row.difference is not None]
    if faults or not known:
        return NOT_DECIDED, faults[0] if faults else "no repeat of two compared recipes is finished"
    gains = {id(row): row.difference.gain for row in known if row.difference is not None}
    for_it = sum(row.decided and gains[id(row)] > 0 for row in known)
    against = sum(row.decided and gains[id(row)] < 0 for row in known)
    word: Word = NOT_DECIDED
    if against:
        word = "does not hold"
    elif for_it == len(rows):
        word = "holds"
    worst = min(known, key=lambda row: (not row.decided or gains[id(row)] > 0, gains[id(row)]))
    if len(rows) == 1:
        return word, _pair(worst)
    agreeing = sum(gain > 0 for gain in gains.values())
    return word, (
        f"{agreeing} of {len(rows)} comparisons point that way, {for_it} of them decided, and "
        f"{against} are decided the other way; least in favour is {_pair(worst)}"
    )


def _pair(row: Row) -> str:
    """Return a comparison with its difference and tests."""
    if row.difference is None or row.reference is None:
        return ""
    task = row.cell.task
    metric = task.reported[row.difference.metric]
    tests = [
        f"p {p_text(p)} over {name}"
        for p, name in ((row.p_recordings, _units(row.difference)), (row.p_repeats, "repeats"))
        if p is not None
    ]
    return (
        f"{_recipe(row.cell)} against {_recipe(row.reference)}, "
        f"{metric.difference(row.difference.value)} in {metric.label} "
        f"({', '.join([*tests, count(row.difference.repeats.num_repeats, 'repeat')])})"
    )


def _units(found: Difference) -> str:
    return "recordings" if found.recordings is None else f"{found.recordings.unit}s"


def _bounded(claim: Claim, by_recipe: Mapping[str, Cell]) -> tuple[Word, str]:
    """Judge a claim that recipes are at most a little better than others."""
    first, second = (
        max((by_recipe[name] for name in names), key=score) for names in (claim.first, claim.second)
    )
    row = compare(first, second, SIDES)
    if row.difference is None:
        return NOT_DECIDED, row.fault or "no repeat of the two is finished"
    measure = first.task.recording_score
    if row.difference.scores is None or measure is None:
        return NOT_DECIDED, f"the task {first.task.name} has no score for each recording"
    low, high = row.difference.scores.interval()
    margin = claim.at_most or 0.0
    word: Word = NOT_DECIDED
    if len(first.only(second.repeats.keys()).seeds) > 1:
        word = "holds" if high < margin else "does not hold" if low > 0 else NOT_DECIDED
    return word, (
        f"{_recipe(first)} against {_recipe(second)}, the best of each by mean, differ by "
        f"{measure.difference(row.difference.scores.mean)} in {measure.label}, 95 % interval "
        f"{measure.difference(low)} to {measure.difference(high)} over seeds and "
        f"{_units(row.difference)}, for a margin of {measure.difference(margin)}"
    )


def _recipe(cell: Cell) -> str:
    return describe(cell.labels, ("recipe",))
