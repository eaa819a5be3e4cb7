"""What a reader sees and can do on the page of a report, in Chromium."""

import itertools
import json
import re
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import made_up
import made_up_plots
from browser import TEXTS, Browser, chromium
from colours import VISION, contrast, hexadecimal, lab, linear, rgb
from ossicle.reports import Figure, write_report

pytestmark = [pytest.mark.slow, pytest.mark.browser]

MARKS = ".scatterlayer .trace, .barlayer .trace, .boxlayer .trace, .heatmaplayer .hm"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    return {kind: write_report(make(), folder / kind) for kind, make in made_up.KINDS.items()}


@pytest.fixture
def full(browser: Browser, pages: dict[str, Path]) -> Browser:
    """The browser with the page of one of everything."""
    browser.width(1440)
    browser.scheme("light")
    if browser.driver.current_url != pages["full"].as_uri():
        browser.open(pages["full"])
    return browser


@pytest.mark.parametrize("kind", made_up.KINDS)
def test_a_page_opens_without_messages_requests_or_scrolling_sideways(
    browser: Browser, pages: dict[str, Path], kind: str
) -> None:
    browser.width(390)
    browser.open(pages[kind])
    for width in (390, 1440):
        browser.width(width)
        assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.messages() == []
    assert browser.requests() == [pages[kind].as_uri()]
    assert browser.run("return document.querySelectorAll('.plot.failed').length") == 0
    assert browser.run("return document.title") != "run"


def test_every_trace_of_every_plot_is_drawn(full: Browser) -> None:
    parts = [part for section in made_up.full().sections for part in section.parts]
    expected = {part.name: len(part.traces) for part in parts if isinstance(part, Figure)}
    drawn = full.run(
        "return Object.fromEntries([...document.querySelectorAll('.plot')].map("
        "(e) => [e.dataset.figure, e.querySelectorAll(arguments[0]).length]))",
        MARKS,
    )
    assert drawn == expected


def test_a_heat_map_fills_the_plot_after_a_change_of_width(full: Browser) -> None:
    cells = "document.querySelector('[data-figure=weights] .heatmaplayer')"
    wide = f"{cells}.getBoundingClientRect().width"
    full.width(390)
    full.until(f"{wide} < 300")
    full.width(1440)
    full.until(f"{wide} > 300")
    assert full.run(f"return {wide}") > 650
    assert full.run("return document.querySelectorAll('[data-figure=weights] .cbaxis').length") == 1


def test_text_has_contrast_in_both_schemes_and_when_the_scheme_changes(full: Browser) -> None:
    faults = []
    grounds = {"light": "rgb(255, 255, 255)", "dark": "rgb(21, 23, 26)"}
    for scheme, ground in grounds.items():
        full.scheme(scheme)
        full.until(f"getComputedStyle(document.body).backgroundColor === '{ground}'")
        full.until(f"document.querySelector('.xtitle').style.fill === '{ink(full)}'")
        found = full.run(TEXTS)
        assert len(found) > 300
        faults += [(scheme, *one) for one in found if contrast(rgb(one[1]), rgb(one[2])) < 4.5]
        for cell in ("low", "pale-high", "pale-below"):  # the cells of a heat map with numbers
            if contrast(variable(full, "ink"), variable(full, cell)) < 4.5:
                faults.append((scheme, cell))
    assert faults == []


def test_series_are_told_apart_by_the_colour_blind(full: Browser) -> None:
    for scheme in ("light", "dark"):
        full.scheme(scheme)
        colours = [hexadecimal(one) for one in style(full, "series").split()]
        for matrix in VISION.values():
            seen = [lab(np.asarray(matrix) @ linear(colour)) for colour in colours]
            distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
            assert min(distances) > 15  # CIELAB; 2.3 is just noticeable


def test_the_legend_has_each_series_once(full: Browser) -> None:
    names = full.run(
        "return ['few-shot', 'tsne'].map((name) => [...document.querySelectorAll("
        "`[data-figure=${name}] .legendtext`)].map((e) => e.textContent))"
    )
    assert [len(one) for one in names] == [len(made_up_plots.METHODS) + 1, 5]
    assert names[0][:2] == ["linear", "lora(rank=8)"]


def test_series_differ_in_symbol_and_dash_too(full: Browser) -> None:
    lines, symbols = full.run(
        "const plot = document.querySelector('[data-figure=few-shot]');"
        "const each = (s, f) => [...plot.querySelectorAll(s)].map(f);"
        "return [each('.lines .js-line', (e) => e.style.strokeDasharray),"
        "        each('.trace .points', (e) => e.querySelector('path')?.getAttribute('d')"
        "               .replace(/[-\\d.]+/g, (n) => Math.round(n)))]"
    )
    series = len(made_up_plots.METHODS)
    assert len(set(symbols) - {None}) == series
    assert len(set(lines)) >= 6  # six dashes for seven series


