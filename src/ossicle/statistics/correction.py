"""Holm's correction of several p-values.

    p in ascending order, p_1 ... p_m   ->   max over j <= i of  min(1, (m - j + 1) p_j)

If no more than the null hypotheses with a corrected p below 0.05 are rejected, the probability of
rejecting a true one among all m is at most 0.05, however the tests depend on each other.

Source: Holm 1979, "A simple sequentially rejective multiple test procedure", Scandinavian Journal
of Statistics 6.
"""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return the corrected p-values, in the same order; None stays None and does not count."""
    known = np.array([p for p in p_values if p is not None], np.float64)
    order = np.argsort(known)
    # not multipletests of statsmodels: it collects garbage, 0.2 s a call in a process with torch
    scaled = known[order] * np.arange(len(known), 0, -1)
    corrected = np.empty_like(known)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    found = iter(corrected)
    return [None if p is None else float(next(found)) for p in p_values]
