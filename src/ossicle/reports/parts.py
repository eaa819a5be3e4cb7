"""The parts of a report, as plain data: what a study computes and a page shows.

All text is plain text, which the page, CSV and LaTeX escape.

**Figures** are traces and layout of plotly.js. The page adds colours, symbols, dashes, fonts,
margins and width, in the light and the dark colour scheme; leave them out. The entry `meta` of a
trace says what the trace is:

    {"series": 2}           its series, from 0. Traces of one series have the same colour, symbol
                            and dash, in all subplots. Default: its position among the traces that
                            are neither bands, references nor background.
    {"role": "band"}        an interval around a series, such as a confidence interval: filled in
                            the colour of the series, without a line. Give `series` too.
    {"role": "reference"}   something to compare with, such as chance: grey and dotted
    {"role": "background"}  points that are there for orientation: grey
    {"scale": "diverging"}  a heat map of values around zero; otherwise its scale is sequential

Strings in traces and layout are plain text too: `<br>` would be shown as it is. Only
`hovertemplate` and `texttemplate` are markup. They never contain text from users' files; they refer
to it: `%{x}`, `%{text}`, `%{fullData.name}`, `%{customdata[0]}`. A layout has no title (the page
shows that of the figure) and may have a `height` in pixels.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: What is shown, such as `85.3 ± 0.4`.
        value: The number behind it, for sorting, CSV and JSON; None for text.
        deviation: Its standard deviation, if it is a mean.
        strong: Whether to emphasise it, as the best of its column.
    """

    text: str
    value: float | None = None
    deviation: float | None = None
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        name: File name of its CSV and LaTeX files, without a suffix: small letters, digits and
            hyphens. Unique in the report.
        title: Heading.
        columns: Column headings.
        rows: A cell for each column; the first column names the row.
        notes: Sentences below the table: what its p-values are about, where published values come
            from, and what is missing.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        _check_name(self.name)
        widths = {len(row) for row in self.rows} - {len(self.columns)}
        if widths or not self.columns:
            raise ValueError(
                f"table '{self.name}' has {len(self.columns)} columns and a row of {widths} cells"
            )


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An interactive plot; see above for its traces and layout.

    Attributes:
        name: Name for links and downloads: small letters, digits and hyphens. Unique in the report.
        title: Heading.
        traces: Traces of plotly.js, as plain data: no arrays, and None for a missing value.
        layout: Layout of plotly.js, as plain data.
        about: What the plot shows, in one or two sentences; also its text alternative.
    """

    name: str
    title: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    about: str

    def __post_init__(self) -> None:
        _check_name(self.name)


Part: TypeAlias = Table | Figure | str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with paragraphs (text), tables and figures.

    Attributes:
        title: The heading.
        parts: What is below it.
        opens: Whether the section is shown before what was run, because the report is made for it.
    """

    title: str
    parts: Sequence[Part]
    opens: bool = False


@dataclass(frozen=True, kw_only=True)
class Report:
    """A report on a study.

    Attributes:
        title: Its title.
        command: The command that reproduces it.
        verdict: Sentences that state the result, the most important first.
        facts: What was run, by heading: data, backbone, task, trials.
        sections: The results.
        failed: Trials that failed: their labels as text, and the reason.
        missing: Sentences on what is not there yet: trials pending or running.
        environment: Versions of packages and the platform.
    """

    title: str
    command: str
    verdict: Sequence[str]
    facts: Mapping[str, str]
    sections: Sequence[Section]
    failed: Sequence[tuple[str, str]] = ()
    missing: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or len(name) > 100:
        raise ValueError(f"'{name}' must consist of small letters, digits and single hyphens")
