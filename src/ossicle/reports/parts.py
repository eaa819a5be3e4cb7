"""The parts of a report, as plain data: what a study computes and a page shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias


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
        name: File name of its CSV and LaTeX files, without a suffix.
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


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An interactive plot.

    Attributes:
        name: Unique name, for links.
        title: Heading.
        traces: Traces of plotly, as plain data.
        layout: Layout of plotly, as plain data; colours, fonts and margins are the page's.
        about: What the plot shows, in one or two sentences; also its text alternative.
    """

    name: str
    title: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    about: str


Part: TypeAlias = Table | Figure | str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with paragraphs (text), tables and figures."""

    title: str
    parts: Sequence[Part]


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
