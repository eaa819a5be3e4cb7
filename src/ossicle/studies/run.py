"""Run a study, and build its report from its folder.

DIR/study.json              what was declared: `ossicle.studies.record`
DIR/trials/<name>/          one trial: an ordinary run folder, or failed.json with the reason
DIR/trials.csv              labels, state, folder, metrics and reason of every trial
DIR/report.html, .json      the report, and its tables in DIR/tables/ as CSV and LaTeX
"""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from ossicle.errors import RunError
from ossicle.html import TextTable, card
from ossicle.paths import expand
from ossicle.progress import Progress, no_progress
from ossicle.reports.parts import Report, Table
from ossicle.reports.write import write_report
from ossicle.studies import STUDIES
from ossicle.studies.checks import Checked, check_trials
from ossicle.studies.command import command_of, same_but_folder, with_out
from ossicle.studies.explain import store_explanations
from ossicle.studies.grid import Grid
from ossicle.studies.plots import store_embeddings
from ossicle.studies.record import (
    Record,
    check_study,
    grid_data,
    read_command,
    read_record,
    read_threads,
    write_record,
)
from ossicle.studies.study import Study
from ossicle.studies.summary import build_report, describe, write_trials
from ossicle.trials.capacity import choose_threads, choose_workers
from ossicle.trials.engine import Engine, Event
from ossicle.trials.folder import read_outcomes
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Outcome, State, distinct
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.shard import Shard
from ossicle.trials.trial import Trial, names_of_roots

_LOGGER: Final = logging.getLogger(__name__)
TRIALS: Final = "trials"
ENDED: Final = ("finished", "failed")
SUMMARY: Final = "summary"  # names of the tables that `ossicle.studies.results` begins with
REPORT_PAGE: Final = "report.html"


@dataclass(frozen=True, kw_only=True)
class StudyOutcome:
    """The state of a study.

    Attributes:
        folder: Its folder.
        outcomes: The outcome of every trial, those that cannot run included: as failed ones, or
            refused ones where that is part of the result.
        report: Its report; None where none was asked for.
    """

    folder: Path
    outcomes: tuple[Outcome, ...]
    report: Report | None

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The trials that failed, or cannot run and should."""
        return tuple(one for one in self.outcomes if one.state == "failed")

    def _repr_html_(self) -> str:
        states = Counter(one.state for one in distinct(self.outcomes))
        facts = {
            "folder": str(self.folder),
            "trials": ", ".join(f"{count} {state}" for state, count in states.items()),
        }
        if self.report is None:
            return card("Study without a report", facts)
        facts |= {
            "report": str(self.folder / REPORT_PAGE),
            "verdict": " ".join(self.report.verdict),
        }
        summaries = [
            part
            for section in self.report.sections
            for part in section.parts
            if isinstance(part, Table) and part.name.startswith(SUMMARY)
        ]
        tables = [
            TextTable(one.columns, [[cell.text for cell in row] for row in one.rows], one.title, 1)
            for one in summaries
        ]
        notes = [note for one in summaries for note in one.notes]
        return card(self.report.title, facts, tables, notes)


def run_study(
    study: Study,
    grid: Grid,
    out: Path | str,
    *,
    trials_folder: Path | str | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
    shard: Shard | None = None,
    on_event: Callable[[Event, Standing], None] = lambda *_: None,
    on_declared: Callable[[Checked, Mapping[str, str]], None] = lambda *_: None,
    progress: Progress = no_progress,
    report: bool = True,
) -> StudyOutcome:
    """Run the trials of a study that are not finished, and write its report.

    Args:
        study: What to study, such as `FewShot(shots="1,2")`.
        grid: What to run it with.
        out: Folder of the study; new, or that of a study of the same kind.
        trials_folder: Folder of the trials, which several studies can share. None: in `out`.
        engine: What runs the trials. None: worker processes on this machine.
        workers: Number of these processes. None: as many as cores and memory have room for.
        shard: The part of the trials to run. None: all.
        on_event: Called with every event of a trial, and how far the study is.
        on_declared: Called before the first trial with all trials, and with a description of each
            by its name.
        progress: Called while recordings are checked, before the first trial.
        report: Whether to write the report at the end.

    Raises:
        OssicleError: bad input; no trial can run (with each reason); or no trial can go on, because
            the disk is full. A trial that fails is an outcome, not an error.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RunError(
            "a study cannot run under a launcher of several processes; use `ossicle train` there, "
            "or --shard to run parts of a study"
        )
    folder = expand(out)
    check_study(folder, study.name)
    naming = Naming(progress=progress)
    inside = trials_folder is None
    place = folder / TRIALS if trials_folder is None else expand(trials_folder).absolute()
    threads = read_threads(folder)

    def compute(trials: Sequence[Trial]) -> list[Outcome]:
        nonlocal engine, threads
        checked = check_trials(trials)
        names = [naming.name(trial) for trial in checked.trials]
        described = {name: describe(one) for name, one in zip(names, checked.trials, strict=True)}
        shown = replace(checked, refused=()) if study.refusals_are_results else checked
        on_declared(shown, described)
        if engine is None:
            engine = local = _local_engine(checked, workers, threads)
            threads = local.threads
        declared = replace(checked, notes=(*remarks, *checked.notes))
        _declare(study, grid, folder, declared, names, TRIALS if inside else str(place), threads)
        roots = names_of_roots(checked.trials, names)
        part = (shard or Shard(1, 1)).of(list(zip(checked.trials, names, strict=True)), roots)
        known = run_trials(
            [trial for trial, _ in part],
            [name for _, name in part],
            place,
            engine=engine,
            on_event=on_event,
        )
        return read_outcomes(checked.trials, names, place, known)

    first = study.trials(grid)
    remarks = study.remarks(grid)
    before = read_command(folder)
    if before is not None and not same_but_folder(before, command_of(study, grid, folder)):
        _LOGGER.warning(
            "'%s' has the report of another command, which this one replaces; its trials are kept. "
            "That was: %s",
            folder,
            before,
        )
    for remark in remarks:
        _LOGGER.warning(remark)
    known = compute(first)
    left = sum(one.state not in ENDED for one in known)
    if left and study.outlook(grid):  # of other shards
        _LOGGER.warning(
            "%d of the first trials, in other shards, are not finished, and further trials depend "
            "on them. Repeat the command of each shard when all are.",
            left,
        )
    elif more := study.following(grid, known):
        known = compute([*first, *more])
    return _reported(folder, write=report, known=known)


