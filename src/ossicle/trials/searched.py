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
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.search.choice import front_of
from ossicle.search.strategy import Answer
from ossicle.training.result import read_result
from ossicle.trials.outcome import Outcome
from ossicle.trials.search import Course, Trainings, own_parameters, trial_of
from ossicle.trials.trial import BEFORE, Trial

CONTINUED: Final = "continued"  # in the facts


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What a strategy has found.

    Attributes:
        name: The strategy, with its settings.
        is_control: Whether it is a control.
        scratch: The outcome of the answer, trained from scratch and tested.
        continued: The outcome of the answer that goes on from searched weights; None: there are
            none, or it has failed.
        facts: What the report shows, as plain data: `ossicle.studies.searching`.
    """

    name: str
    is_control: bool
    scratch: Outcome
    continued: Outcome | None
    facts: Mapping[str, Any]

    @property
    def best(self) -> Outcome:
        """The outcome with the better validation metric, from scratch or continued."""
        found = self.facts.get(CONTINUED)
        if self.continued is None or found is None:
            return self.scratch
        return self.continued if found["score"] > self.facts["score"] else self.scratch


def finish(course: Course, trainings: Trainings) -> Searched:
    """Train and test the answer of a strategy.

    Raises:
        SearchError: there is no answer, or it cannot be trained.
        RunError: no training can go on.
    """
    answer = course.answer()
    (scratch,) = trainings.run([tested_trial(answer, trainings)])
    if scratch.measured is None:
        raise SearchError(
            f"the answer '{answer.config.recipe}' cannot be trained: {scratch.reason}"
        )
    facts = _facts(course, answer, trainings) | _result(scratch, trainings)
    continued = None if answer.start is None else _continued(answer, trainings)
    if continued is not None and continued.measured is not None:
        metrics = {"metrics": dict(continued.measured.metrics)}
        facts[CONTINUED] = metrics | _result(continued, trainings)
    elif continued is not None:
        facts["failed"] = [*facts["failed"], ["the answer, continued", continued.reason]]
    return Searched(
        name=course.name,
        is_control=course.strategy.is_control,
        scratch=scratch,
        continued=continued if CONTINUED in facts else None,
        facts=facts,
    )


def tested_trial(answer: Answer, trainings: Trainings) -> Trial:
    """Return the trial that trains an answer from scratch and tests it.

    If the search has trained just that, the trial starts with a copy of the run, and tests it.
    """
    trained = Trial(config=answer.config, labels={}, runner="validated")
    tested = Trial(config=answer.config, labels={})
    before, after = trainings.read([trained])[0], trainings.read([tested])[0]
    if before.state == "finished" and not after.folder.exists():
        _copy(before.folder, after.folder)
    return tested


def _continued(answer: Answer, trainings: Trainings) -> Outcome:
    """Train an answer on from the searched weights, and test it."""
    assert answer.start is not None, "it has searched weights"
    start = trial_of(answer.start)
    config = replace(answer.config, recipe=HEAD_ONLY, parent=BEFORE, prune="argmax")
    return trainings.run([start, Trial(config=config, labels={}, after=start)])[1]


def _copy(folder: Path, to: Path) -> None:
    """Copy a run folder, so that the copy is there whole or not at all."""
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(folder, part)
    part.replace(to)


def _facts(course: Course, answer: Answer, trainings: Trainings) -> dict[str, Any]:
    """Return what the report shows of a strategy, without its answer's result."""
    problem, tried = trainings.problem, course.tried
    choice = answer.facts.get("choice", {})
    return {
        **answer.facts,
        "strategy": course.name,
        "is_control": course.strategy.is_control,
        "cost_epochs": course.epochs,
        "cost_steps": sum(
            one.facts.get("steps", one.epochs * problem.epoch_steps) for one in tried
        ),
        "trainings": sum(one.proposal.kind != "probe" for one in tried),
        "failed": [[one.proposal.config.recipe, one.reason] for one in tried if one.reason],
        "budget": problem.budget,
        "metric": problem.metric,
        "candidates": [one.name for one in problem.candidates],
        "choice": {str(layer): name for layer, name in choice.items()},
        "front": [
            [one.parameters, one.score, one.proposal.config.recipe] for one in front_of(tried)
        ],
    }


def _result(outcome: Outcome, trainings: Trainings) -> dict[str, Any]:
    """Return the recipe of a tested run, its size, and its metric on both sides, as plain data."""
    assert outcome.measured is not None, "it is tested"
    metric, result = trainings.problem.metric, read_result(outcome.folder)
    sign = -1 if trainings.problem.lower_is_better else 1
    return {
        "trial": outcome.name,
        "recipe": result.expression,
        "parameters": own_parameters(outcome.measured),
        "score": sign * result.valid[metric],
        "valid": result.valid[metric],
        "test": outcome.measured.metrics[metric],
        "interval": result.test_metrics["intervals"][metric],
    }
