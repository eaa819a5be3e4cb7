"""Whether outcomes support claims: one word each, corrected for all claims that are asked at once.

A comparison is a mean difference with its error over seeds and recordings
(`ossicle.statistics.crossed`). A claim is about all of its comparisons, so

    p for        the largest p of its comparisons: each must be shown by itself (intersection-union)
    p against    the smallest p of the contrary, times their number

and these p, two for each claim, are corrected by Holm's method over all claims.

    holds              p for is below 0.05
    does not hold      p against is below 0.05, whatever p for is
    not decided ...    anything else; fewer than five seeds or twenty recordings
    no result          trials are not finished, or failed

A comparison in which nothing varies has no error. It shows nothing itself, so that its claim cannot
hold; another comparison can still show the contrary.

The contrary of `better` is a difference below the margin: a gain is there, but too small to matter,
or there is none. That of `not better` is a difference above the margin, that of `equal` one beyond
it in either direction. A large p decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ossicle.statistics.correction import holm
from ossicle.statistics.crossed import Estimate
from ossicle.studies.analysis.asking import Asked, Evidence
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.text import NOT_DECIDED

Word: TypeAlias = Literal[
    "holds", "does not hold", "not decided at this size", "no result", "cannot be asked here"
]
NO_RESULT: Final[Word] = "no result"
CANNOT: Final[Word] = "cannot be asked here"
LEVEL: Final = 0.05
POWER: Final = 0.8


@dataclass(frozen=True)
class Verdict:
    """A claim that is decided, or not.

    Attributes:
        asked: What was asked.
        word: The word.
        p: The corrected p behind the word; of an undecided claim, the smaller of both.
        hypotheses: Number of hypotheses that p is corrected for.
        evidence: The comparison that decides: that of the contrary, or the least in favour.
        detectable: The difference that could have been found; None if unknown.
    """

    asked: Asked
    word: Word
    p: float | None
    hypotheses: int
    evidence: Evidence | None
    detectable: float | None = None

    @property
    def reason(self) -> str | None:
        """Why the claim cannot be decided here; None if it is, or only its p are too large."""
        if self.word != NOT_DECIDED or self.asked.fault is not None:
            return self.asked.fault
        return self.evidence.without_error if self.evidence else None


def decide(asked: Sequence[Asked]) -> list[Verdict]:
    """Return the verdict on each claim, corrected for all of them."""
    corrected = holm([p for one in asked for p in (_p_of_claim(one), _p_of_contrary(one))])
    number = sum(p is not None for p in corrected)
    pairs = zip(corrected[::2], corrected[1::2], strict=True)
    return [_verdict(one, *pair, number) for one, pair in zip(asked, pairs, strict=True)]


def _p_of_claim(asked: Asked) -> float | None:
    """Return the p of what is claimed; None if nothing can be decided."""
    if asked.fault is not None:
        return None
    return max(_p_for(asked.claim, one.estimate) for one in asked.evidence)


def _p_of_contrary(asked: Asked) -> float | None:
    """Return the p of the contrary; None if nothing can be decided."""
    if asked.fault is not None:
        return None
    found = [_p_against(asked.claim, one.estimate) for one in asked.evidence]
    return min(1.0, len(found) * min(found))


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


def _verdict(
    asked: Asked, p_for: float | None, p_against: float | None, hypotheses: int
) -> Verdict:
    if p_for is None or p_against is None:
        word = CANNOT if asked.refused else NO_RESULT if asked.missing else NOT_DECIDED
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
