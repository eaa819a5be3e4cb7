"""What strategies share: costs, the best of what was tried, and choices of candidates by layer."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from ossicle.errors import SearchError, listing
from ossicle.search.strategy import Answer, Problem, Tried

WAVE: Final = 4  # trainings in a wave of a strategy that needs no other number


def best_of(tried: Sequence[Tried], problem: Problem) -> Tried:
    """Return the best full training; of equal ones the smallest, and of these the first.

    Where no training with all epochs has a result, it is the best of the shorter ones.

    Raises:
        SearchError: nothing has a result.
    """
    scored = [one for one in tried if one.proposal.kind == "train" and one.score is not None]
    if not scored:
        reasons = dict.fromkeys(one.reason for one in tried if one.reason is not None)
        why = listing(reasons, 3) if reasons else "none had ended when the time was over"
        raise SearchError(f"no training of the search has a result: {why}")
    epochs = problem.config.epochs
    full = [one for one in scored if one.proposal.config.epochs == epochs]
    return min(full or scored, key=rank)


def best_answer(tried: Sequence[Tried], problem: Problem) -> Answer:
    """Return the best training as an answer, with all epochs and what its proposal says of it.

    Raises:
        SearchError: nothing has a result.
    """
    best = best_of(tried, problem)
    config = replace(best.proposal.config, epochs=problem.config.epochs)
    return Answer(config=config, facts={"choice": best.proposal.facts["choice"]})


def epochs_left(tried: Sequence[Tried], problem: Problem) -> int:
    """Return how many epochs a strategy may still train; a failed training costs all of its own."""
    spent = [one.proposal.config.num_epochs if one.score is None else one.epochs for one in tried]
    return problem.most_epochs - sum(spent)


def rank(tried: Tried) -> tuple[float, int]:
    """Return a sort key, lower for a better training; a failed one comes last."""
    score = float("-inf") if tried.score is None else tried.score
    return -score, tried.parameters


def choice_of(problem: Problem, name: str, layers: Iterable[int] | None = None) -> dict[int, str]:
    """Return the choice of one candidate in some layers; None: in all."""
    return dict.fromkeys(range(problem.layers) if layers is None else layers, name)


def front_of(tried: Sequence[Tried]) -> list[Tried]:
    """Return the Pareto front of score and parameters, the smallest first.

    A training is on it if none with as few parameters has a better score.
    """
    scored = [one for one in tried if one.proposal.kind == "train" and one.score is not None]
    front: list[Tried] = []
    for one in sorted(scored, key=lambda one: (one.parameters, rank(one))):
        if not front or rank(one)[0] < rank(front[-1])[0]:
            front.append(one)
    return front
