"""The end of a search: its answer is trained and tested once, and what the report shows of it.

An answer is trained from scratch. If the search has trained weights that it can go on with, it is
also continued from these: a stage whose parent is the mixture, pruned to its best candidates.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ossicle.errors import SearchError
from ossicle.search.choice import front_of
from ossicle.search.strategy import Answer
from ossicle.training.result import read_result
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.search import Course, Trainings, own_parameters, trial_of
from ossicle.trials.trial import BEFORE, Trial

SCRATCH: Final = "scratch"  # in `Measured.facts`: the name of the trial from scratch
CONTINUED: Final = "continued"


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a strategy has found.

    Attributes:
        name: The strategy, with its settings.
        is_control: Whether it is a control.
        scratch: The outcome of the answer, trained from scratch and tested.
        continued: The outcome of the answer that goes on from searched weights; None: there are
            none.
        facts: What the report shows, as plain data.
    """

    name: str
    is_control: bool
    scratch: Outcome
    continued: Outcome | None
    facts: Mapping[str, Any]

    @property
    def measured(self) -> Measured:
        """The test of the answer from scratch, with the facts."""
        assert self.scratch.measured is not None, "an answer without a test is an error"
        return replace(self.scratch.measured, facts=self.facts)


def finish(course: Course, trainings: Trainings) -> Searched:
    """Train and test the answer of a strategy.

    Raises:
        SearchError: there is no answer, or it cannot be trained.
        RunError: no training can go on.
    """
    answer = course.answer()
    scratch = _tested(answer, trainings)
    continued = None
    if answer.start is not None:
        start = trial_of(answer.start)
        config = replace(answer.config, recipe="", parent=BEFORE, prune="argmax")
        stage = Trial(config=config, labels={}, after=start)
        _, continued = trainings.run([start, stage])
    facts = _facts(course, answer, trainings, scratch, continued)
    return Searched(
        name=course.name,
        is_control=course.strategy.is_control,
        scratch=scratch,
        continued=continued,
        facts=facts,
    )


def _tested(answer: Answer, trainings: Trainings) -> Outcome:
    """Train an answer from scratch, unless the search has done so, and test it.

    Raises:
        SearchError: the training has failed.
    """
    trained = Trial(config=answer.config, labels={}, runner="validated")
    tested = Trial(config=answer.config, labels={})
    before, after = trainings.read([trained])[0], trainings.read([tested])[0]
    if before.state == "finished" and not after.folder.exists():
        _copy(before.folder, after.folder)  # of the same settings; it goes on with its test
    (found,) = trainings.run([tested])
    if found.measured is None:
        raise SearchError(f"the answer '{answer.config.recipe}' cannot be trained: {found.reason}")
    return found


def _copy(folder: Path, to: Path) -> None:
    """Copy a run folder, so that the copy is there whole or not at all."""
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part)
    part.replace(to)


def _facts(
    course: Course,
    answer: Answer,
    trainings: Trainings,
    scratch: Outcome,
    continued: Outcome | None,
) -> dict[str, Any]:
    """Return what the report shows of a strategy."""
    problem, tried = trainings.problem, course.tried
    sign = -1 if problem.lower_is_better else 1
    front = [
        [one.parameters, sign * (one.score or 0.0), one.proposal.config.recipe]
        for one in front_of(tried)
    ]
    steps = sum(one.facts.get("steps", one.epochs * problem.epoch_steps) for one in tried)
    choice = answer.facts.get("choice", {})
    facts = {
        "strategy": course.name,
        "is_control": course.strategy.is_control,
        "cost_epochs": course.epochs,
        "cost_steps": steps,
        "trainings": len(tried),
        "failed": [[one.proposal.config.recipe, one.reason] for one in tried if one.reason],
        "budget": problem.budget,
        "metric": problem.metric,
        "lower_is_better": problem.lower_is_better,
        "candidates": [one.name for one in problem.candidates],
        "front": front,
        "choice": {str(layer): name for layer, name in choice.items()},
        CONTINUED: None if continued is None else _result(continued, problem.metric),
        **_result(scratch, problem.metric),
    }
    return {**answer.facts, **facts}


def _result(outcome: Outcome, metric: str) -> dict[str, Any]:
    """Return the recipe of a tested run, its size, and the metric on both sides, as plain data."""
    measured = outcome.measured
    if measured is None:
        return {"reason": outcome.reason}
    result = read_result(outcome.folder)
    return {
        "trial": outcome.name,
        "recipe": result.expression,
        "parameters": own_parameters(measured),
        "valid": result.valid[metric],
        "test": measured.metrics[metric],
        "interval": result.test_metrics["intervals"][metric],
    }
