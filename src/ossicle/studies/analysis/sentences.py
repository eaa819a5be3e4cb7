"""Verdicts on claims as sentences of a report."""

from collections.abc import Sequence

from ossicle.studies.analysis.asking import Evidence, ask_all
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.judging import NO_RESULT, Verdict, decide
from ossicle.studies.analysis.text import NOT_DECIDED, p_text
from ossicle.trials.outcome import Outcome


def judge(claims: Sequence[Claim], outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence for each claim and each group of comparable cells that can test it.

    Args:
        claims: Claims about recipes, by the label `recipe`.
        outcomes: Outcomes of a study; claims about recipes that are not among them are left out.
    """
    return [sentence(one) for one in decide(ask_all(claims, outcomes))]


def sentence(verdict: Verdict) -> str:
    """Return a verdict with its evidence as a sentence."""
    asked, claim = verdict.asked, verdict.asked.claim
    place = f" with {asked.where}" if asked.where else ""
    verb = {NOT_DECIDED: "is ", NO_RESULT: "has "}.get(verdict.word, "")
    what = "Left open by" if claim.is_open else "Claim of"
    said = [one for one in (verdict.reason, _shown(verdict)) if one]
    return (
        f"{what} {claim.source}: {claim.statement}. This {verb}{verdict.word}{place}: "
        f"{'; '.join(said)}."
    )


def _shown(verdict: Verdict) -> str:
    """Return the comparison that decides, and how many point the same way."""
    if verdict.evidence is None:
        return ""
    claim, every = verdict.asked.claim, verdict.asked.evidence
    pointing = sum(_points(claim, one) for one in every)
    counted = f"{pointing} of {len(every)} comparisons point that way; "
    which = "most against it is " if verdict.word == "does not hold" else "least in favour is "
    one = verdict.evidence
    text = "" if len(every) == 1 else counted + which
    tested = "" if verdict.p is None else f", p {p_text(verdict.p)} corrected for "
    if verdict.p is not None:
        tested += f"{verdict.hypotheses} hypotheses"
    margin = f", margin {claim_margin(claim, one)}" if claim.kind != "better" else ""
    return f"{text}{one.name}, {one.difference()} in {one.metric.label} over {one.basis}" + (
        f"{margin}{tested}"
    )


def claim_margin(claim: Claim, evidence: Evidence) -> str:
    """Return the margin of a claim as a difference, without a sign."""
    return evidence.metric.difference(claim.margin)[1:]


def _points(claim: Claim, one: Evidence) -> bool:
    value = one.estimate.value
    match claim.kind:
        case "better":
            return value > 0
        case "not better":
            return value < claim.margin
        case "equal":
            return abs(value) < claim.margin
