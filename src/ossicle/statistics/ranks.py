"""Ranks over several data sets: Friedman's test, Nemenyi's test and the critical difference.

    rank                  1 for the best of K on a data set; ties share the mean of their ranks
    critical difference   q sqrt(K (K + 1) / (6 D)), q being the studentised range over sqrt(2)

D data sets are the sample, so the p-values are about further data sets like these, and there is one
result per data set: its repeats are averaged before. Two average ranks that differ by less than the
critical difference are not told apart. A clique is a longest run of neighbours none of which are.

Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets", Journal of
Machine Learning Research 7, section 3.2. Computed by scipy, which corrects Friedman's statistic for
ties, and scikit-posthocs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True)
class Ranks:
    """Ranks of K things over D data sets.

    Attributes:
        names: The things, best average rank first.
        average: Average rank of each.
        num_data: Number of data sets.
        statistic: Friedman's chi squared; None for fewer than three things.
        p_value: Its p; None for fewer than three things.
        pairwise: Nemenyi's p of each pair, of shape (K, K).
        critical_difference: Of two average ranks, at `alpha`.
        cliques: First and last position of each group that is not told apart.
        alpha: Level of the critical difference.
    """

    names: tuple[str, ...]
    average: tuple[float, ...]
    num_data: int
    statistic: float | None
    p_value: float | None
    pairwise: Float[np.ndarray, "K K"]
    critical_difference: float
    cliques: tuple[tuple[int, int], ...]
    alpha: float = 0.05

    @property
    def about(self) -> str:
        """What the p-values are about, as a sentence."""
        return (
            f"p over {self.num_data} data sets is about further data sets like these, with one "
            "result per data set; it does not cover training again, nor other recordings of them."
        )


def ranks(
    values: Float[np.ndarray, "D K"] | Sequence[Sequence[float]],
    names: Sequence[str],
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> Ranks:
    """Rank things on each data set and compare their average ranks.

    Args:
        values: Result of thing k on data set d.
        names: Name of each thing.
        higher_is_better: Whether the highest result has rank 1.
        alpha: Level of the critical difference.

    Raises:
        ValueError: fewer than two data sets or things, a result that is not finite, or not one name
            for each column.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise ValueError(f"Results of shape {table.shape}: expected (D, K), finite, D and K > 1.")
    if len(names) != table.shape[1]:
        raise ValueError(f"{len(names)} names for {table.shape[1]} columns.")
    from scikit_posthocs import posthoc_nemenyi_friedman
    from scipy.stats import friedmanchisquare, rankdata

    ranked = rankdata(-table if higher_is_better else table, axis=1)
    average = ranked.mean(axis=0)
    order = np.argsort(average, kind="stable")
    statistic = p_value = None
    if len(names) > 2 and (ranked != ranked[:, :1]).any():  # not defined where all are tied
        found = friedmanchisquare(*ranked.T)
        statistic, p_value = float(found.statistic), float(found.pvalue)
    critical = critical_difference(len(names), len(table), alpha)
    in_order = average[order]
    return Ranks(
        names=tuple(names[k] for k in order),
        average=tuple(float(one) for one in in_order),
        num_data=len(table),
        statistic=statistic,
        p_value=p_value,
        pairwise=posthoc_nemenyi_friedman(ranked).to_numpy()[np.ix_(order, order)],
        critical_difference=critical,
        cliques=_cliques(in_order, critical),
        alpha=alpha,
    )


def critical_difference(num_things: int, num_data: int, alpha: float = 0.05) -> float:
    """Return the smallest difference of two average ranks that Nemenyi's test tells apart."""
    from scipy.stats import studentized_range

    q = studentized_range.isf(alpha, num_things, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(num_things * (num_things + 1) / (6 * num_data)))


def _cliques(average: Float[np.ndarray, " K"], critical: float) -> tuple[tuple[int, int], ...]:
    """Return the longest runs of ascending ranks that span less than the critical difference."""
    found: list[tuple[int, int]] = []
    for first in range(len(average)):
        last = int(np.flatnonzero(average < average[first] + critical).max())
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return tuple(found)
