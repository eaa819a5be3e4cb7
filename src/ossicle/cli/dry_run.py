"""`ossicle study NAME --dry-run`: the trials of a study, their parameters, and their time."""

import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from ossicle.cli import options as o
from ossicle.cli.study_output import filled
from ossicle.cli.study_progress import duration
from ossicle.studies.checks import Checked, check_trials, reasons
from ossicle.studies.grid import Grid
from ossicle.studies.study import Study
from ossicle.trials.capacity import choose_workers
from ossicle.trials.folder import read_outcomes
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Outcome, distinct

REPEATS = ("seed", "fold")


def dry_run(
    study: Study,
    grid: Grid,
    trials_folder: Path,
    workers: int | None,
    shard: str | None,
    *,
    json: bool,
) -> None:
    """Print the trials of a study in cells of repeats, without writing anything.

    Args:
        study: The study.
        grid: Its grid.
        trials_folder: Folder of the trials, some of which may be measured already.
        workers: Trials that run at the same time; None: as many as this machine has room for.
        shard: The part of them that the command would run, as text; None: all.
        json: Whether to print one JSON object.

    Raises:
        OssicleError: bad input, or no trial can run.
    """
    checked = check_trials(study.trials(grid))
    naming = Naming()
    names = [naming.name(trial) for trial in checked.trials]
    outcomes = read_outcomes(checked.trials, names, trials_folder)
    cells = _cells(checked, outcomes, (*REPEATS, *study.gathered))
    count = workers or choose_workers(trial.config for trial in checked.trials)
    different = distinct(outcomes)
    seconds = _estimate(different, count)
    follow = study.outlook(grid)
    part = "" if shard is None else f"These are all trials, of which --shard {shard} runs a part."
    found: dict[str, Any] = {
        "cells": cells,
        "trials": len(different),
        "finished": sum(one.state == "finished" for one in different),
        "refused": [] if study.refusals_are_results else reasons(checked.refused),
        "notes": [*study.remarks(grid), *checked.notes, *filter(None, [part, follow])],
        "estimate_s": seconds,
    }
    if json:
        o.print_json(found)
    else:
        _print(found, "these" if follow else "the others")


def _print(found: dict[str, Any], which: str) -> None:
    rows = [
        [
            "\n".join(o.wrapped(cell["cell"], 40)),
            "-" if cell["parameters"] is None else f"{cell['parameters']:,}",
            str(cell["trials"]),
            str(cell["finished"]),
        ]
        for cell in found["cells"]
    ]
    o.print_table(["cell", "parameters without head", "trials", "finished"], rows, right=1)
    for note in found["notes"]:
        print(filled(note))
    total = f"{found['trials']} trial{'s' if found['trials'] != 1 else ''}"
    print(f"{total}, {found['finished']} finished. ", end="")
    if found["estimate_s"] is None:
        print("Time: unknown, none is measured yet.")
    else:
        print(f"Time of {which}: about {duration(found['estimate_s'])}.")
    if found["refused"]:
        print("Trials that cannot run:", file=sys.stderr)
        for line in found["refused"]:
            print(f"  {line}", file=sys.stderr)


def _cells(
    checked: Checked, outcomes: Sequence[Outcome], apart: Collection[str]
) -> list[dict[str, Any]]:
    """Return each cell with its parameters and the number of its trials."""
    cells: dict[str, dict[str, Any]] = {}
    for outcome, count in zip(outcomes, checked.parameters, strict=True):
        name = _cell_of(outcome, apart)
        cell = cells.setdefault(
            name, {"cell": name, "parameters": count, "trials": 0, "finished": 0}
        )
        cell["trials"] += 1
        cell["finished"] += outcome.state == "finished"
    return list(cells.values())


def _cell_of(one: Outcome, apart: Collection[str] = REPEATS) -> str:
    labels = {name: value for name, value in one.trial.labels.items() if name not in apart}
    recipe = str(labels.pop("recipe"))
    return ", ".join([recipe, *(f"{name} {value}" for name, value in labels.items())])


def _estimate(outcomes: Sequence[Outcome], workers: int) -> float | None:
    """Return the seconds that the unfinished trials will take; None if none is measured.

    A trial is taken to need as long as those of its cell, or else as all that are measured.
    """
    times: dict[str, list[float]] = {}
    for one in outcomes:
        if one.measured is not None:
            seconds = one.measured.train_seconds + (one.measured.test_seconds or 0.0)
            times.setdefault(_cell_of(one), []).append(seconds)
    if not times:
        return None
    overall = mean(mean(of_one) for of_one in times.values())
    left = [one for one in outcomes if one.state != "finished"]
    return sum(mean(times.get(_cell_of(one), [overall])) for one in left) / workers
