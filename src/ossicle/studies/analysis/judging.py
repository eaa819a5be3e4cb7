"""Whether outcomes support claims: one word each, corrected for all claims that are asked at once.

A comparison is a mean difference with its error over seeds and recordings
(`ossicle.statistics.crossed`). A claim is about all of its comparisons, so

    p for        the largest p of its comparisons: each must be shown by itself (intersection-union)
    p against    the smallest p of the contrary, times their number

and these p, two for each claim, are corrected by Holm's method over all claims.

    holds              p for is below 0.05
    does not hold      p against is below 0.05, whatever p for is
    not decided ...    anything else; fewer than five seeds or twenty recordings; missing results

The contrary of `better` is a difference below the margin: a gain is there, but too small to matter,
or there is none. That of `not better` is a difference above the margin, that of `equal` one beyond
it in either direction. A large p decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import numpy as np

from ossicle.errors import RunError
from ossicle.metrics.metric import Metric
from ossicle.statistics.correction import holm
from ossicle.statistics.crossed import Estimate, crossed_estimate
from ossicle.studies.analysis.cell import Cell, cells, describe, groups, varying
from ossicle.studies.analysis.claim import CellKey, Claim, Comparison, labelled
from ossicle.studies.analysis.difference import SIDES, check_splits
from ossicle.studies.analysis.notes import FEWEST_SEEDS
from ossicle.studies.analysis.scores import scores_of
from ossicle.studies.analysis.text import NOT_DECIDED, count
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

Word: TypeAlias = Literal[
    "holds", "does not hold", "not decided at this size", "cannot be asked here"
]
CANNOT: Final[Word] = "cannot be asked here"
LEVEL: Final = 0.05
POWER: Final = 0.8
FEWEST_RECORDINGS: Final = 20  # below which t is not near enough for right and wrong answers


@dataclass(frozen=True)
class Evidence:
    """A comparison of a claim, estimated.

    Attributes:
        name: What is compared, as text.
        estimate: The difference, higher being better for the first.
        metric: How it is written.
        unit: What was drawn besides seeds: `recording` or `speaker`; empty if that is not covered.
        recordings: Number of different test recordings.
        terms: The cells, as in `Comparison`; empty of what is not a comparison of cells.
    """

    name: str
    estimate: Estimate
    metric: Metric
    unit: str
    recordings: int
    terms: tuple[tuple[int, CellKey], ...] = ()

    @property
    def basis(self) -> str:
        """What the error covers, as text."""
        said = count(self.estimate.seeds, "seed")
        return f"{said} and {count(self.estimate.units, self.unit)}" if self.unit else said

    def difference(self) -> str:
        """Return the difference with its 95 % interval, as text."""
        text = self.metric.difference(self.estimate.value)
        interval = self.estimate.interval()
        if interval is None:
            return text
        low, high = map(self.metric.difference, interval)
        return f"{text} ({low} to {high})"


@dataclass(frozen=True)
class Asked:
    """A claim that was asked of some outcomes, before it is decided.

    Attributes:
        claim: The claim.
        where: Data, backbone and the like, as text; empty if there is one of each.
        evidence: Its comparisons; empty if they cannot be made.
        fault: Why they cannot be made, or decide nothing; None if they can.
        refused: Whether the claim has no meaning there, rather than no results.
    """

    claim: Claim
    where: str = ""
    evidence: tuple[Evidence, ...] = ()
    fault: str | None = None
    refused: bool = False

    @property
    def p_for(self) -> float | None:
        """The p of what is claimed; None if nothing can be decided."""
        if self.fault is not None:
            return None
        return max(_p_for(self.claim, one.estimate) for one in self.evidence)

    @property
    def p_against(self) -> float | None:
        """The p of the contrary; None if nothing can be decided."""
        if self.fault is not None:
            return None
        found = [_p_against(self.claim, one.estimate) for one in self.evidence]
        return min(1.0, len(found) * min(found))


@dataclass(frozen=True)
class Verdict:
    """A claim that is decided, or not.

    Attributes:
        asked: What was asked.
        word: The word.
        p: The corrected p behind the word; of an undecided claim, the smaller of both.
        hypotheses: Number of hypotheses that p is corrected for.
        evidence: The comparison that decides: that of the contrary, or the least in favour.
    """

    asked: Asked
    word: Word
    p: float | None
    hypotheses: int
    evidence: Evidence | None
    detectable: float | None = field(default=None)


def ask(claim: Claim, found: Mapping[CellKey, Cell], where: str = "") -> Asked:
    """Return a claim with its evidence from cells.

    Args:
        claim: The claim.
        found: Cells by recipe and the value of the claim's label; some may lack results.
        where: What tells them from others, as text.
    """
    comparisons = claim.comparisons
    keys = dict.fromkeys(key for one in comparisons for _, key in one.terms)
    missing = [_key_text(claim, key) for key in keys if key not in found or not found[key].repeats]
    if missing:
        return Asked(claim, where, fault=f"no result of {', '.join(missing)} is finished")
    some = found[next(iter(keys))].task.name
    if claim.tasks and some not in claim.tasks:
        fault = f"it is about {' or '.join(claim.tasks)}, and the task here is {some}"
        return Asked(claim, where, fault=fault, refused=True)
    try:
        evidence = tuple(_evidence(claim, one, found) for one in comparisons)
    except RunError as error:
        return Asked(claim, where, fault=str(error))
    return asked_of(claim, evidence, where)


def asked_of(claim: Claim, evidence: Sequence[Evidence], where: str = "") -> Asked:
    """Return a claim with evidence, and why that decides nothing if it does not."""
    return Asked(claim, where, tuple(evidence), _too_little(evidence))


def decide(asked: Sequence[Asked]) -> list[Verdict]:
    """Return the verdict on each claim, corrected for all of them."""
    corrected = holm([p for one in asked for p in (one.p_for, one.p_against)])
    number = sum(p is not None for p in corrected)
    pairs = zip(corrected[::2], corrected[1::2], strict=True)
    return [_verdict(one, *pair, number) for one, pair in zip(asked, pairs, strict=True)]


def ask_all(claims: Sequence[Claim], outcomes: Sequence[Outcome]) -> list[Asked]:
    """Ask each claim of each group of comparable cells that has its recipes.

    Args:
        claims: Claims about recipes, by the label `recipe`. One over a label is asked at each of
            the values that a study has, or about the growth from the smallest to the largest.
        outcomes: Outcomes of a study; claims about recipes that are not among them are left out.
    """
    found = cells(outcomes)
    asked = []
    for claim in claims:
        apart = ("recipe",) if not claim.over else ("recipe", claim.over)
        names = [name for name in varying(found) if name not in apart]
        for group in groups(found, apart):
            for one in _at_values(claim, group):
                by_key = {labelled(cell.labels, claim.over): cell for cell in group if cell.repeats}
                keys = {key for part in one.comparisons for _, key in part.terms}
                if keys and keys <= by_key.keys():
                    asked.append(ask(one, by_key, describe(group[0].labels, names)))
    return [one for one in asked if not one.refused]


def _at_values(claim: Claim, group: Sequence[Cell]) -> list[Claim]:
    """Return a claim over a label at what a study has: one for each value, or one growth."""
    if not claim.over:
        return [claim]
    known: set[Label] = {one.labels[claim.over] for one in group if claim.over in one.labels}
    values = sorted(known, key=float)
    if claim.growth:
        return [claim.at((values[0], values[-1]))] if len(values) > 1 else []
    return [claim.at((one,)) for one in values]


def _p_for(claim: Claim, found: Estimate) -> float:
    match claim.kind:
        case "better":
            return found.p_above(0.0)
        case "not better":
            return found.p_below(claim.margin)
        case "equal":
            return found.p_within(claim.margin)


def _p_against(claim: Claim, found: Estimate) -> float:
    match claim.kind:
        case "better":
            return found.p_below(claim.margin)
        case "not better":
            return found.p_above(claim.margin)
        case "equal":
            return min(1.0, 2 * min(found.p_above(claim.margin), found.p_below(-claim.margin)))


def _evidence(claim: Claim, comparison: Comparison, found: Mapping[CellKey, Cell]) -> Evidence:
    terms = [(sign, found[key]) for sign, key in comparison.terms]
    common = set.intersection(*({*cell.repeats} for _, cell in terms))
    if not common:
        raise RunError(f"{comparison.name}: no repeat of all that is compared is finished")
    for (_, first), (_, second) in zip(terms[::2], terms[1::2], strict=True):
        check_splits(first, second, common, SIDES)
    if len(terms) > 2:  # a growth: training recordings differ, test recordings must not
        check_splits(terms[0][1], terms[-1][1], common, ("test",))
    terms = [(sign, cell.only(common)) for sign, cell in terms]
    task = terms[0][1].task
    rows = {key for one in terms[0][1].repeats.values() for key in one.rows.keys}
    scores = None if claim.by_metric or task.recording_score is None else scores_of(terms)
    if scores is not None and task.recording_score is not None:
        return Evidence(
            comparison.name,
            scores.estimate(),
            task.recording_score,
            scores.unit,
            len(rows),
            comparison.terms,
        )
    return Evidence(
        comparison.name,
        _of_metric(terms),
        task.reported[task.primary_metric],
        "fold" if len(terms[0][1].folds) > 1 else "",
        len(rows),
        comparison.terms,
    )


def _of_metric(terms: Sequence[tuple[int, Cell]]) -> Estimate:
    """Return the difference in the primary metric, over seeds and folds.

    Raises:
        RunError: the metric is not defined for any repeat.
    """
    task = terms[0][1].task
    better = 1 if task.higher_is_better else -1
    parts = [better * sign * cell.values(task.primary_metric) for sign, cell in terms]
    total = np.sum(parts, axis=0)
    known = ~np.isnan(total)
    if not known.any():
        raise RunError(f"{task.primary_metric} is not defined for any repeat")
    return crossed_estimate(np.where(known, total, 0.0), known)


def _too_little(evidence: Sequence[Evidence]) -> str | None:
    """Return why evidence decides nothing, however large differences are; None if it may."""
    least = min(one.estimate.seeds for one in evidence)
    if least < FEWEST_SEEDS:
        return f"{count(least, 'seed')} of at least {FEWEST_SEEDS} are finished"
    for one in evidence:
        if one.unit == "recording" and one.estimate.units < FEWEST_RECORDINGS:
            return f"{count(one.estimate.units, 'recording')} of at least {FEWEST_RECORDINGS}"
        if one.estimate.error == 0:
            return f"{one.name}: no two seeds or recordings differ, so no error can be estimated"
    return None


def _verdict(
    asked: Asked, p_for: float | None, p_against: float | None, hypotheses: int
) -> Verdict:
    if p_for is None or p_against is None:
        word = CANNOT if asked.refused else NOT_DECIDED
        weakest = _weakest(asked) if asked.evidence else None
        return Verdict(asked, word, None, hypotheses, weakest)
    detectable = _detectable(asked, LEVEL / hypotheses)
    if p_against < LEVEL:
        against = min(asked.evidence, key=lambda one: _p_against(asked.claim, one.estimate))
        return Verdict(asked, "does not hold", p_against, hypotheses, against, detectable)
    word = "holds" if p_for < LEVEL else NOT_DECIDED
    p = p_for if p_for < LEVEL else min(p_for, p_against)
    return Verdict(asked, word, p, hypotheses, _weakest(asked), detectable)


def _weakest(asked: Asked) -> Evidence:
    return max(asked.evidence, key=lambda one: _p_for(asked.claim, one.estimate))


def _detectable(asked: Asked, level: float) -> float | None:
    """Return what all comparisons of a claim could have shown, with the power of `POWER` each."""
    every = [
        one.estimate.detectable(level, POWER)
        if asked.claim.kind == "better"
        else one.estimate.equivalence_margin(
            level, POWER if asked.claim.kind == "equal" else 2 * POWER - 1
        )
        for one in asked.evidence
    ]
    known = [one for one in every if one is not None]
    return max(known) if len(known) == len(every) else None


def _key_text(claim: Claim, key: CellKey) -> str:
    return key[0] if key[1] is None else f"{key[0]} at {claim.over} {key[1]}"
