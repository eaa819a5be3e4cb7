"""Claims about ensembles, asked of the outcomes of a pool.

Whether recipes learn differently is asked of how much more two recipes with two seeds disagree on a
recording than one recipe with two seeds does.
"""

from collections.abc import Sequence
from typing import Final

from ossicle.metrics.metric import Metric
from ossicle.studies.analysis.asking import Asked, Evidence, ask_all, asked_of
from ossicle.studies.analysis.claim import Claim
from ossicle.studies.analysis.listed import claims_about
from ossicle.studies.ensembles.differ import Differ
from ossicle.trials.outcome import Outcome

MAJORITY: Final = "majority"
LEARNING: Final = "A3"
DISAGREEMENT: Final = Metric("disagreement")


def ask_votes(
    outcomes: Sequence[Outcome],
    *,
    vote: str,
    singles: Sequence[str],
    seeds: str | None,
    claims: Sequence[Claim] | None = None,
) -> list[Asked]:
    """Ask what ensembles of different recipes gain over others.

    Args:
        outcomes: Single recipes and ensembles with different labels `recipe`.
        vote: Name of the vote that the claims are about.
        singles: Single recipes with as many parameters; none if there are no such.
        seeds: The ensemble of seeds with this vote; None if there is none.
        claims: The claims; None: all about ensembles.
    """
    words = {"vote": [vote], "single": singles, "seeds": [] if seeds is None else [seeds]}
    every = claims_about("ensemble") if claims is None else claims
    filled = [one.filled(**words_in(one, words)) for one in every if one.name != LEARNING]
    return ask_all([one for one in filled if one.pairs], outcomes)


def words_in(claim: Claim, words: dict[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    """Return the words that a claim has in braces."""
    text = " ".join([claim.statement, *claim.recipes])
    return {name: found for name, found in words.items() if f"{{{name}}}" in text}


def ask_learning(found: Differ, claims: Sequence[Claim] | None = None) -> list[Asked]:
    """Ask whether recipes learn differently; nothing while members are missing."""
    more = found.disagreement
    every = claims_about("ensemble") if claims is None else claims
    if more is None:
        return []
    name = f"two methods against two seeds, {100 * more.recipes:.1f} and {100 * more.seeds:.1f} %"
    evidence = Evidence(
        name, more.scores.estimate(), DISAGREEMENT, more.scores.unit, more.scores.sums.shape[1]
    )
    return [asked_of(one, [evidence]) for one in every if one.name == LEARNING]
