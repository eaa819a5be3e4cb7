"""The files of a report: CSV, LaTeX, JSON, and what of the page needs no browser."""

import csv
import hashlib
import io
import json
import re
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

import made_up
from ossicle.errors import RunError
from ossicle.reports import Cell, Figure, Report, Section, Table, write_report
from ossicle.reports.tables import latex, to_csv, to_latex

TABLE = Table(
    name="methods",
    title="50 % of x_1 & y",
    columns=("recipe", "accuracy (%)"),
    rows=[
        [Cell(text="lora"), Cell(text="85.3 ± 0.4", value=85.26, deviation=0.41, strong=True)],
        [Cell(text="[0-2] a_b"), Cell(text="–")],
    ],
    notes=("p < 0.05",),
)


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_csv_has_values_without_rounding_and_a_column_of_deviations() -> None:
    assert rows_of(to_csv(TABLE)) == [
        ["recipe", "accuracy (%)", "accuracy (%) (deviation)"],
        ["lora", "85.26", "0.41"],
        ["[0-2] a_b", "–", ""],
    ]


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", " =1+1", "\t=1", "＝1+1"])
def test_csv_keeps_a_spreadsheet_from_running_text(text: str) -> None:
    table = Table(name="a", title="", columns=(text,), rows=[[Cell(text=text)]])
    assert rows_of(to_csv(table)) == [[f"'{text}"], [f"'{text}"]]


@pytest.mark.parametrize("text", ["-1.5", "+3", "-", "lora-1", "a=b", 'say "a", b', "two\nlines"])
def test_csv_leaves_other_text_as_it_is(text: str) -> None:
    table = Table(name="a", title="", columns=("x",), rows=[[Cell(text=text)]])
    assert rows_of(to_csv(table))[1] == [text]


