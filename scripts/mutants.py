#!/usr/bin/env python3
"""Insert known faults into copies of the source, one at a time, and check that tests fail.

    make mutants                                  all of mutants.toml
    .venv/bin/python scripts/mutants.py bank crop   those whose name contains one of these words

Tests are those of the quick selection; a fault is noticed if one of them fails.
"""

import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

import pytest
import transformers.modeling_utils  # noqa: F401 - once here, not in every process of `run`

ROOT = Path(__file__).resolve().parent.parent
MUTANTS = Path(__file__).with_suffix(".toml")
FAILED = 1  # pytest's status where tests ran and some failed
COPIED = ("src", "tests", "pretraining", "examples", "docs", "pyproject.toml", "README.md")


def main() -> int:
    """Run the selected mutants; return 1 if one is not noticed."""
    words = sys.argv[1:] or [""]
    mutants = tomllib.loads(MUTANTS.read_text(encoding="utf-8"))
    chosen = {name: m for name, m in mutants.items() if any(word in name for word in words)}
    unnoticed = 0
    for name, mutant in chosen.items():
        verdict = tried(mutant)
        unnoticed += not verdict.startswith("noticed")
        print(f"{name:40} {verdict}", flush=True)
    print(f"{len(chosen) - unnoticed} of {len(chosen)} noticed")
    return int(unnoticed > 0)


def tried(mutant: dict[str, str]) -> str:
    """Return the verdict of the tests on one mutant."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copied(ROOT / name, copy / name)
        file = copy / "src/ossicle" / mutant["file"]
        text = file.read_text(encoding="utf-8")
        if (count := text.count(mutant["old"])) != 1:
            return f"OUT OF DATE: 'old' occurs {count} times in {mutant['file']}"
        file.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
        files = [f"tests/{name}" for name in mutant["tests"].split()]
        return verdict(copy, [one for one in files if (copy / one.partition("::")[0]).exists()])


def verdict(copy: Path, files: list[str]) -> str:
    """Run the tests of a copy until one fails, and return which one."""
    log = copy / "log"
    process = multiprocessing.get_context("fork").Process(target=run, args=(copy, files, log))
    process.start()
    process.join()
    said = log.read_text(encoding="utf-8")
    failures = re.findall(r"^(?:FAILED|ERROR) tests/(\S+)", said, re.MULTILINE)
    if process.exitcode == FAILED and failures:
        return f"noticed by {failures[0]}"
    return f"NOT NOTICED by {' '.join(files)} (pytest ended with status {process.exitcode})"


def run(copy: Path, files: list[str], log: Path) -> None:
    """Run pytest in the copy, in a process that has imported torch but not ossicle."""
    file = log.open("w", encoding="utf-8")
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    os.chdir(copy)
    os.environ["PYTHONPATH"] = str(copy / "src")
    sys.path.insert(0, str(copy / "src"))
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # imported before pytest began
    sys.exit(pytest.main([*options, *files]))


if __name__ == "__main__":
    sys.exit(main())
