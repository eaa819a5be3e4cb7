"""Tables and a map of how members agree, by pair of recipes."""

from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement
from statistics import fmean, stdev
from typing import Final

from ossicle.reports.parts import Cell, Figure, Part, Table
from ossicle.statistics.agreement import PairAgreement, score_correlation
from ossicle.statistics.correction import holm
from ossicle.studies.analysis.text import count, p_text
from ossicle.studies.ensembles.differ import LEVEL, Differ
from ossicle.studies.ensembles.models import has_right_and_wrong, member_answers, successive
from ossicle.studies.ensembles.pool import Pool
from ossicle.studies.plots.heat import heat, heat_layout

NOTHING: Final = Cell(text="–")
Statistic = Callable[[PairAgreement], float | None]
STATISTICS: Final[dict[str, tuple[Statistic, float, int]]] = {  # factor, and digits that are shown
    "disagreement (%)": (lambda one: one.disagreement, 100, 1),
    "both wrong (%)": (lambda one: one.double_fault, 100, 1),
    "Yule's Q": (lambda one: one.yule_q, 1, 2),
    "kappa": (lambda one: one.kappa, 1, 2),
}
EXPLAINED: Final = (
    "Disagreement: recordings that only one of the two has right. Yule's Q is 1 if two models are "
    "right on the same recordings and 0 if they are right independently. Kappa is the agreement of "
    "the predicted labels beyond chance. Rows of two seeds show how much two runs of one recipe "
    "differ. Two recipes are compared with the same seed, so they share the order of the training "
    "recordings; two seeds do not. Values are mean ± standard deviation over seeds."
)


def agreement_parts(pool: Pool, number: int) -> list[Part]:
    """Return tables, a map and sentences on how the members of a pool agree.

    Args:
        pool: The pool.
        number: Number of the pool in the report, from 1.
    """
    if not has_right_and_wrong(pool):
        return _correlations(pool, number)
    found = Differ(pool)
    if not found.by_seed:
        return ["No seed has all members, so their agreement is not known yet."]
    return [_pairs(found, number), _map(found, number), _over_all(found, number)]


def _models(pool: Pool) -> list[tuple[str, str]]:
    """Return all pairs of recipes, then each recipe with itself: two seeds of it."""
    pairs = list(combinations_with_replacement(pool.recipes, 2))
    return sorted(pairs, key=lambda pair: pair[0] == pair[1])


def _name(first: str, second: str) -> str:
    return f"two seeds of {first}" if first == second else f"{first} and {second}"


def _pairs(found: Differ, number: int) -> Table:
    pool = found.pool
    names = _models(pool)
    by_pair = {pair: found.pair(*pair) for pair in names}
    differing = [pair for pair in names if pair[0] != pair[1]]
    significant = _significant([by_pair[pair] for pair in differing])
    rows = []
    for pair in names:
        known = by_pair[pair]
        cells = [
            _spread([of(one) for one in known], factor, digits)
            for of, factor, digits in STATISTICS.values()
        ]
        tests = NOTHING
        if pair in differing:
            hits = significant[differing.index(pair)]
            tests = Cell(text=f"{hits} of {count(len(known), 'seed')}", value=hits)
        rows.append([Cell(text=_name(*pair)), *cells, tests])
    return Table(
        name=f"agreement-{number}",
        title="Agreement of members by pair" + (f": {pool.where}" if pool.where else ""),
        columns=["", *STATISTICS, f"McNemar's test, p < {LEVEL:g}"],
        rows=rows,
        notes=[
            EXPLAINED,
            "McNemar's test asks whether the two are equally often right; p is corrected over the "
            f"{count(len(differing), 'pair')} of a seed by Holm's method. It takes recordings as "
            "independent, is about further recordings like these, and does not cover training "
            "again.",
        ],
    )


def _significant(pairs: Sequence[Sequence[PairAgreement]]) -> list[int]:
    """Return, for each pair, the number of seeds with a p of McNemar's test below 0.05."""
    hits = [0] * len(pairs)
    for of_seed in zip(*pairs, strict=True):
        for place, p in enumerate(holm([one.p_value for one in of_seed])):
            hits[place] += p is not None and p < LEVEL
    return hits


