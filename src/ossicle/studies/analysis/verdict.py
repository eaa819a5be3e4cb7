"""The result of a study in sentences: what is best, whether that is decided, what for a budget."""

from collections.abc import Collection, Sequence

from ossicle.errors import listing
from ossicle.studies.analysis.cell import Cell, cells, describe, groups, varying
from ossicle.studies.analysis.difference import SIDES
from ossicle.studies.analysis.notes import FEWEST_SEEDS, enough_seeds
from ossicle.studies.analysis.rows import Row, compare, corrected
from ossicle.studies.analysis.text import NOT_DECIDED, count, score
from ossicle.trials.outcome import Outcome, distinct


def verdict(
    outcomes: Sequence[Outcome], *, against: str = "recipe", sides: Collection[str] = SIDES
) -> list[str]:
    """Return what the outcomes say, in sentences.

    A cell is called best only if it is better than every other cell of its group by the test over
    recordings and by the test over repeats, both corrected for the number of other cells, and all
    have at least five seeds.

    Args:
        outcomes: The outcomes of a study; some may not be finished.
        against: The label whose values are compared, with all other labels equal.
        sides: Sides of the split that compared cells must have in common.
    """
    found = cells(outcomes)
    names = [name for name in varying(found) if name != against]
    said = unfinished(outcomes)
    for group in groups(found, (against,)):
        known = [one for one in group if score(one) > float("-inf")]
        if len(known) > 1:
            said.append(_where(known[0], names) + _best(known, against, sides))
    without = (against, "budget")
    others = [name for name in names if name not in without]
    for group in groups(found, without):
        known = [one for one in group if score(one) > float("-inf")]
        if front := _front(known):
            said.append(_where(known[0], others) + _front_text(front, against))
    return said


def unfinished(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a sentence on how many trials are finished; nothing if all are that can run."""
    every = distinct(one for one in outcomes if one.state != "refused")
    finished = sum(one.measured is not None for one in every)
    if finished == len(every):
        return []
    return [f"{finished} of {len(every)} trials are finished; the rest may change this."]


def _where(cell: Cell, names: Collection[str]) -> str:
    """Return what tells a group from the others, as the beginning of a sentence."""
    where = describe(cell.labels, names)
    return f"With {where}: " if where else ""


def _best(known: Sequence[Cell], against: str, sides: Collection[str]) -> str:
    """Return which cell has the best mean, and what is decided about it."""
    ranked = sorted(known, key=score, reverse=True)
    best, second = ranked[:2]
    key = best.task.primary_metric
    metric = best.task.reported[key]
    found = best.summary
    lead = abs(score(best) - score(second))
    text = "not available" if found is None else metric.spread(found.mean, found.deviation)
    said = (
        f"{_name(best, against)} has the best mean {metric.label}, {text}{metric.unit}; "
        f"{_name(second, against)} follows, {metric.difference(lead)[1:]} behind."
    )
    return f"{said} {_decision(ranked, against, sides)}"


def _decision(ranked: Sequence[Cell], against: str, sides: Collection[str]) -> str:
    """Return whether the first cell is better than each of the others."""
    if not enough_seeds(ranked):
        fewest = min(len(one.seeds) for one in ranked)
        return f"No winner is called: {fewest} of at least {FEWEST_SEEDS} seeds."
    rows = corrected([compare(ranked[0], other, sides) for other in ranked[1:]])
    faults = [row.fault for row in rows if row.fault is not None]
    if faults:
        return f"No winner is called: {faults[0]}."
    undecided = [row for row in rows if not _ahead(row)]
    if not undecided:
        return f"It is better than each of the others ({_tests(rows)})."
    names = [_name(row.reference, against) for row in undecided if row.reference is not None]
    least = max(row.difference.repeats.smallest_p for row in rows if row.difference is not None)
    reach = (
        f"; {count(len(rows), 'comparison')} would need more repeats, since p over repeats is at "
        f"least {min(1.0, least * len(rows)):.2g} after correction"
        if least * len(rows) >= 0.05
        else ""
    )
    if len(undecided) == len(rows):
        return f"Whether it is better than any of the others is {NOT_DECIDED}{reach}."
    return (
        f"It is better than {len(rows) - len(undecided)} of the {len(rows)} others; against "
        f"{listing(names)} it is {NOT_DECIDED}{reach}."
    )


def _ahead(row: Row) -> bool:
    return row.decided and row.difference is not None and row.difference.gain > 0


def _tests(rows: Sequence[Row]) -> str:
    tests = "tests over recordings and over repeats"
    if any(row.p_recordings is None for row in rows):
        tests = "test over repeats"
    return f"{tests}, corrected for {count(len(rows), 'comparison')}"


def _front(known: Sequence[Cell]) -> list[Cell]:
    """Return the cells that no smaller or equal one beats in mean, smallest first.

    Empty if all cells have equally many parameters.
    """
    if len({one.parameters for one in known}) < 2:
        return []
    front: list[Cell] = []
    for one in sorted(known, key=lambda one: (one.parameters, -score(one))):
        if not front or score(one) > score(front[-1]):
            front.append(one)
    return front


def _front_text(front: Sequence[Cell], against: str) -> str:
    """Return which cell has the best mean for each number of parameters."""
    task = front[0].task
    metric = task.reported[task.primary_metric]
    steps = [
        f"from {one.parameters:,} {describe(one.labels, (against, 'budget'))} "
        f"({metric.text(abs(score(one)))})"
        for one in front
    ]
    return f"Best mean by number of trained parameters without the head: {', '.join(steps)}."


def _name(cell: Cell, against: str) -> str:
    return describe(cell.labels, (against,))
