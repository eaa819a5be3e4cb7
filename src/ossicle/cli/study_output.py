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
NAME_WIDTH: Final = 26  # of the first column
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
    for table in _first_tables(report):
        print_report_table(table, {name for one in found.outcomes for name in one.trial.labels})
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
    """Print a table in parts that fit on the terminal.

    Args:
        table: The table.
        labels: Columns that are repeated in each part, as far as the table begins with them.
    """
    print(f"\n{filled(table.title)}")
    kept = max(1, sum(1 for _ in takewhile(lambda name: name in labels, table.columns)))
    rows = [
        ["\n".join(o.wrapped(row[0].text, NAME_WIDTH)), *(cell.text for cell in row[1:])]
        for row in table.rows
    ]
    for part in _parts(table.columns, rows, kept):
        columns = [*range(kept), *part]
        body = [[row[n] for n in columns] for row in rows]
        o.print_table([table.columns[n] for n in columns], body, right=1)
    for note in table.notes:
        print(filled(note))


def _parts(columns: Sequence[str], rows: Sequence[Sequence[str]], kept: int) -> list[list[int]]:
    """Return the numbers of the columns of each part, without those that all parts have."""
    cells = [[name, *(row[n] for row in rows)] for n, name in enumerate(columns)]
    widths = [
        PADDING + max(len(line) for cell in column for line in cell.split("\n")) for column in cells
    ]
    room = get_terminal_size().columns - sum(widths[:kept])
    parts: list[list[int]] = [[]]
    used = 0
    for number, width in list(enumerate(widths))[kept:]:
        if parts[-1] and used + width > room:
            parts.append([])
            used = 0
        parts[-1].append(number)
        used += width
    return parts


def filled(text: str) -> str:
    """Return a text in lines as wide as the terminal."""
    return fill(text, get_terminal_size().columns, break_on_hyphens=False)
