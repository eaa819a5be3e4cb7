"""Mean, standard deviation and interval of the results of repeats: seeds crossed with folds.

    deviation   over all S x F repeats, divided by their number less one
    interval    draw S of the seeds and F of the folds, each with replacement and independently of
                the other; the mean of the repeats that the two have in common; 10,000 times

Repeats that share a fold share its recordings, and repeats that share a seed its initial weights,
so S x F repeats are not that many independent ones. Drawing seeds and folds, not repeats, accounts
for both; the interval is somewhat too wide, if anything (Owen 2007, "The pigeonhole bootstrap", The
Annals of Applied Statistics 1). An axis with one value is not drawn, so with one seed the interval
does not cover the seed, and without folds it does not cover the recordings; `about` says so.

The percentile interval of n values is too narrow when n is small. Where one axis is drawn, its
percentiles are therefore moved outwards until they would give Student's interval if draws were
normal (Hesterberg 2015, "What teachers should know about the bootstrap", section 5). With two or
three values the interval then runs from the lowest to the highest.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final, TypeAlias

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

DRAWS: Final = 10_000
BATCHES: Final = 10  # of draws that are not kept
MOST_DRAWN: Final = 20_000_000  # draws times values: 160 MB
SMALL: Final = 200  # values whose draws are kept
Weights: TypeAlias = tuple[Float[np.ndarray, "K S"], Float[np.ndarray, "K U"]]


@dataclass(frozen=True)
class Summary:
    """The results of the repeats of one thing.

    Attributes:
        mean: Their mean.
        deviation: Their standard deviation (n - 1); None of one repeat.
        interval: Bounds of the mean; None of one repeat.
        num_repeats: Number of repeats that have a result.
        seeds: Number of seeds among them.
        folds: Number of folds among them; 1 without folds.
        confidence: Confidence of the interval.
    """

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    num_repeats: int
    seeds: int
    folds: int
    confidence: float = 0.95

    @property
    def about(self) -> str:
        """What the interval covers, as a sentence."""
        drawn = {"seeds": self.seeds, "folds": self.folds}
        names = [name for name, number in drawn.items() if number > 1]
        if self.interval is None:
            return "One repeat has no interval."
        missing = {
            "seeds": "It does not cover training with other seeds.",
            "folds": "It does not cover other recordings.",
        }
        rest = [text for name, text in missing.items() if name not in names]
        return " ".join(
            [
                f"The interval is a {100 * self.confidence:.0f} % bootstrap interval over "
                f"{' and '.join(f'{drawn[name]} {name}' for name in names)}.",
                *rest,
            ]
        )


def summary(
    values: Float[np.ndarray, "S F"] | Sequence[Sequence[float]],
    mean: float | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 0,
) -> Summary:
    """Summarise the results of repeats.

    Args:
        values: The result with seed s on fold f; NaN where there is none. One column without folds.
        mean: The mean to report instead of that of the values, such as that of metrics computed
            over the recordings of all folds; the interval is moved with it.
        confidence: Of the interval, between 0 and 1.
        seed: Seed of the draws.

    Raises:
        ValueError: the shape is not (S, F), no value is known, or one is infinite.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or np.isinf(table).any() or np.isnan(table).all():
        raise ValueError(f"Values of shape {table.shape}: expected (S, F), finite, not all NaN.")
    known = ~np.isnan(table)
    table, known = table[known.any(axis=1)], known[known.any(axis=1)]
    table, known = table[:, known.any(axis=0)], known[:, known.any(axis=0)]
    own = float(table[known].mean())
    number = int(known.sum())
    centre = own if mean is None else mean
    interval = None
    if number > 1:
        sums = np.where(known, table - own, 0.0)  # centred, so that sums lose no digits
        low, high = crossed_interval(sums, known, confidence=confidence, seed=seed)
        interval = (centre + low, centre + high)
    deviation = float(table[known].std(ddof=1)) if number > 1 else None
    seeds, folds = table.shape
    return Summary(centre, deviation, interval, number, seeds, folds, confidence)


def crossed_interval(
    sums: ArrayLike, counts: ArrayLike, *, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the bootstrap interval of the mean of values that two crossed axes determine.

    Args:
        sums: Sum of the values with row s and column u, of shape (S, U).
        counts: Number of these values.
        confidence: Of the interval, between 0 and 1.
        seed: Seed of the draws.
    """
    total, number = np.asarray(sums, dtype=float), np.asarray(counts, dtype=float)
    rows, columns = total.shape
    batches: Iterable[Weights] = _in_batches(rows, columns, seed)
    if total.size <= SMALL:
        batches = [_drawn(rows, columns, DRAWS, seed)]
    drawn = []
    for of_row, of_column in batches:
        weight = ((of_row @ number) * of_column).sum(axis=1)
        with np.errstate(invalid="ignore"):  # a draw may hold none of the values
            drawn.append(((of_row @ total) * of_column).sum(axis=1) / weight)
    means = np.concatenate(drawn)
    tail = _tail(total.shape, confidence)
    low, high = np.quantile(means[np.isfinite(means)], [tail, 1 - tail])
    return float(low), float(high)


def _in_batches(rows: int, columns: int, seed: int) -> Iterator[Weights]:
    """Yield the draws, few at a time; fewer of very many rows, whose mean varies little."""
    draws = min(DRAWS, max(BATCHES, MOST_DRAWN // max(rows, columns)))
    for batch in range(BATCHES):
        yield _drawn.__wrapped__(rows, columns, draws // BATCHES, (seed, batch))


@lru_cache(maxsize=8)
def _drawn(rows: int, columns: int, draws: int, seed: int | tuple[int, int]) -> Weights:
    """Return how often each row and each column is drawn; cached, as tables have many cells."""
    generator = np.random.default_rng(seed)
    return _times_drawn(rows, draws, generator), _times_drawn(columns, draws, generator)


def _times_drawn(
    size: int, draws: int, generator: np.random.Generator
) -> Float[np.ndarray, "draws size"]:
    """Return how often each of `size` is drawn; once if there is nothing to choose from."""
    return generator.multinomial(size, np.full(size, 1 / size), size=draws).astype(float)


@cache
def _tail(shape: tuple[int, ...], confidence: float) -> float:
    """Return the fraction of draws to cut off at each end."""
    from scipy.special import ndtr, stdtrit  # scipy.stats takes 50 MB more

    tail = (1 - confidence) / 2
    drawn = [size for size in shape if size > 1]
    if len(drawn) != 1:
        return tail
    (number,) = drawn
    wider = np.sqrt(number / (number - 1)) * stdtrit(number - 1, tail)
    return float(ndtr(wider))
