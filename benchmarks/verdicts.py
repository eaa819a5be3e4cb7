"""Write the page of verdicts, `docs/reference/verdicts.md`, from the results of studies of claims.

    python benchmarks/verdicts.py                            the page, from the stored results
    python benchmarks/verdicts.py studies/a studies/b        first store the results of studies
    ... --replace /data/corpora=CORPORA                      a path in commands and data strings

Stored in `benchmarks/results/verdicts.json`; a study replaces that of the same backbone and data,
others stay. A study that is not finished can be stored: its other claims are shown with "no
result". The page also has what `scripts/gpu_claims.py` has stored in `verdicts-gpu.json`, if it has
run.
"""

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ossicle.studies import Claims
from ossicle.studies.analysis.cell import cells
from ossicle.studies.analysis.listed import listed_claims
from ossicle.studies.record import read_record
from ossicle.studies.replication.choosing import CHOSEN, PUBLISHED
from ossicle.studies.replication.settings import grid_of, seconds_by_settings
from ossicle.studies.replication.verdicts import places, worded
from ossicle.studies.run import report_study
from ossicle.studies.summary import join_splits
from ossicle.trials.outcome import Outcome, distinct

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
STORED, OF_GPU = (RESULTS / name for name in ("verdicts.json", "verdicts-gpu.json"))
PAGE = ROOT / "docs" / "reference" / "verdicts.md"
TEMPLATE = ROOT / "benchmarks" / "verdicts-template.md"
MARK = "<!-- studies -->"
SHOWN = (  # columns of the table of verdicts that the page has too
    *("difference (95 % interval)", "of", "seeds", "recordings", "corrected p"),
    *("published difference", "matters from", "could have been found", "with published settings"),
)
WORDS = ("holds", "does not hold", "not decided at this size", "no result", "cannot be asked here")
SHORT = {
    **{one: f"**{one}**" for one in ("holds", "does not hold")},
    **{"not decided at this size": "not decided", "cannot be asked here": "cannot be asked"},
}
NOTHING = "–"
USUAL = "classification"  # the task that titles leave out
OF_LABELS = ("label=", "map=")  # options of corpora that titles leave out
OPEN = " (left open by the publication)"
OVERVIEW = (
    "With settings chosen on validation. In parentheses is the difference of the comparison that "
    "decides or is least in favour: in points, and of the CCC as it is. Sections with intervals, "
    "and with published settings, follow."
)
CEILING = 95.0  # percent
CEILING_OF = "accuracy (%)"
MOST = 0.75  # of the recipes


def page(studies: list[dict[str, Any]]) -> str:
    """Return the page.

    Args:
        studies: The stored studies, as `results` returns them.
    """
    parts = _overview(studies)
    parts += [part for one in studies for part in _study(one)] + _not_asked(studies)
    return TEMPLATE.read_text(encoding="utf-8").replace(MARK, "\n\n".join(parts))


def stored() -> list[dict[str, Any]]:
    """Return the stored studies, those of a GPU last."""
    files = [file for file in (STORED, OF_GPU) if file.is_file()]
    return [one for file in files for one in json.loads(file.read_text("utf-8"))["studies"]]


def results(folders: list[Path], replaced: dict[str, str], about: str = "") -> dict[str, Any]:
    """Return the results of studies of claims, as plain data, and write their reports.

    Args:
        folders: Folders of the studies.
        replaced: Texts to replace in commands and data strings, such as paths.
        about: The machine, as text.
    """
    studies = [{**_replaced(_results(folder), replaced), "machine": about} for folder in folders]
    return {"studies": studies}


