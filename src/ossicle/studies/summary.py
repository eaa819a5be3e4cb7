"""The report of a study, from its declaration and its outcomes, and the table of its trials."""

import csv
import io
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

from ossicle import __version__
from ossicle.errors import listing
from ossicle.files import replace_file
from ossicle.reports.parts import Report, Section
from ossicle.studies.command import REPLACED, changed_settings
from ossicle.studies.record import Record
from ossicle.studies.study import Study
from ossicle.trials.outcome import Outcome, distinct
from ossicle.trials.trial import Trial

TABLE: Final = "trials.csv"
PACKAGES: Final = ("torch", "transformers", "numpy", "scipy", "scikit-learn", "statsmodels")
MOST_SPLITS: Final = 10
VARIED: Final = frozenset({"shots", "train_fraction", "lr", "epochs"})  # fields that are labels too


def describe(trial: Trial) -> str:
    """Return the labels of a trial as text, e.g. `lora, seed 0, shots 4`."""
    shown = [str(trial.labels["recipe"])]
    shown += [f"{name} {value}" for name, value in trial.labels.items() if name != "recipe"]
    return ", ".join(shown)


def build_report(study: Study, record: Record, outcomes: Sequence[Outcome], folder: Path) -> Report:
    """Return the report of a study.

    Args:
        study: The study.
        record: Its declaration.
        outcomes: The outcomes of all trials, refused ones included.
        folder: Its folder, for messages.
    """
    verdict, sections = study.analyse(outcomes)
    notes = list(record.notes)
    return Report(
        title=f"{study.name}: {study.about}",
        command=record.command,
        verdict=verdict,
        facts=_facts(study, record, outcomes),
        sections=[*sections, *([Section(title="Notes", parts=notes)] if notes else [])],
        failed=[(describe(one.trial), one.reason or "") for one in _in_state(outcomes, "failed")],
        missing=_missing(distinct(outcomes), folder),
        environment=_environment(record),
    )


def write_trials(folder: Path, outcomes: Sequence[Outcome]) -> None:
    """Write `trials.csv`: a row for each trial with its labels, state, folder and metrics.

    Raises:
        RunError: it cannot be written.
    """
    labels = list(dict.fromkeys(name for one in outcomes for name in one.trial.labels))
    known = [one.measured for one in outcomes if one.measured is not None]
    metrics = list(dict.fromkeys(name for one in known for name in one.metrics))
    rows: list[dict[str, object]] = []
    for one in outcomes:
        row: dict[str, object] = dict(one.trial.labels)
        row |= {"state": one.state, "folder": _place(one, folder), "reason": one.reason or ""}
        if one.measured is not None:
            row |= dict(one.measured.metrics)
            row["parameters"] = one.measured.parameters.get("trainable")
            row["train_seconds"] = one.measured.train_seconds
        rows.append(row)
    text = io.StringIO()
    columns = [*labels, "state", *metrics, "parameters", "train_seconds", "folder", "reason"]
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    replace_file(folder / TABLE, text.getvalue().encode())


def _place(one: Outcome, folder: Path) -> str:
    """Return the folder of a trial, relative to that of the study if it is inside."""
    if not one.name:
        return ""
    inside = one.folder.is_relative_to(folder)
    return (one.folder.relative_to(folder) if inside else one.folder).as_posix()


def _facts(study: Study, record: Record, outcomes: Sequence[Outcome]) -> dict[str, str]:
    grid = record.grid
    known = [one.measured for one in outcomes if one.measured is not None]
    shared = record.trials[0].config
    own = (
        REPLACED
        | set(record.options)
        | {"shots", "train_fraction", "lr", "epochs"} & _varied(record)
    )
    settings = changed_settings(shared, frozenset(own))
    facts = {
        "Source": study.source,
        "Data": "; ".join(study.data_used(grid["data"])),
        "Backbone": "; ".join(grid["backbones"]),
        "Task": ", ".join(dict.fromkeys(one.task for one in known)),
        "Split": join_splits([one.split for one in known]),
        study.compared: ", ".join(
            dict.fromkeys(str(one.labels["recipe"]) for one in record.trials)
        ),
        "Seeds": ", ".join(map(str, grid["seeds"])),
        "Folds": grid["folds"] or "",
        "Budgets": ", ".join(f"{one:,}" for one in grid["budgets"]),
        "Settings": ", ".join(f"{name} {value}" for name, value in settings.items()),
        "Trials": _counted(distinct(outcomes)),
    }
    return {name: text for name, text in facts.items() if text}


def join_splits(splits: Sequence[str]) -> str:
    """Return the different sentences on splits, at most `MOST_SPLITS` of them."""
    different = list(dict.fromkeys(splits))
    rest = len(different) - MOST_SPLITS
    return " ".join(different[:MOST_SPLITS]) + (f" And {rest} others." if rest > 0 else "")


def _varied(record: Record) -> set[str]:
    return {name for one in record.trials for name in one.labels}


def _counted(outcomes: Sequence[Outcome]) -> str:
    counts = Counter(one.state for one in outcomes)
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{len(outcomes)} ({states})"


def _in_state(outcomes: Sequence[Outcome], state: str) -> list[Outcome]:
    return [one for one in outcomes if one.state == state]


def _missing(outcomes: Sequence[Outcome], folder: Path) -> list[str]:
    """Return a sentence for each state of trials without a result."""
    about: Mapping[str, str] = {
        "running": "are running in other processes",
        "interrupted": "were interrupted, and continue from their last epoch",
        "pending": "have not started",
    }
    sentences = []
    for state, words in about.items():
        if found := _in_state(outcomes, state):
            names = listing([describe(one.trial) for one in found], 5)
            sentences.append(f"{len(found)} of {len(outcomes)} trials {words}: {names}.")
    if sentences:
        sentences.append(
            f"Repeat the command to run them, then `ossicle report {folder}` or the command itself "
            "writes the report again."
        )
    return sentences


def _environment(record: Record) -> dict[str, str]:
    found = {"ossicle": record.version, "python": platform.python_version()}
    if record.version != __version__:
        found["ossicle of the report"] = __version__
    for package in PACKAGES:
        found[package] = metadata.version(package)
    return found | {"platform": platform.platform()}
