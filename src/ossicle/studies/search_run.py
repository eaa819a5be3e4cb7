"""Run a search: the strategy that was asked for and all controls, then one report.

DIR/search.json             what is searched for, the time used, what each strategy has found
DIR/trials/<name>/          one training: an ordinary run folder, or failed.json with the reason
DIR/recipe.toml             the recipe that is recommended
DIR/run/                    its run, trained and tested once
DIR/report.html, .json      the report, and its tables in DIR/tables/ as CSV and LaTeX
"""

import logging
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from ossicle.errors import RunError, SearchError
from ossicle.progress import Progress, no_progress
from ossicle.recipes.recipe import Recipe
from ossicle.recipes.text import split_recipes
from ossicle.reports.parts import Report
from ossicle.reports.write import write_report
from ossicle.search import CONTROLS, build_strategy, parse_strategy
from ossicle.search.problem import build_problem
from ossicle.search.strategy import Problem
from ossicle.studies.search_record import TRIALS, SearchRecord, open_record
from ossicle.studies.search_report import search_report
from ossicle.training.folder import Writer, check_unlocked
from ossicle.trials.capacity import choose_threads, choose_workers
from ossicle.trials.engine import Engine, Event
from ossicle.trials.local_engine import LocalEngine
from ossicle.trials.naming import Naming
from ossicle.trials.run import Standing
from ossicle.trials.search import Course, Trainings, run_courses
from ossicle.trials.searched import Searched, finish, tested_trial

_LOGGER: Final = logging.getLogger(__name__)
RECIPE: Final = "recipe.toml"
RUN: Final = "run"


@dataclass(frozen=True, kw_only=True)
class SearchOutcome:
    """The result of a search.

    Attributes:
        folder: Its folder.
        record: What `search.json` holds.
        searched: What each strategy has found, the one that was asked for first.
        failed: Strategies that have found nothing, and why.
        best: The one whose recipe is recommended: the best by validation.
        report: The report.
    """

    folder: Path
    record: SearchRecord
    searched: Sequence[Searched]
    failed: Mapping[str, str]
    best: Searched
    report: Report


class Clock:
    """The time that a search has used, over all interruptions."""

    def __init__(self, before_s: float, limit_s: float | None) -> None:
        self._before_s, self._limit_s = before_s, limit_s
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time used so far."""
        return self._before_s + time.monotonic() - self._started

    def may_start(self) -> bool:
        """Return whether another training may start."""
        return self._limit_s is None or self.seconds < self._limit_s


def run_search(
    asked: SearchRecord,
    folder: Path,
    *,
    minutes: float | None = None,
    engine: Engine | None = None,
    workers: int | None = None,
    on_event: Callable[[Event, Standing], None] = lambda *_: None,
    on_named: Callable[[Mapping[str, str]], None] = lambda _: None,
    progress: Progress = no_progress,
) -> SearchOutcome:
    """Search with a strategy and all controls, or continue, and write the result.

    Args:
        asked: What to search for.
        folder: Folder of the search; new, or that of the same search.
        minutes: Time after which no more trainings start, over all interruptions; None: no limit.
        engine: What computes the trainings. None: worker processes on this machine.
        workers: Number of these processes. None: as many as cores and memory have room for.
        on_event: Called with every event of a training, and how far its wave is.
        on_named: Called with the recipe of each training by its name.
        progress: Called while recordings are checked, before the first training.

    Raises:
        SearchError: there is nothing to choose from, or nothing was found.
        OssicleError: bad input; or no training can go on, because the disk is full.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RunError(
            "a search cannot run under a launcher of several processes; give --workers instead"
        )
    check_unlocked(folder)
    parse_strategy(asked.strategy)  # a wrong name is reported before the recordings are read
    record = open_record(folder, asked)
    with Writer(folder) as writer:
        clock = Clock(record.seconds, None if minutes is None else 60 * minutes)
        problem = build_problem(
            record.config,
            split_recipes(record.candidates),
            record.budget,
            record.trials,
            progress=progress,
        )
        asked_course, controls = _courses(record.strategy, problem)
        writer.take()
        if engine is None:
            count = workers or choose_workers([record.config])
            threads = record.threads or choose_threads(count)
            record = replace(record, threads=threads)
            engine = LocalEngine(workers=count, threads=threads)
        record.write(folder)

        def noted(event: Event, standing: Standing) -> None:
            if event.what in ("finished", "failed"):
                replace(record, seconds=clock.seconds).write(folder)
            on_event(event, standing)

        trainings = Trainings(
            problem=problem,
            folder=folder / TRIALS,
            engine=engine,
            naming=Naming(progress=progress),
            on_event=noted,
            on_named=on_named,
        )
        run_courses(asked_course, controls, _limited(trainings, clock))
        searched, failed = _finished([asked_course, *controls], trainings, minutes)
        best = _best(searched)
        record = replace(
            record,
            seconds=clock.seconds,
            found=[dict(one.facts) for one in searched],
            recommended=best.name,
        )
        return _written(folder, record, searched, failed, best)