def test_latex_is_a_table_with_escaped_text() -> None:
    assert to_latex(TABLE) == (
        "% \\usepackage[T1]{fontenc} \\usepackage{booktabs}\n"
        "\\begin{table}\n"
        "  \\centering\n"
        "  \\caption{50 \\% of x\\_1 \\& y}\n"
        "  \\label{tab:methods}\n"
        "  \\begin{tabular}{lr}\n"
        "    \\toprule\n"
        "    recipe & accuracy (\\%) \\\\\n"
        "    \\midrule\n"
        "    lora & \\textbf{85.3 $\\pm$ 0.4} \\\\\n"
        "    {[}0-2{]} a\\_b & -- \\\\\n"
        "    \\bottomrule\n"
        "  \\end{tabular}\n"
        "  \\par\\smallskip{\\footnotesize p \\textless{} 0.05\\par}\n"
        "\\end{table}\n"
    )


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("a\n\nb", "a b"),
        ("-1.2 to -3", "$-$1.2 to $-$3"),
        ("--seeds 1-2", "-{}-seeds 1-2"),
        ("\x00", "\N{REPLACEMENT CHARACTER}"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    assert latex(text) == escaped


def test_report_files_are_written_and_hold_the_report(tmp_path: Path) -> None:
    page = write_report(made_up.partial(), tmp_path / "study")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*"))
    tables = [
        f"study/tables/{name}{end}"
        for name in ("failed-trials", "methods")
        for end in (".csv", ".tex")
    ]
    assert found == ["study/report.html", "study/report.json", *tables]
    assert page == tmp_path / "study/report.html"
    data = json.loads((tmp_path / "study/report.json").read_text())
    assert data["verdict"] == ["5 of 12 trials are finished; no comparison is possible yet."]
    table, figure = data["sections"][0]["parts"]
    assert figure["kind"] == "figure"
    assert table["kind"] == "table"
    assert table["rows"][0][1] == {
        "text": "71.2 ± 1.1",
        "value": 71.2,
        "deviation": 1.1,
        "strong": False,
    }


class Page(HTMLParser):
    """Elements with their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            self.scripts[-1] += data


def test_hostile_text_adds_no_element_and_no_attribute(tmp_path: Path) -> None:
    harmless = {kind: re.sub("[^ ]", "x", text) for kind, text in made_up.HOSTILE.items()}
    pages = []
    for number, texts in enumerate((made_up.HOSTILE, harmless)):
        path = write_report(made_up.hostile(texts), tmp_path / str(number))
        pages.append(Page(path.read_text()).elements)
    shapes = [[(tag, sorted(attributes)) for tag, attributes in page] for page in pages]
    assert shapes[0] == shapes[1]
    assert not any(name.startswith("on") for _, names in shapes[0] for name in names)


def test_the_policy_allows_the_scripts_of_the_page_and_nothing_else(tmp_path: Path) -> None:
    page = Page(write_report(made_up.full(), tmp_path).read_text())
    (policy,) = [
        one["content"]
        for tag, one in page.elements
        if one.get("http-equiv") == "Content-Security-Policy"
    ]
    _, *scripts = page.scripts  # the first is data
    assert len(scripts) == 3
    hashes = [b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    assert policy == (
        f"default-src 'none'; script-src {allowed}; "
        "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def test_a_page_without_plots_is_small_and_says_what_it_cannot_plot(tmp_path: Path) -> None:
    page = write_report(made_up.partial(), tmp_path).read_text()
    assert len(page) < 60_000
    assert "There is nothing to plot yet." in page


def test_a_value_that_is_not_a_number_is_null_on_the_page_and_in_the_file(tmp_path: Path) -> None:
    figure = Figure(
        name="curve", title="", traces=[{"y": [1.0, float("nan")]}], layout={}, about=""
    )
    report = replace(made_up.empty(), sections=[Section(title="a", parts=[figure])])
    page = Page(write_report(report, tmp_path).read_text())
    assert json.loads(page.scripts[0]) == [
        {"name": "curve", "traces": [{"y": [1, None]}], "layout": {}}
    ]
    data = json.loads((tmp_path / "report.json").read_text())
    assert data["sections"][0]["parts"][0]["traces"] == [{"y": [1, None]}]


@pytest.mark.parametrize("name", ["", "../up", "Two", "a b", "a--b", "a" * 101])
def test_a_part_needs_a_name_that_is_fit_for_a_file(name: str) -> None:
    with pytest.raises(ValueError, match="must consist of small letters"):
        replace(TABLE, name=name)


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="has 2 columns and a row of"):
        replace(TABLE, rows=[[Cell(text="lora")]])


def test_two_parts_of_one_name_are_an_error(tmp_path: Path) -> None:
    report = replace(made_up.empty(), sections=[Section(title="a", parts=[TABLE, TABLE])])
    with pytest.raises(ValueError, match="several tables or plots named 'methods'"):
        write_report(report, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_error_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match=re.escape("cannot be made: Not a directory")):
        write_report(made_up.empty(), tmp_path / "file" / "study")


def test_no_text_is_lost_on_the_way_to_the_page(tmp_path: Path) -> None:
    report: Report = made_up.full()
    page = re.sub("</?span>", "", write_report(report, tmp_path).read_text())
    for text in (report.command, *report.facts.values(), *report.environment):
        assert text in page


@pytest.mark.thorough
def test_an_opening_section_is_shown_before_what_was_run(tmp_path: Path) -> None:
    answer, detail = (Section(title=name, parts=[f"{name}."]) for name in ("Answer", "Detail"))
    report = replace(made_up.full(), sections=[answer, detail])
    titles = {
        False: ["What was run", "Answer", "Detail"],
        True: ["Answer", "What was run", "Detail"],
    }
    for opens, expected in titles.items():
        shown = replace(report, sections=[replace(answer, opens=opens), detail])
        page = write_report(shown, tmp_path).read_text()
        assert re.findall(r"<h2>(.*?)</h2>", page)[:3] == expected
        assert re.findall(r'<li><a href="#[^"]*">(.*?)</a>', page)[:3] == expected
        links = re.findall(r'<li><a href="#([^"]*)">', page)
        assert set(links) <= set(re.findall(r'<section id="([^"]*)">', page))