def _spread(values: Sequence[float | None], factor: float, digits: int) -> Cell:
    """Return mean and standard deviation of the values that are defined."""
    known = [factor * value for value in values if value is not None]
    if not known:
        return NOTHING
    text = f"{fmean(known):.{digits}f}"
    deviation = stdev(known) if len(known) > 1 else None
    if deviation is not None:
        text += f" ± {deviation:.{digits}f}"
    return Cell(text=text, value=fmean(known), deviation=deviation)


def _map(found: Differ, number: int) -> Figure:
    recipes = found.pool.recipes
    values = [
        [_mean([one.disagreement for one in found.pair(row, column)]) for column in recipes]
        for row in recipes
    ]
    trace = heat(recipes, recipes, values, colours="disagreement (%)")
    trace["hovertemplate"] = "%{y}, %{x}<br>%{z:.1f} %<extra></extra>"
    place = f": {found.pool.where}" if found.pool.where else ""
    return Figure(
        name=f"disagreement-{number}",
        title=f"Disagreement of members{place}",
        traces=[trace],
        layout=heat_layout(len(recipes), "", ""),
        about="Percentage of the test recordings that only one of two models has right, mean over "
        "seeds. The diagonal is of two seeds of one recipe; where it is as dark as the rest, "
        "recipes differ no more than seeds.",
    )


def _mean(values: Sequence[float]) -> float | None:
    return round(100 * fmean(values), 3) if values else None


def _over_all(found: Differ, number: int) -> Table:
    """Return Cochran's Q over recipes for each seed, and over seeds of each recipe."""
    recipes, seeds = found.over_recipes, found.over_seeds
    rows = [
        [
            Cell(text=name),
            Cell(text=f"{test.statistic:.1f}", value=test.statistic),
            Cell(text=p_text(p), value=p),
        ]
        for names, tested in (
            ([f"methods, seed {seed}" for seed in found.by_seed], recipes),
            (found.names_of_sets, seeds),
        )
        for name, test, p in zip(names, tested.tests, tested.p_values, strict=True)
    ]
    models = len(found.pool.recipes)
    notes = [
        f"Cochran's Q asks whether {models} models are equally often right. It is 0 for models "
        "that are equally often right on different recordings, so read it with the disagreement. "
        "p is corrected by Holm's method, over the seeds and over the sets of seeds.",
        recipes.tests[0].about,
        f"On {100 * found.oracle:.1f} % of the recordings any of the {models} methods is right "
        "(mean over seeds): no choice among their answers can be better.",
    ]
    if not seeds.tests:
        notes.append(
            f"With {count(len(found.pool.seeds), 'seed')}, Q over {models} seeds of one method is "
            "left out."
        )
    place = f": {found.pool.where}" if found.pool.where else ""
    return Table(
        name=f"cochran-{number}",
        title=f"Cochran's Q over members{place}",
        columns=["models", "Q", "p"],
        rows=rows,
        notes=notes,
    )


def _correlations(pool: Pool, number: int) -> list[Part]:
    """Return the correlations of scores, for tasks whose recordings are not right or wrong."""
    task = pool.task
    if task is None or task.recording_score is None:
        return ["The task has no score for each recording, so the agreement is not shown."]
    rows = [
        [Cell(text=_name(*pair)), _spread(_of_scores(pool, *pair), 1, 2)] for pair in _models(pool)
    ]
    return [
        f"The recordings of the task {task.name} are not simply right or wrong, so Cochran's Q and "
        "what is computed from right and wrong answers are left out. Shown is the correlation of "
        f"the {task.recording_score.label} of the recordings.",
        Table(
            name=f"agreement-{number}",
            title="Correlation of members by pair" + (f": {pool.where}" if pool.where else ""),
            columns=["", f"correlation of {task.recording_score.label}"],
            rows=rows,
            notes=["Mean ± standard deviation over seeds."],
        ),
    ]


def _of_scores(pool: Pool, first: str, second: str) -> list[float | None]:
    seeds = pool.seeds
    pairs = successive(seeds) if first == second else [(seed, seed) for seed in seeds]
    answers = [
        (member_answers(pool, first, one), member_answers(pool, second, other))
        for one, other in pairs
    ]
    return [
        score_correlation(one.scores, other.scores)
        for one, other in answers
        if one is not None and other is not None and one.keys == other.keys
    ]
