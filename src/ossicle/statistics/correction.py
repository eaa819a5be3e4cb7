"""Holm's correction of several p-values.

    p in ascending order, p_1 ... p_m   ->   max over j <= i of  min(1, (m - j + 1) p_j)

If no more than the null hypotheses with a corrected p below 0.05 are rejected, the probability of
rejecting a true one among all m is at most 0.05, however the tests depend on each other.

Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
of Statistics 6. Computed by `statsmodels.stats.multitest.multipletests`.
"""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the corrected p-values, in the same order; None stays None and does not count."""
    known = [p for p in p_values if p is not None]
    if len(known) < 2:
        return list(p_values)
    from statsmodels.stats.multitest import multipletests

    corrected = iter(multipletests(known, method="holm")[1])
    return [None if p is None else float(next(corrected)) for p in p_values]
