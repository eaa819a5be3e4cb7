"""Writing a report: a page, JSON, and each table as CSV and LaTeX."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from ossicle import strict_json
from ossicle.errors import RunError
from ossicle.files import replace_file
from ossicle.html import printable
from ossicle.reports.parts import Part, Report, Table
from ossicle.reports.render import failed_table, render
from ossicle.reports.tables import to_csv, to_latex


def write_report(report: Report, folder: Path) -> Path:
    """Write `report.html`, `report.json`, and `tables/NAME.csv` and `.tex`; return the page.

    Each file is replaced as a whole, the page last.

    Args:
        report: The report.
        folder: Where the files go; made if it is missing.

    Raises:
        RunError: a file cannot be written.
        ValueError: two tables or plots have one name.
    """
    parts = [part for section in report.sections for part in section.parts]
    tables = [part for part in parts if isinstance(part, Table)]
    if failed := failed_table(report):
        tables.append(failed)
    _check_names(
        [
            *(part.name for part in parts if not isinstance(part, str | Table)),
            *(table.name for table in tables),
        ]
    )
    page = render(report)
    _make(folder / "tables")
    for table in tables:
        replace_file(folder / "tables" / f"{table.name}.csv", to_csv(table).encode())
        replace_file(folder / "tables" / f"{table.name}.tex", to_latex(table).encode())
    replace_file(folder / "report.json", _json(report))
    replace_file(folder / "report.html", page.encode())
    return folder / "report.html"


def _json(report: Report) -> bytes:
    data = {
        **vars(report),
        "facts": dict(report.facts),
        "environment": dict(report.environment),
        "sections": [
            {"title": section.title, "parts": [_plain(part) for part in section.parts]}
            for section in report.sections
        ],
    }
    text = printable(strict_json.dumps(data))
    return msgspec.json.format(text.encode(), indent=2) + b"\n"  # fast with many trials


def _plain(part: Part) -> dict[str, Any]:
    """Return a part with its kind, so that a reader need not guess it from the entries."""
    if isinstance(part, str):
        return {"kind": "text", "text": part}
    if isinstance(part, Table):
        rows = [[vars(cell) for cell in row] for row in part.rows]
        return {"kind": "table", **vars(part), "rows": rows}
    return {"kind": "figure", **vars(part)}


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(
            f"the folder '{folder}' cannot be made: {error.strerror or error}. Choose another "
            "folder for the report"
        ) from error


def _check_names(names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"the report has several tables or plots named '{twice[0]}'")
