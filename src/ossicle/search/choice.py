"""What strategies share: the best of what was tried, and its choice of a candidate by layer."""

from collections.abc import Iterable, Sequence

from ossicle.errors import SearchError, listing
from ossicle.search.strategy import Problem, Tried


def best_of(tried: Sequence[Tried], problem: Problem) -> Tried:
    """Return the best full training; of equal ones the smallest, and of these the first.

    Where no training with all epochs has a result, it is the best of the shorter ones.

    Raises:
        SearchError: nothing has a result.
    """
    scored = [one for one in tried if one.proposal.kind == "train" and one.score is not None]
    if not scored:
        reasons = dict.fromkeys(one.reason for one in tried if one.reason is not None)
        why = f": {listing(reasons, 3)}" if reasons else ""
        raise SearchError(f"no training of the search has a result{why}")
    epochs = problem.config.epochs
    full = [one for one in scored if one.proposal.config.epochs == epochs]
    return min(full or scored, key=rank)


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
