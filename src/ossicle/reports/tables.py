"""Tables as CSV and as LaTeX."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

from ossicle.html import printable
from ossicle.reports.parts import Cell, Table

# A spreadsheet runs a cell that begins like this, OWASP "CSV Injection"; wide forms in some locales
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r＝＋－＠]\s*\S")
_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        '"': r"\textquotedbl{}",
        "[": "{[}",  # the line break before a row takes [...] and * for its arguments
        "]": "{]}",
        "*": "{*}",
        "±": r"$\pm$",
        "×": r"$\times$",
        "−": "$-$",
        "–": "--",
        "—": "---",
        "…": r"\ldots{}",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "→": r"$\to$",
        "\N{NO-BREAK SPACE}": "~",
        "\N{THIN SPACE}": r"\,",
    }
)


def numeric_columns(table: Table) -> list[bool]:
    """Return which columns hold numbers: those with a value in any row."""
    return [
        any(row[number].value is not None for row in table.rows)
        for number in range(len(table.columns))
    ]


def to_csv(table: Table) -> str:
    """Return a table as CSV.

    A cell with a value is that number, without rounding. A column that has deviations is followed
    by one of them. Text that a spreadsheet would run as a formula is preceded by an apostrophe.
    """
    spread = [
        any(row[number].deviation is not None for row in table.rows)
        for number in range(len(table.columns))
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    header: list[str] = []
    for column, has_deviation in zip(table.columns, spread, strict=True):
        header += [_csv_text(column)]
        header += [_csv_text(f"{column} (deviation)")] if has_deviation else []
    writer.writerow(header)
    for row in table.rows:
        writer.writerow(_csv_row(row, spread))
    return file.getvalue()


def _csv_row(row: Sequence[Cell], spread: Sequence[bool]) -> list[str]:
    entries = []
    for cell, has_deviation in zip(row, spread, strict=True):
        entries += [_csv_text(cell.text) if cell.value is None else repr(float(cell.value))]
        if has_deviation:
            entries += ["" if cell.deviation is None else repr(float(cell.deviation))]
    return entries


def _csv_text(text: str) -> str:
    text = printable(text)
    try:
        float(text)
    except ValueError:
        return f"'{text}" if _FORMULA.match(text) else text
    return text


def to_latex(table: Table) -> str:
    """Return a table for LaTeX with the package booktabs.

    Characters beyond Latin scripts need XeLaTeX or LuaLaTeX and a font that has them.
    """
    columns = "".join("r" if number else "l" for number in numeric_columns(table))
    lines = [
        r"% \usepackage[T1]{fontenc} \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{latex(table.title)}}}",
        rf"  \label{{tab:{table.name}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        rf"    {' & '.join(latex(column) for column in table.columns)} \\",
        r"    \midrule",
        *(rf"    {' & '.join(_latex_cell(cell) for cell in row)} \\" for row in table.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        *(rf"  \par\smallskip{{\footnotesize {latex(note)}\par}}" for note in table.notes),
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _latex_cell(cell: Cell) -> str:
    text = latex(cell.text)
    return rf"\textbf{{{text}}}" if cell.strong else text


def latex(text: str) -> str:
    """Return plain text on one line for LaTeX, with its special characters escaped."""
    line = re.sub(r"\s*[\n\t]\s*", " ", printable(text))
    line = re.sub(r"(?<!\S)-(?=[\d.])", "−", line)  # a minus sign, not a hyphen
    escaped = line.translate(_LATEX)
    return re.sub(r"-(?=-)", "-{}", escaped) if "--" in line else escaped