def report_study(
    out: Path | str,
    *,
    write: bool = True,
    embeddings: bool = False,
    explain: bool = False,
    progress: Progress = no_progress,
) -> StudyOutcome:
    """Build the report of a study from its folder alone, and write it.

    Trials may be missing or running; the report says so.

    Args:
        out: Folder of a study.
        write: Whether to build and write the report; otherwise the outcomes are only read.
        embeddings: Whether to compute the embeddings that the report maps, where run folders have
            none; what cannot be computed is logged.
        explain: Whether to compute the representations and attributions that the report compares,
            in the same way.
        progress: Called while they are computed.

    Raises:
        RunError: it is not the folder of a study, or was written by another version; its trials
            are not where they were; or `explain` needs a package that is missing.
    """
    stores = [store_embeddings] * embeddings + [store_explanations] * explain
    return _reported(expand(out), write=write, stores=stores, progress=progress)


def _reported(
    folder: Path,
    *,
    write: bool,
    stores: Sequence[Callable[..., list[str]]] = (),
    known: Iterable[Outcome] = (),
    progress: Progress = no_progress,
) -> StudyOutcome:
    """Build the report of a study; `known` are outcomes that need not be read again."""
    record = read_record(folder)
    if record.study not in STUDIES:
        raise RunError(f"'{folder}' has a study '{record.study}', which this version does not know")
    trials = folder / record.trials_folder
    if not trials.is_dir():
        raise RunError(
            f"the trials of '{folder}' are not in '{trials}', so that nothing can be reported. "
            f"Move them back there, or run them again: {with_out(record.command, folder)}"
        )
    study = STUDIES[record.study](**record.options)
    outcomes = _outcomes(study, record, folder, known)
    report = None
    for store in stores:
        for fault in store(outcomes, progress=progress):
            _LOGGER.warning(fault)
    if write:
        write_trials(folder, outcomes)
        report = build_report(study, record, outcomes, folder)
        write_report(report, folder)
    return StudyOutcome(folder=folder, outcomes=tuple(outcomes), report=report)


def _local_engine(checked: Checked, workers: int | None, threads: int | None) -> LocalEngine:
    count = workers or choose_workers(trial.config for trial in checked.trials)
    return LocalEngine(workers=count, threads=threads or choose_threads(count))


def _declare(
    study: Study,
    grid: Grid,
    folder: Path,
    checked: Checked,
    names: list[str],
    place: str,
    threads: int | None,
) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"'{folder}' cannot be created: {error.strerror or error}") from error
    record = Record(
        study=study.name,
        options=asdict(study),
        grid=grid_data(study.filled(grid)),
        command=command_of(study, grid, folder),
        trials=checked.trials,
        names=names,
        refused=checked.refused,
        notes=checked.notes,
        trials_folder=place,
        threads=threads,
    )
    write_record(folder, record, grid.config)


def _outcomes(
    study: Study, record: Record, folder: Path, known: Iterable[Outcome]
) -> list[Outcome]:
    """Return the outcomes of the trials, and of those that cannot run."""
    state: State = "refused" if study.refusals_are_results else "failed"
    refused = [
        Outcome(trial=trial, name="", folder=folder, state=state, reason=reason)
        for trial, reason in record.refused
    ]
    place = folder / record.trials_folder
    return read_outcomes(record.trials, record.names, place, known) + refused
