"""Claims about ensembles, judged on the outcomes of a pool.

Whether recipes learn differently is judged by two things:

    holds              Cochran's Q over recipes is significant with every seed, after correction,
                       and two recipes with two seeds disagree more than one recipe with two seeds:
                       the tests over recordings and over repeats both have a p below 0.05
    does not hold      they disagree less, by the same tests
    not decided ...    anything else
"""

from collections.abc import Sequence
from typing import Final

from ossicle.studies.analysis.claim import Claim, Word, judge
from ossicle.studies.analysis.text import NOT_DECIDED, count, p_text
from ossicle.studies.ensembles.differ import LEVEL, Differ, Disagreement
from ossicle.trials.outcome import Outcome

SOURCE: Final = "Lin et al. 2024"
MAJORITY: Final = "majority"
ASSERTED: Final = "Different methods learn differently"


def claims_on_votes(
    outcomes: Sequence[Outcome],
    *,
    vote: str,
    singles: Sequence[str],
    seeds: str | None,
) -> list[str]:
    """Return sentences on what ensembles of different recipes gain over others.

    Args:
        outcomes: Single recipes and ensembles with different labels `recipe`.
        vote: Name of the vote that the claims are about.
        singles: Single recipes with as many parameters; none if there are no such.
        seeds: The ensemble of seeds with this vote; None if there is none.
    """
    mixed = f"mixed: {vote}"
    by = "A majority vote" if vote == MAJORITY else f"The {vote} vote"
    claims = []
    if singles:
        claims.append(
            Claim(
                statement=f"{by} over different methods is better than every single method with "
                "as many parameters in total",
                source=SOURCE,
                first=(mixed,),
                second=tuple(singles),
            )
        )
    if seeds is not None:
        claims.append(
            Claim(
                statement="An ensemble of different methods is better than one of as many seeds of "
                "the best method",
                source=SOURCE,
                is_open=True,
                first=(mixed,),
                second=(seeds,),
            )
        )
    if vote == MAJORITY:
        claims += [
            Claim(
                statement=f"The {other} vote is better than the majority",
                source=SOURCE,
                is_open=True,
                first=(f"mixed: {other}",),
                second=(mixed,),
            )
            for other in ("soft", "weighted")
        ]
    return judge(claims, outcomes)


def claim_on_learning(found: Differ) -> list[str]:
    """Return a sentence on whether recipes learn differently; none while members are missing."""
    if not found.by_seed:
        return []
    word = _word(found)
    verb = "is " if word == NOT_DECIDED else ""
    return [f"Claim of {SOURCE}: {ASSERTED}. This {verb}{word}: {_evidence(found)}."]


def _word(found: Differ) -> Word:
    more = found.disagreement
    if more is None or not _decided(more):
        return NOT_DECIDED
    if more.recipes < more.seeds:
        return "does not hold"
    all_significant = found.over_recipes.significant == len(found.by_seed)
    return "holds" if all_significant else NOT_DECIDED


def _decided(more: Disagreement) -> bool:
    return more.recordings.p_value < LEVEL and more.repeats.p_value < LEVEL


def _evidence(found: Differ) -> str:
    recipes, seeds, number = found.over_recipes, found.over_seeds, len(found.pool.recipes)
    said = (
        f"Cochran's Q over {number} methods is significant with {recipes.significant} of "
        f"{count(len(recipes.tests), 'seed')}"
    )
    if seeds.tests:
        said += (
            f", and over {number} seeds of one method in {seeds.significant} of "
            f"{count(len(seeds.tests), 'set')} (p below {LEVEL:g} after Holm's correction)"
        )
    more = found.disagreement
    if more is None:
        return f"{said}; one seed does not tell how much seeds of one method disagree"
    return (
        f"{said}; of two methods with two seeds, only one is right on {100 * more.recipes:.1f} % "
        f"of the recordings, of one method with two seeds on {100 * more.seeds:.1f} % "
        f"(p {p_text(more.recordings.p_value)} over {more.recordings.unit}s, "
        f"{p_text(more.repeats.p_value)} over {count(more.repeats.num_repeats, 'repeat')}, whose "
        f"smallest possible p is {more.repeats.smallest_p:.2g})"
    )
