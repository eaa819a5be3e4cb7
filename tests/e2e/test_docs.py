"""The code blocks of all pages run, and pages mention everything that exists.

A page's blocks share one new folder, in which `src` is the repository's. In order:

    ```console   lines that begin with `$ ` are run and must exit with status 0; the other lines
                 show what came out once and are not compared
    ```python    is executed, in one namespace for the page
    ```text      and anything else is only shown
"""

import dataclasses
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
import typer

from ossicle.cli.main import app
from ossicle.data.corpora import CORPORA
from ossicle.errors import OssicleError
from ossicle.methods import METHODS
from ossicle.recipes.presets import PRESETS
from ossicle.tasks import TASKS
from ossicle.tasks.decoder import DECODERS
from ossicle.votes import VOTES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = typer.main.get_command(app).commands


def blocks(page, *kinds):
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(kind, text) for kind, text in found if not kinds or kind in kinds]


def name_of(page):
    return page.relative_to(ROOT).as_posix()


RUN = [page for page in PAGES if blocks(page, "console", "python")]
TRAINING = re.compile(r"ossicle (train|compare|study \w)|\btrain\(config")
TRAINS = [
    page for page in RUN if any(TRAINING.search(t) for _, t in blocks(page, "console", "python"))
]
all_pages = pytest.mark.parametrize("page", PAGES, ids=name_of)


def marks(page):
    """Commands start processes of seconds; CI trains as a new user would, not in every guide."""
    if page not in TRAINS:
        return [pytest.mark.thorough] if blocks(page, "console") else []
    in_ci = page.parent in (ROOT, DOCS / "tutorials")
    return [pytest.mark.thorough, *([] if in_ci else [pytest.mark.exhaustive])]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Create a folder to run a page in, where `ossicle` and `python` are the ones under test."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, options in (("python", ""), ("ossicle", "-m ossicle")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {options} "$@"\n')
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    work = tmp_path / "work"
    work.mkdir()
    (work / "src").symlink_to(ROOT / "src")
    monkeypatch.chdir(work)
    return work


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=marks(page)) for page in RUN], ids=name_of
)
def test_the_blocks_of_a_page_run(page, folder):
    namespace = {"__name__": "__main__"}
    with mock.patch.dict(METHODS), mock.patch.dict(CORPORA), mock.patch.dict(TASKS):
        for kind, text in blocks(page, "console", "python"):
            if kind == "python":
                exec(compile(text, name_of(page), "exec"), namespace)
                continue
            for command in commands(text):
                done = subprocess.run(
                    command, shell=True, cwd=folder, capture_output=True, text=True
                )
                assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def commands(text):
    """Return the commands of a block; one that ends in a backslash continues in the next line."""
    lines = text.replace("\\\n", " ").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


@all_pages
def test_every_command_that_a_page_shows_exists(page):
    for _, text in blocks(page, "console", "text"):
        for command in commands(text):
            words = shlex.split(command, comments=True)
            if words[:1] != ["ossicle"] or len(words) == 1 or words[1].startswith("-"):
                continue
            shown = COMMANDS[words[1]]
            if isinstance(shown, typer.core.TyperGroup):
                shown = shown.commands[words[2]]
            known = {option for p in shown.params for option in p.opts}
            given = {word.partition("=")[0] for word in words if word.startswith("--")}
            assert given <= known | {"--help"}, command


@all_pages
def test_every_relative_link_leads_somewhere(page):
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


def test_the_navigation_names_every_page_once():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"^ +- [^:\n]+: (\S+\.md)$", text, re.MULTILINE)
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    decided = {name for name in pages if name.startswith("decisions/")}
    assert len(named) == len(set(named))
    assert pages - decided <= set(named) <= pages


def test_the_benchmark_page_is_generated_from_the_stored_results():
    path = ROOT / "benchmarks" / "page.py"
    script = importlib.util.spec_from_file_location("page", path)
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    made = module.page(module.stored(), module.stored("gpu"), module.stored("ensemble"))
    assert made == (DOCS / "reference/speed.md").read_text(encoding="utf-8")
    assert set(module.GOALS) <= {
        label for group in module.stored().values() for label in group["figures"]
    }


@all_pages
def test_no_page_names_a_path_of_one_machine(page):
    found = re.search(r"(?<![\w.:/])/(home|root|work|tmp|opt|Users|mnt)/", page.read_text("utf-8"))
    assert found is None, found


def test_every_option_of_every_command_is_in_the_reference():
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## ossicle (\w+)\n(.*?)(?=^## |\Z)", text, re.M | re.S))
    assert sections.keys() == COMMANDS.keys()
    for name, command in COMMANDS.items():
        inner = [command, *getattr(command, "commands", {}).values()]
        params = [param for one in inner for param in one.params]
        options = {opt for param in params for opt in param.opts if opt.startswith("--")}
        missing = [option for option in options if f"`{option}" not in sections[name]]
        assert not missing, f"{name} lacks {missing}"


def test_every_preset_is_in_the_reference_with_its_expression():
    text = (DOCS / "reference/recipes.md").read_text(encoding="utf-8")
    presets = text.partition("## Presets")[2]
    rows = dict(re.findall(r"^\| `([\w/+-]+)` \| `([^`]+)` \|", presets, re.MULTILINE))
    assert rows == {name: preset.expression for name, preset in PRESETS.items()}


def test_every_method_and_its_settings_are_in_the_reference():
    text = (DOCS / "reference/recipes.md").read_text(encoding="utf-8")
    for method in METHODS.values():
        assert f"`{method.name}`" in text
        for setting in dataclasses.fields(method):
            assert f"`{setting.name}`" in text, f"{method.name}: {setting.name}"


def test_every_reader_and_its_options_are_described():
    text = (DOCS / "reference/corpora.md").read_text(encoding="utf-8")
    for corpus in CORPORA.values():
        assert f"`{corpus.name}`" in text
        for option in corpus.options:
            assert f"`{option}`" in text, f"{corpus.name}: {option}"


def test_every_task_head_and_setting_is_in_the_reference():
    text = (DOCS / "reference/tasks.md").read_text(encoding="utf-8")
    heads = {head for task in TASKS.values() for head in task.heads}
    settings = {setting for task in TASKS.values() for setting in task.settings}
    decoding = {setting for of_one in DECODERS.values() for setting in of_one}
    for name in (*TASKS, *heads, *settings):
        assert f"`{name}`" in text, name
    for name in decoding:
        assert re.search(rf"\b{name}\b", text), name


def test_every_vote_has_a_row_with_what_it_learns():
    text = (DOCS / "how-to/train-an-ensemble.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE))
    assert rows.keys() == VOTES.keys()
    assert {name for name, learns in rows.items() if learns != "–"} == {
        name for name, vote in VOTES.items() if vote.learns
    }


def test_every_error_is_in_the_reference():
    text = (DOCS / "reference/errors.md").read_text(encoding="utf-8")
    for error in _with_children(OssicleError):
        if error.__module__ == "ossicle.errors":
            assert error.__name__ in text


def _with_children(error):
    return [error, *(one for child in error.__subclasses__() for one in _with_children(child))]


def test_the_two_commands_are_on_the_first_screen_of_the_readme():
    first = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:30]
    assert {"$ make demo", "$ make test"} <= {line.partition("#")[0].rstrip() for line in first}
