"""Rows of a table: each cell with its difference to a reference, corrected over the table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from ossicle.errors import RunError
from ossicle.statistics.correction import holm
from ossicle.studies.analysis.cell import Cell, groups
from ossicle.studies.analysis.difference import Difference, difference
from ossicle.trials.trial import Label


@dataclass(frozen=True)
class Row:
    """A cell and its difference to a reference.

    Attributes:
        cell: The cell.
        reference: The cell that it is compared with; None for the reference itself.
        difference: Cell minus reference; None if there is none.
        p_recordings: p of the test over recordings, corrected by Holm's method.
        p_repeats: p of the test over repeats, corrected by Holm's method.
        fault: Why the two cannot be compared; None if they can.
    """

    cell: Cell
    reference: Cell | None = None
    difference: Difference | None = None
    p_recordings: float | None = None
    p_repeats: float | None = None
    fault: str | None = None

    @property
    def decided(self) -> bool:
        """Whether both corrected p-values are below 0.05, and both tests point in one direction."""
        tests = [self.p_repeats]
        if self.difference is not None and self.difference.recordings is not None:
            tests.append(self.p_recordings)
        small = all(p is not None and p < 0.05 for p in tests)
        return small and self.difference is not None and self.difference.tests_agree


def rows_of(
    found: Sequence[Cell], against: str, reference: Label | None, sides: Collection[str]
) -> list[Row]:
    """Return a row for each cell, compared with the reference of its group.

    Args:
        found: The cells of a table.
        against: The label that is compared; a group has equal other labels.
        reference: Value of that label in the reference; None: that of the first cell.
        sides: Sides of the split that compared cells must have in common.
    """
    wanted = found[0].labels.get(against) if reference is None else reference
    first_of = {
        id(one): group_reference
        for group in groups(found, (against,))
        for group_reference in [next((c for c in group if c.labels.get(against) == wanted), None)]
        for one in group
    }
    return corrected([compare(one, first_of[id(one)], sides) for one in found])


def compare(cell: Cell, reference: Cell | None, sides: Collection[str]) -> Row:
    """Return the row of a cell, with p-values that are not corrected."""
    if reference is None or reference is cell:
        return Row(cell)
    try:
        found = difference(cell, reference, sides=sides)
    except RunError as error:
        return Row(cell, reference, fault=str(error))
    if found is None:
        return Row(cell, reference)
    recordings = None if found.recordings is None else found.recordings.p_value
    repeats = found.repeats.p_value if found.repeats.num_repeats > 1 else None
    return Row(cell, reference, found, recordings, repeats)


def corrected(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with both kinds of p-values corrected over all of them."""
    recordings = holm([row.p_recordings for row in rows])
    repeats = holm([row.p_repeats for row in rows])
    return [
        replace(row, p_recordings=one, p_repeats=other)
        for row, one, other in zip(rows, recordings, repeats, strict=True)
    ]
