"""What a study prints at its end: the verdict, its first tables, and where the rest is."""

import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from itertools import takewhile
from shutil import get_terminal_size
from textwrap import fill
from typing import Final

from ossicle.cli import options as o
from ossicle.reports.parts import Report, Table
from ossicle.studies.run import StudyOutcome

PAGE: Final = "report.html"
NAME_WIDTH: Final = 26  # of columns that are repeated
NARROWEST: Final = 20  # to which texts are wrapped; longer ones are aligned to the left
CLAIMS: Final = {"claim", "where"}  # columns that tell claims apart
PADDING: Final = 3  # between two columns
SHOWN: Final = 10  # failed trials


def print_study(found: StudyOutcome, *, json: bool) -> None:
    """Print the result of a study as text, or as one JSON object."""
    report = found.report
    assert report is not None, "a command of the command line writes a report"
    if json:
        o.print_json({"out": str(found.folder), **asdict(report)})
        return
    for sentence in [*report.verdict, *report.missing]:
        print(filled(sentence))
    labels = {name for one in found.outcomes for name in one.trial.labels}
    for table in _first_tables(report):
        print_report_table(table, labels | CLAIMS)
    if report.failed:
        print(f"failed trials: {len(report.failed)}", file=sys.stderr)
        for trial, reason in report.failed[:SHOWN]:
            print(f"  {trial}: {reason}", file=sys.stderr)
        if len(report.failed) > SHOWN:
            print(f"  ... {len(report.failed) - SHOWN} others", file=sys.stderr)
    print(f"report: {found.folder / PAGE}")


def _first_tables(report: Report) -> list[Table]:
    """Return the tables of the first section that has any."""
    parts = [[one for one in each.parts if isinstance(one, Table)] for each in report.sections]
    return next(filter(None, parts), [])


def print_report_table(table: Table, labels: Collection[str]) -> None:
    """Print a table in parts that fit on the terminal; long texts are wrapped.

    Args:
        table: The table.
        labels: Columns that are repeated in each part, as far as the table begins with them.
    """
    print(f"\n{filled(table.title)}")
    kept = max(1, sum(1 for _ in takewhile(lambda name: name in labels, table.columns)))
    columns = [[name, *(row[n].text for row in table.rows)] for n, name in enumerate(table.columns)]
    named = [_wrapped(cells, NAME_WIDTH) for cells in columns[:kept]]
    room = get_terminal_size().columns - sum(map(_width, named))
    others = [_wrapped(cells, max(room - PADDING, NARROWEST)) for cells in columns[kept:]]
    for part in _parts([_width(cells) for cells in others], room):
        shown = [*named, *(others[n] for n in part)]
        (heading, *rows) = map(list, zip(*shown, strict=True))
        texts = [n for n, cells in enumerate(shown) if _is_text(cells)]
        o.print_table(heading, rows, right=1, left=texts)
    for note in table.notes:
        print(filled(note))


def _wrapped(cells: Sequence[str], width: int) -> list[str]:
    return ["\n".join(o.wrapped(cell, width)) for cell in cells]


def _width(cells: Sequence[str]) -> int:
    """Return the room that a column needs, with that to the next one."""
    return PADDING + max(len(line) for cell in cells for line in cell.split("\n"))


def _is_text(cells: Sequence[str]) -> bool:
    """Return whether a column has longer texts, which are easier to read from the left."""
    return max(map(len, cells[1:]), default=0) > NARROWEST


def _parts(widths: Sequence[int], room: int) -> list[list[int]]:
    """Return the numbers of the columns of each part, which fits into a room."""
    parts: list[list[int]] = [[]]
    used = 0
    for number, width in enumerate(widths):
        if parts[-1] and used + width > room:
            parts.append([])
            used = 0
        parts[-1].append(number)
        used += width
    return parts


def filled(text: str) -> str:
    """Return a text in lines as wide as the terminal."""
    return fill(text, get_terminal_size().columns, break_on_hyphens=False)
