"""What a table must say about its results: what is averaged, what p is about, what is missing."""

from collections.abc import Sequence
from typing import Final

from ossicle.errors import listing
from ossicle.studies.analysis.cell import Cell
from ossicle.studies.analysis.rows import Row
from ossicle.studies.analysis.text import count
from ossicle.tasks import Task

FEWEST_SEEDS: Final = 5  # that a winner is called with


def enough_seeds(found: Sequence[Cell]) -> bool:
    """Return whether all cells with a result have seeds enough to call a winner."""
    return min((len(one.seeds) for one in found if one.repeats), default=0) >= FEWEST_SEEDS


def notes(rows: Sequence[Row], task: type[Task], against: str) -> list[str]:
    """Return the notes below a table of results."""
    tested = [row for row in rows if row.difference is not None]
    return [
        *_spread(rows),
        *(_tests(tested, task, against) if tested else []),
        *_few_seeds(rows),
        *_missing(rows),
        *dict.fromkeys(row.fault for row in rows if row.fault is not None),
    ]


def _spread(rows: Sequence[Row]) -> list[str]:
    """Return what mean, deviation and interval are computed from."""
    fullest = max((row.cell for row in rows), key=lambda one: len(one.repeats))
    found = fullest.summary
    if found is None:
        return []
    said = ["Parameters are those that are trained, without the head."]
    if found.folds > 1:
        said.append(
            f"± is the standard deviation over all repeats: {count(found.seeds, 'seed')} and "
            f"{found.folds} folds. The mean is over seeds, of the metric of the recordings of all "
            "folds together."
            if fullest.pools
            else f"Mean ± standard deviation over {count(found.seeds, 'seed')} and "
            f"{found.folds} folds."
        )
    elif found.num_repeats > 1:
        said.append(f"Mean ± standard deviation over {found.num_repeats} seeds.")
    return [*said, found.about]


def _tests(tested: Sequence[Row], task: type[Task], against: str) -> list[str]:
    """Return what is compared with what, and what each p-value is about."""
    names = dict.fromkeys(
        str(row.reference.labels.get(against)) for row in tested if row.reference is not None
    )
    differences = [row.difference for row in tested if row.difference is not None]
    fullest = max(differences, key=lambda one: one.repeats.num_repeats)
    metric = task.reported[task.primary_metric].label
    said = [
        f"Differences are to {listing(names)}, with an interval over seeds and folds. Each kind of "
        f"p is corrected for {count(len(tested), 'comparison')} by Holm's method."
    ]
    if fullest.recordings is not None and task.recording_score is not None:
        said.append(f"{fullest.recordings.about} It compares {task.recording_score.label}.")
    if fullest.repeats.num_repeats > 1:
        said.append(
            f"{fullest.repeats.about} It compares {metric}. d_z is the mean difference over the "
            "standard deviation of the differences between repeats."
        )
    return said


def _few_seeds(rows: Sequence[Row]) -> list[str]:
    if enough_seeds([row.cell for row in rows]):
        return []
    fewest = min(len(row.cell.seeds) for row in rows if row.cell.repeats)
    return [
        f"{count(fewest, 'seed')}, fewer than {FEWEST_SEEDS}: the "
        "table shows spread and calls no winner."
    ]


def _missing(rows: Sequence[Row]) -> list[str]:
    partial = [row.cell for row in rows if len(row.cell.repeats) < row.cell.num_trials]
    if not partial:
        return []
    counts = [f"{one.name} {len(one.repeats)} of {one.num_trials}" for one in partial]
    return [
        f"Unfinished or failed: {listing(counts)}. Means are over the repeats that are finished; "
        "differences and p are over those that both have."
    ]
