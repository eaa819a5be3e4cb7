"""Claims, asked of outcomes: each comparison is a mean difference with its error.

The error covers seeds, and recordings or speakers (`ossicle.statistics.crossed`). What follows from
the differences: `judging`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from ossicle.errors import RunError
from ossicle.metrics.metric import Metric
from ossicle.statistics.crossed import Estimate, crossed_estimate
from ossicle.studies.analysis.cell import Cell, cells, describe, groups, varying
from ossicle.studies.analysis.claim import CellKey, Claim, Comparison, labelled
from ossicle.studies.analysis.difference import SIDES, check_splits
from ossicle.studies.analysis.notes import FEWEST_SEEDS
from ossicle.studies.analysis.scores import scores_of
from ossicle.studies.analysis.text import count
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Label

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

    @property
    def without_error(self) -> str | None:
        """Why it has no error, so that it shows nothing; None if it has one."""
        if self.estimate.error > 0:
            return None
        return f"{self.name}: no two seeds or recordings differ, so no error can be estimated"

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
        refused: Whether the claim has no meaning there.
        missing: Whether trials that it needs have no result yet, or failed.
    """

    claim: Claim
    where: str = ""
    evidence: tuple[Evidence, ...] = ()
    fault: str | None = None
    refused: bool = False
    missing: bool = False


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
        fault = f"no trial of {', '.join(missing)} is finished"
        return Asked(claim, where, fault=fault, missing=True)
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
        are = "is" if least == 1 else "are"
        return f"{count(least, 'seed')} of at least {FEWEST_SEEDS} {are} finished"
    for one in evidence:
        if one.unit == "recording" and one.estimate.units < FEWEST_RECORDINGS:
            return f"{count(one.estimate.units, 'recording')} of at least {FEWEST_RECORDINGS}"
    without = [one.without_error for one in evidence]
    return without[0] if all(without) else None


def _key_text(claim: Claim, key: CellKey) -> str:
    return key[0] if key[1] is None else f"{key[0]} at {claim.over} {key[1]}"
