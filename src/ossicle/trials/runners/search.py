"""A whole search as a trial: one strategy, and its answer, trained and tested once.

    TRIAL/trials/<name>/   what the strategy has trained, one after the other in this process
    TRIAL/answer.json      its answer and its cost: `ossicle.trials.searched`

The settings of a trial are `strategy`; `budget`, of parameters; `candidates`, separated by commas;
and `trials`, the number of full trainings that the strategy may cost.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ossicle.files import write_sealed
from ossicle.progress import Progress
from ossicle.recipes.text import split_recipes
from ossicle.search import build_strategy
from ossicle.search.problem import build_problem
from ossicle.training.folder import Writer, read_json
from ossicle.trials.engine import Event
from ossicle.trials.in_process_engine import InProcessEngine
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.trial import Trial

if TYPE_CHECKING:
    from ossicle.trials.run import Standing

RESULT: Final = "answer.json"
TRIALS: Final = "trials"


class Search:
    """Searches, then trains and tests the answer."""

    name = "search"
    ignores = TRAIN.ignores | {"recipe"}
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Search, or continue the search in the folder."""
        from ossicle.trials.search import Course, Trainings, run_courses  # they use runners
        from ossicle.trials.searched import finish

        settings = trial.settings
        with Writer(folder) as writer:
            writer.take()
            problem = build_problem(
                trial.config,
                split_recipes(str(settings["candidates"])),
                int(settings["budget"]),
                int(settings["trials"]),
                load=kept.load,
                progress=progress,
            )
            name = str(settings["strategy"])
            course = Course(name, build_strategy(name, problem))
            trainings = Trainings(
                problem=problem,
                folder=folder / TRIALS,
                engine=InProcessEngine(kept),
                on_event=_passing_on(progress),
            )
            run_courses(course, (), trainings)
            found = finish(course, trainings)
            write_sealed(folder / RESULT, dict(found.facts))

    def read(self, folder: Path) -> Measured | None:
        """Return the test of the answer; `facts` has what the report shows of the search."""
        if not (folder / RESULT).is_file():
            return None
        facts = read_json(folder / RESULT)
        found = TRAIN.read(folder / TRIALS / str(facts["trial"]))
        return None if found is None else replace(found, facts=facts)


def _passing_on(progress: Progress) -> "Callable[[Event, Standing], None]":
    """Return what passes the steps of inner trials on as progress of the outer one."""

    def pass_on(event: Event, standing: "Standing") -> None:  # noqa: ARG001 - it is of one wave
        if event.what == "step":
            progress(f"search: {event.stage}", event.done, event.total, **event.facts)

    return pass_on


RUNNER: Final[Runner] = Search()