def test_plots_show_text_as_it_is(browser: Browser, pages: dict[str, Path]) -> None:
    browser.width(1440)
    browser.open(pages["hostile"])
    shown = browser.run(
        "return [...document.querySelectorAll('.legendtext, .xtitle')].map((e) => e.textContent)"
    )
    assert "a <b>b</b> & c" in shown
    assert made_up.HOSTILE["script"] in shown


def test_labels_of_points_cover_neither_points_nor_each_other(full: Browser) -> None:
    shown, overlaps = full.run(
        "const every = (s) => [...document.querySelectorAll(`[data-figure=sizes] ${s}`)];"
        "const labels = every('.textpoint').filter((e) => e.style.visibility !== 'hidden');"
        "const boxes = [...labels, ...every('path.point')].map((e) => e.getBoundingClientRect());"
        "return [labels.length, boxes.slice(0, labels.length).flatMap((a, i) => boxes.slice(i + 1)"
        "  .filter((b) => a.left < b.right && b.left < a.right && a.top < b.bottom"
        "                 && b.top < a.bottom)).length]"
    )
    assert shown > 3
    assert overlaps == 0


@pytest.mark.thorough
def test_paper_has_the_light_colours_and_all_plots(full: Browser) -> None:
    fill = "document.querySelector('.xtitle').style.fill"
    full.scheme("dark")
    full.until(f"{fill} === '{ink(full)}'")
    dark = ink(full)
    full.run("dispatchEvent(new Event('beforeprint'))")
    assert ink(full) != dark
    assert full.run(f"return {fill}") == ink(full)
    full.run("dispatchEvent(new Event('afterprint'))")
    assert full.run(f"return {fill}") == ink(full) == dark
    pdf = b64decode(full.devtools("Page.printToPDF", printBackground=True)["data"])
    assert len(re.findall(rb"/Type */Page\b", pdf)) > 5


@pytest.mark.thorough
def test_data_and_drawing_of_a_plot_can_be_saved(full: Browser, tmp_path: Path) -> None:
    full.devtools("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    full.scheme("dark")
    for kind in ("json", "svg"):
        full.run(f"document.querySelector('#part-few-shot [data-save={kind}]').click()")
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("few-shot.*[ng]"))) < 2:  # not the parts of a download
        assert time.monotonic() < end
        time.sleep(0.02)
    data = json.loads((tmp_path / "few-shot.json").read_text())
    assert data["traces"] == json.loads(json.dumps(made_up_plots.curves().traces))
    drawing = (tmp_path / "few-shot.svg").read_text()
    assert drawing.startswith("<svg")
    assert "rgb(255, 255, 255)" in drawing  # on paper's white, whatever the scheme of the page


@pytest.mark.thorough
def test_the_command_is_copied(full: Browser) -> None:
    full.run("document.querySelector('[data-copy]').focus()")
    full.press("\ue007")  # Enter
    full.until("document.querySelector('.said').textContent")
    assert full.run("return document.querySelector('.said').textContent") == "Copied"


def test_tables_are_reached_and_sorted_by_keyboard(full: Browser, pages: dict[str, Path]) -> None:
    full.open(pages["full"])  # the focus is at the start
    reached, unmarked = [], []
    while reached.count("scroll") < 2 and len(reached) < 60:
        full.press("\ue004")  # Tab
        name, outline = full.run(
            "const e = document.activeElement;"
            "return [e.className || e.textContent, getComputedStyle(e).outlineStyle]"
        )
        reached.append(name)
        unmarked += [name] if outline == "none" else []
    assert reached[0] == "skip"
    assert unmarked == []
    assert {"trained parameters", "accuracy 4", "Copy the command"} <= set(reached)
    assert reached.count("scroll") == 2
    full.run("document.querySelectorAll('thead button')[2].focus()")
    orders = []
    for _ in range(3):
        full.press("\ue007")  # Enter
        orders.append(
            full.run(
                "const table = document.querySelector('table');"
                "return [table.querySelectorAll('thead th')[2].ariaSort,"
                "        [...table.tBodies[0].rows].map((row) => row.cells[2].textContent)]"
            )
        )
    given = [row[2].text for row in made_up.methods_table().rows]
    rising = sorted(
        (text for text in given if text != "–"), key=lambda text: float(text.split()[0])
    )
    assert orders == [
        ["ascending", [*rising, "–"]],
        ["descending", [*rising[::-1], "–"]],
        [None, given],
    ]


def style(browser: Browser, name: str) -> str:
    script = "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0])"
    value: str = browser.run(script, f"--{name}")
    return value.strip()


def variable(browser: Browser, name: str) -> NDArray[np.float64]:
    return hexadecimal(style(browser, name))


def ink(browser: Browser) -> str:
    return "rgb({:.0f}, {:.0f}, {:.0f})".format(*(255 * variable(browser, "ink")))