def _courses(strategy: str, problem: Problem) -> tuple[Course, list[Course]]:
    """Return the strategy that was asked for, and the controls that suit the problem."""
    asked = Course(strategy, build_strategy(strategy, problem))
    controls = []
    for name in CONTROLS:
        if name == asked.strategy.name:
            continue
        try:
            controls.append(Course(name, build_strategy(name, problem)))
        except SearchError as error:
            _LOGGER.warning("the control %s is left out: %s", name, error)
    return asked, controls


def _limited(trainings: Trainings, clock: Clock) -> Trainings:
    """Return the same trainings, of which none starts once the time is over."""
    engine = trainings.engine
    if isinstance(engine, LocalEngine):
        engine = replace(engine, may_start=clock.may_start)
    return replace(trainings, engine=engine, may_start=clock.may_start)


def _finished(
    courses: Sequence[Course], trainings: Trainings, minutes: float | None
) -> tuple[list[Searched], dict[str, str]]:
    """Train and test the answer of each strategy; return them, and why others have none.

    Raises:
        SearchError: none has one.
    """
    failed: dict[str, str] = {}
    trials = []
    for one in courses:
        try:
            trials.append(tested_trial(one.answer(), trainings))
        except SearchError as error:
            failed[one.name] = str(error)
    trainings.run(list({one.config: one for one in trials}.values()))  # together: they are faster
    searched = []
    for one in courses:
        try:
            searched += [finish(one, trainings)] if one.name not in failed else []
        except SearchError as error:
            failed[one.name] = str(error)
    if not searched:
        raise SearchError(_nothing(courses, trainings, failed, minutes))
    return searched, failed


def _nothing(
    courses: Sequence[Course],
    trainings: Trainings,
    failed: Mapping[str, str],
    minutes: float | None,
) -> str:
    """Return why a search has found nothing, and what there is."""
    reasons = {one.reason for course in courses for one in course.tried if one.reason}
    if reasons or minutes is None:
        return next(iter(failed.values()))
    begun = sum(one.is_dir() for one in trainings.folder.glob("[!.]*"))
    there = (
        f"{begun} that have begun are kept in '{trainings.folder}'" if begun else "none has begun"
    )
    return (
        f"the {minutes:g} minutes were over before one training had ended; {there}. Repeat the "
        "command with more --minutes"
    )


def _best(searched: Sequence[Searched]) -> Searched:
    """Return the best by validation; of equal ones the first, which is the one asked for."""

    def score(one: Searched) -> float:
        continued = one.facts.get("continued") or one.facts
        return max(float(one.facts["score"]), float(continued["score"]))

    return max(searched, key=score)


def _written(
    folder: Path,
    record: SearchRecord,
    searched: Sequence[Searched],
    failed: Mapping[str, str],
    best: Searched,
) -> SearchOutcome:
    """Write recipe, run, report and record of a search that is over."""
    run = best.best.folder
    part = folder / f".{RUN}.part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(run, part)
    shutil.rmtree(folder / RUN, ignore_errors=True)
    part.replace(folder / RUN)
    Recipe.parse(recipe_of(best)).write(folder / RECIPE)
    report = search_report(record, searched, failed, best)
    write_report(report, folder)
    record.write(folder)
    return SearchOutcome(
        folder=folder, record=record, searched=searched, failed=failed, best=best, report=report
    )


def recipe_of(found: Searched) -> str:
    """Return the recipe of the better run of a strategy, from scratch or continued."""
    facts = found.facts if found.best is found.scratch else found.facts["continued"]
    return str(facts["recipe"])
