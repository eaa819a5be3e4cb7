"""Every way at every size, compared with other ways to a small adapter.

unpruned      what is lost, or gained: the recipe as it was, without further training
trained on    the same with as many epochs in all
from scratch  whether a small adapter need be large first, at equal epochs and size
random        whether the importance of a way says anything
magnitude     whether it says more than the size of weights
"""

from collections.abc import Callable, Sequence
from typing import Final

from ossicle.reports.parts import Cell as Shown
from ossicle.reports.parts import Table
from ossicle.studies.adaptation.gains import difference_of, mean_of, p_of
from ossicle.studies.analysis.difference import SIDES
from ossicle.studies.analysis.rows import Row, compare, corrected
from ossicle.studies.analysis.text import count
from ossicle.studies.pruning.panel import WHOLE, Panel
from ossicle.studies.pruning.plan import KEPT, ON, PRUNING, SCRATCH, UNPRUNED

REFERENCES: Final = (UNPRUNED, ON, SCRATCH, "random", "magnitude")


def comparisons(panel: Panel, number: int) -> list[Table]:
    """Return a table for each reference."""
    by_reference = {reference: compared_with(panel, reference) for reference in REFERENCES}
    return [
        _compared(panel, reference, rows, number)
        for reference, rows in by_reference.items()
        if any(row.difference is not None for row in rows)
    ]


def compared_with(panel: Panel, reference: str) -> list[Row]:
    """Return each way at each share, compared with a reference, corrected over all of them."""
    pairs = [
        (cell, other)
        for share in panel.shares
        for way in panel.ways
        if way != reference
        and (cell := panel.cell(way, share)) is not None
        and (other := panel.cell(reference, share)) is not None
    ]
    return corrected([compare(cell, other, SIDES) for cell, other in pairs])


def _compared(panel: Panel, reference: str, rows: Sequence[Row], number: int) -> Table:
    metric = panel.metric
    columns: list[tuple[str, Callable[[Row], Shown]]] = [
        ("pruning", lambda row: Shown(text=str(row.cell.labels[PRUNING]))),
        ("kept", lambda row: Shown(text=f"{row.cell.labels[KEPT]:.0%}")),
        ("parameters", lambda row: Shown(text=f"{row.cell.parameters:,}")),
        (metric.label, lambda row: mean_of(row.cell, panel.task)),
        (reference, lambda row: mean_of(row.reference, panel.task)),
        ("difference (95 % interval)", lambda row: difference_of(row, metric)),
        ("p over recordings", lambda row: p_of(row.p_recordings)),
        ("p over repeats", lambda row: p_of(row.p_repeats)),
        ("decided", lambda row: Shown(text="yes" if row.decided else "no")),
    ]
    known = sum(row.difference is not None for row in rows)
    return Table(
        name=f"against-{reference.replace(' ', '-')}-{number}",
        title=f"Compared with {reference}: {panel.name}",
        columns=[heading for heading, _ in columns],
        rows=[[show(row) for _, show in columns] for row in rows],
        notes=[
            f"Each way at each size minus {reference}"
            f"{'' if reference in WHOLE else ' at the same size'}, on the same test recordings "
            "with the same seeds; positive is better. The interval is over seeds. Each kind of p "
            f"is corrected for {count(known, 'comparison')} by Holm's method; decided: both are "
            "below 0.05, and both differences have the same sign.",
            *dict.fromkeys(row.fault for row in rows if row.fault is not None),
        ],
    )
