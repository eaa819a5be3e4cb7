"""How the command line prints the tables of a report on a narrow terminal."""

from dataclasses import replace

import pytest

from ossicle.cli.study_output import print_report_table
from ossicle.reports.parts import Cell, Table

STATEMENT = (
    "Houlsby adapters and LoRA lead a linear probe with one rate for all of them "
    "(Cappellazzo et al. 2023, table I)"
)
TABLE = Table(
    name="verdicts",
    title="Verdicts",
    columns=["claim", "where", "in our words", "verdict", "difference (95 % interval)", "seeds"],
    rows=[
        [
            Cell(text=one)
            for one in (
                *("D1b", "data fsdd:corpora/fsdd, backbone tiny-hubert", STATEMENT),
                *("not decided at this size", "+0.5 (-1.6 to +2.6) accuracy", "5"),
            )
        ],
        [Cell(text=one) for one in ("D5", "", "short", "holds", "–", "–")],
    ],
    notes=["p is corrected by Holm's method for 2 hypotheses, and this note is a long one too."],
)


@pytest.mark.parametrize("columns", [80, 100, 300])
def test_a_table_fits_on_the_terminal_with_all_its_text(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    print_report_table(TABLE, {"claim", "where"})
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= columns
    assert "…" not in printed
    words = printed.split()
    for text in (STATEMENT, "+0.5 (-1.6 to +2.6) accuracy", "data fsdd:corpora/fsdd,"):
        assert {*text.split()} <= {*words}
    parts = sum("claim" in line.split() for line in printed.splitlines())
    assert sum("D5" in line.split() for line in printed.splitlines()) == parts
    assert (parts == 1) == (columns == 300)


def test_a_word_that_is_longer_than_a_line_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = "emodb:corpora/emodb?map=" + "anger=happiness=neutral=sadness=" * 4
    table = replace(TABLE, rows=[[replace(TABLE.rows[0][0], text=long), *TABLE.rows[0][1:]]])
    print_report_table(table, {"claim", "where"})
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert "claim" in printed
    assert "anger=happiness" in printed


def test_a_longer_text_begins_at_the_left_and_numbers_end_at_the_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    rows = [[Cell(text=text) for text in one] for one in (("a", "1", STATEMENT), ("b", "10", "x"))]
    table = Table(name="t", title="T", columns=["name", "count", "about"], rows=rows)
    print_report_table(table, {"name"})
    lines = capsys.readouterr().out.splitlines()
    first, second = (next(one for one in lines if one.lstrip().startswith(n)) for n in ("a ", "b "))
    assert first.index("1") == second.index("10") + 1
    assert first.index("Houlsby") == second.index("x")