def together(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return stored studies with new ones, which replace those of the same backbone and data."""
    found = {(one["backbone"], one["data"]): one for one in [*old, *new]}
    return list(found.values())


def word(row: dict[str, str]) -> str:
    """Return the word of a verdict, without what follows it."""
    return row["verdict"].partition(": ")[0].removesuffix(" on this small backbone")


def _results(folder: Path) -> dict[str, Any]:
    record = read_record(folder)
    study = Claims(**record.options)
    outcomes = report_study(folder, write=False).outcomes
    said, sections = study.analyse(outcomes)
    (table,) = next(one.parts for one in sections if one.title == "Verdicts")
    rows = [[cell.text for cell in row] for row in table.rows]
    measured = [one.measured for one in outcomes if one.measured is not None]
    return {
        "backbone": "; ".join(record.grid["backbones"]),
        "data": "; ".join(study.data_used(record.grid["data"])),
        "task": "; ".join(dict.fromkeys(one.task for one in measured)),
        "split": join_splits([one.split for one in measured]),
        "trials": Counter(one.state for one in distinct(outcomes) if one.state != "refused"),
        "command": record.command.replace(f"--out={folder}", f"--out=studies/{folder.name}"),
        "grid": grid_of(outcomes),
        "seconds": {name: round(s) for name, s in seconds_by_settings(outcomes).items()},
        "version": record.version,
        "said": said,
        "verdicts": [dict(zip(table.columns, row, strict=True)) for row in rows],
        "published": _reached(outcomes, PUBLISHED),
        "results": _reached(outcomes, CHOSEN),
    }


def _reached(outcomes: Sequence[Outcome], settings: str) -> dict[str, dict[str, str]]:
    """Return what each recipe has reached, mean ± deviation, by its metric.

    That is the accuracy, or the primary metric of a task without one.
    """
    found: dict[str, dict[str, str]] = {}
    for place in places(outcomes):
        for some in place.results(settings).values():
            for cell in cells(some):
                if len(cell.repeats) > 1:
                    task = cell.task
                    key = "accuracy" if "accuracy" in task.reported else task.primary_metric
                    metric, reached = task.reported[key], (cell.mean(key), cell.deviation(key))
                    heading = f"{metric.label} (%)" if metric.percent else metric.label
                    found.setdefault(heading, {})[cell.name] = metric.spread(*reached)
    return found


def _replaced(value: Any, replaced: dict[str, str]) -> Any:
    """Return plain data in which texts are replaced."""
    if isinstance(value, dict):
        return {key: _replaced(one, replaced) for key, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, replaced) for one in value]
    for old, new in replaced.items():
        value = value.replace(old, new) if isinstance(value, str) else value
    return value


def _title(study: dict[str, Any]) -> str:
    """Return backbone, corpora by the names of their folders, and a task that is not usual.

    With their options, without those of a corpus that say what its labels are.
    """
    backbone, _, options = study["backbone"].partition("?")
    parts = [" at ".join(filter(None, (Path(backbone).name, options)))]
    parts += [" and ".join(map(_corpus, study["data"].split("; ")))]
    parts += [study["task"]] * (study["task"] not in ("", USUAL))
    return ", ".join(parts)


def _corpus(data: str) -> str:
    name, _, options = data.partition("?")
    kept = [one for one in options.split("&") if one and not one.startswith(OF_LABELS)]
    return " at ".join([Path(name.rpartition(":")[2]).name, *kept])


def _overview(studies: list[dict[str, Any]]) -> list[str]:
    """Return where each claim has which verdict."""
    lines = ["| claim | verdicts |", "|---|---|"]
    for name, claim in listed_claims().items():
        found: dict[str, list[str]] = {one: [] for one in SHORT}
        for study in studies:
            rows = [row for row in study["verdicts"] if row["claim"] == name]
            for one, differences in _in_short(rows).items():
                found[one].append(f"{_title(study)}{differences}")
        if any(found.values()):
            said = _escaped(worded(claim).statement) + OPEN * claim.is_open
            shown = [f"{SHORT[one]}: {'; '.join(each)}" for one, each in found.items() if each]
            lines.append(f"| **{name}** {said} | {'<br>'.join(shown)} |")
    trials = sum(one["trials"].get("finished", 0) for one in studies)
    hours = sum(sum(one["seconds"].values()) for one in studies) / 3600
    spent = f"{trials:,} trials of {hours:.1f} h in all, added up over workers."
    return ["## Overview", f"{OVERVIEW} {spent}", "\n".join(lines)]


def _in_short(rows: list[dict[str, str]]) -> dict[str, str]:
    """Return the words on a claim, each with the differences of its rows in parentheses."""
    found: dict[str, list[str]] = {}
    for row in (one for one in rows if word(one) in SHORT):
        difference = row["difference (95 % interval)"]
        found.setdefault(word(row), []).extend([difference.split()[0]] * (difference != NOTHING))
    return {name: f" ({', '.join(each)})" if each else "" for name, each in found.items()}


def _study(one: dict[str, Any]) -> list[str]:
    """Return the parts of the page on one study."""
    shown = [row for row in one["verdicts"] if row["of"] != NOTHING]
    others = [row for row in one["verdicts"] if row["of"] == NOTHING]
    times = ", ".join(f"{name} {seconds / 60:,.0f}" for name, seconds in one["seconds"].items())
    on = f", on {one['machine']}" if one["machine"] else ""
    trials = ", ".join(f"{number} {state}" for state, number in one["trials"].items())
    hours = sum(one["seconds"].values()) / 3600
    grid = {name: ", ".join(f"{one:g}" for one in each) for name, each in one["grid"].items()}
    tried = f" Grid: rates {grid['lr']}; {grid['epochs']} epochs." if grid["lr"] else ""
    parts = [
        f"## {_title(one)}",
        " ".join(one["said"]),
        f"```text\n$ {one['command']}\n```",
        f"{one['split']}{tried} Trials: {trials}. "
        f"Training and test took {hours:.2f} h, added up over workers (minutes: {times}){on}.",
    ]
    parts += [_table(shown)] if shown else []
    for metric, reached in one["results"].items():
        of_all = _each(reached) + "." + (_ceiling(reached) if metric == CEILING_OF else "")
        parts.append(f"Reached, {metric}, mean ± deviation over seeds: {of_all}")
    for metric, reached in one["published"].items():
        parts.append(f"Reached with published settings, {metric}: {_each(reached)}.")
    parts += [_reasons(others)] if others else []
    return [part.strip() for part in parts if part.strip()]


def _each(reached: dict[str, str]) -> str:
    return "; ".join(f"{recipe} {value}" for recipe, value in reached.items())


def _ceiling(reached: dict[str, str]) -> str:
    """Return that scores leave no room for differences, if most recipes are near 100 %."""
    near = [float(text.split()[0]) >= CEILING for text in reached.values()]
    if len(near) < 2 or sum(near) < MOST * len(near):
        return ""
    return (
        f" Most are above {CEILING:g} %, so that none of them can be much better than another: "
        "harder recordings could decide otherwise."
    )


def _not_asked(studies: list[dict[str, Any]]) -> list[str]:
    """Return the part of the page on claims that no stored study has asked; empty if all were."""
    asked = {row["claim"] for one in studies for row in one["verdicts"]}
    left = [one for name, one in listed_claims().items() if name not in asked]
    rows = [
        {
            "claim": one.name,
            "in our words": f"{worded(one).statement} ({one.source})",
            "verdict": f"{'cannot be asked here' if one.cannot else 'no result'}: "
            f"{one.cannot or 'no stored study asks it'}",
        }
        for one in left
    ]
    return ["## Claims without a verdict", _reasons(rows)] if rows else []


def _table(rows: list[dict[str, str]]) -> str:
    """Return the claims that have results, whose sentences the overview has, as a table."""
    columns = [name for name in SHOWN if name in rows[0]]
    lines = [
        f"| claim | verdict | {' | '.join(columns)} |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for row in rows:
        cells = [_name(row), row["verdict"], *(row[name] for name in columns)]
        lines.append(f"| {' | '.join(map(_escaped, cells))} |")
    return "\n".join(lines)


def _reasons(rows: list[dict[str, str]]) -> str:
    """Return the claims without results, with the reason, as a Markdown table."""
    lines = ["| claim | |", "|---|---|"]
    for row in rows:
        reason = row["verdict"].partition(": ")[2]
        lines.append(f"| {_escaped(_claim(row))} | {_escaped(f'{word(row)}: {reason}')} |")
    return "\n".join(lines)


def _claim(row: dict[str, str]) -> str:
    return f"{_name(row)} {row['in our words']}"


def _name(row: dict[str, str]) -> str:
    where = f" [{row['where']}]" if row.get("where") else ""
    return f"**{row['claim']}**{where}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Store results if folders are given, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--replace", action="append", default=[], metavar="OLD=NEW")
    parser.add_argument("--machine", default="", help="that the studies ran on")
    parser.add_argument("--file", type=Path, default=STORED, help="to store results in")
    given = parser.parse_args()
    if given.folders:
        replaced = dict(one.split("=", 1) for one in given.replace)
        found = results(given.folders, replaced, given.machine)
        if given.file.is_file():
            old = json.loads(given.file.read_text("utf-8"))["studies"]
            found["studies"] = together(old, found["studies"])
        text = json.dumps(found, indent=1, ensure_ascii=False) + "\n"
        given.file.write_text(text, encoding="utf-8")
    if given.file in (STORED, OF_GPU):
        PAGE.write_text(page(stored()), encoding="utf-8")
        print(f"Written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
