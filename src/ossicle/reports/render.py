"""A report as one HTML page that holds everything it needs."""

import hashlib
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from ossicle import strict_json
from ossicle.html import printable
from ossicle.reports.parts import Cell, Figure, Part, Report, Table
from ossicle.reports.tables import numeric_columns, to_csv, to_latex

_PAGE: Final = Path(__file__).parent / "page"


def render(report: Report) -> str:
    """Return a report as a page; plotly's script is part of it if there is a plot."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    figures = [part for section in report.sections for part in section.parts if _is_plot(part)]
    script = (_PAGE / "page.js").read_text("utf-8")
    plotly, plots = (_plotly(), (_PAGE / "plots.js").read_text("utf-8")) if figures else ("", "")
    environment = Environment(
        loader=FileSystemLoader(_PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    return environment.get_template("page.html").render(
        report=report,
        sections=[
            {
                "id": f"section-{number}",
                "title": section.title,
                "opens": section.opens,
                "parts": [_shown(part) for part in section.parts],
            }
            for number, section in enumerate(report.sections, 1)
        ],
        contents=_contents(report),
        failed=_shown(failed) if (failed := failed_table(report)) else None,
        figures=Markup(_data(figures)) if figures else "",
        plotly=Markup(plotly),
        plots=Markup(plots),
        script=Markup(script),
        style=Markup((_PAGE / "page.css").read_text("utf-8")),
        policy=_policy([plotly, plots, script]),
    )


def failed_table(report: Report) -> Table | None:
    """Return the failed trials as a table; None if there are none."""
    if not report.failed:
        return None
    return Table(
        name="failed-trials",
        title="Failed trials",
        columns=("trial", "reason"),
        rows=[(Cell(text=labels), Cell(text=reason)) for labels, reason in report.failed],
    )


def _is_plot(part: Part) -> bool:
    return isinstance(part, Figure) and bool(part.traces)


def _shown(part: Part) -> Any:
    """Return what the template shows of a part."""
    if not isinstance(part, Table):
        return part
    return {
        "name": part.name,
        "title": part.title,
        "columns": part.columns,
        "rows": part.rows,
        "notes": part.notes,
        "numeric": numeric_columns(part),
        "csv": to_csv(part),
        "tex": to_latex(part),
    }


def _contents(report: Report) -> list[tuple[str, str]]:
    """Return the sections of the page: where each is, and its title."""
    numbered = list(enumerate(report.sections, 1))
    opening, others = (
        [(f"section-{number}", one.title) for number, one in numbered if one.opens is opens]
        for opens in (True, False)
    )
    return [
        *opening,
        ("what-was-run", "What was run"),
        *others,
        *([("failed-trials", "Failed trials")] if report.failed else []),
        *([("environment", "Environment")] if report.environment else []),
    ]


def _data(figures: Sequence[Any]) -> str:
    """Return the data of the plots as JSON in which no text can end the element around it."""
    plain = [{"name": one.name, "traces": one.traces, "layout": one.layout} for one in figures]
    return strict_json.dumps(plain).replace("<", "\\u003c")


def _policy(scripts: Sequence[str]) -> str:
    """Return a Content-Security-Policy that allows these scripts, and no request at all."""
    hashes = [b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts if one]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    script: str = get_plotlyjs()
    return script
