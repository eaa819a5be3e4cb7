"""Run strategies of a search: their waves of proposals are trials, on any engine.

    wave of proposals -> trials, named by what decides them -> results -> next wave -> ... -> answer

A search that was killed is repeated from its beginning: the strategies propose the same trainings,
and the results of those that have finished are read from the folder of trials.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ossicle.errors import RunError
from ossicle.search.strategy import Answer, Kind, Problem, Proposal, Strategy, Tried
from ossicle.trials.engine import Engine, Event
from ossicle.trials.folder import read_outcomes
from ossicle.trials.naming import Naming
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.run import Standing, run_trials
from ossicle.trials.trial import Trial

RUNNER_OF: Final[dict[Kind, str]] = {"train": "validated", "bilevel": "bilevel", "probe": "probe"}


@dataclass(frozen=True, kw_only=True)
class Trainings:
    """Trains what strategies propose, in one folder that they share.

    Attributes:
        problem: The problem.
        folder: The folder of trials.
        engine: What computes them.
        naming: Names them.
        on_event: Called with every event of a trial, and how far its wave is.
        on_named: Called with the recipe of each trial by its name, before they are computed.
        may_start: Whether another training may start. Once it may not, results are only read.
    """

    problem: Problem
    folder: Path
    engine: Engine
    naming: Naming = field(default_factory=Naming)
    on_event: Callable[[Event, Standing], None] = lambda *_: None
    on_named: Callable[[Mapping[str, str]], None] = lambda _: None
    may_start: Callable[[], bool] = lambda: True

    def results(self, wave: Sequence[Proposal]) -> list[Tried]:
        """Train the proposals of a wave that are not trained yet, and return the results.

        They are fewer than the proposals if trainings may no longer start.

        Raises:
            RunError: no training can go on, or another process computes one.
        """
        trials = [trial_of(one) for one in wave]
        found = self.run(trials) if self.may_start() else self.read(trials)
        ended = [pair for pair in zip(wave, found, strict=True) if _has_ended(pair[1])]
        if len(ended) < len(wave) and self.may_start():
            other = next(one for one in found if not _has_ended(one))
            raise RunError(
                f"the training in '{other.folder}' is {other.state}: another process computes it. "
                "Wait until that has ended, and repeat the command"
            )
        return [self._tried(*pair) for pair in ended]

    def run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Compute trials that are not finished, and return the outcomes of all.

        Raises:
            RunError: no training can go on.
        """
        names = [self.naming.name(one) for one in trials]
        self.on_named({name: _described(one) for name, one in zip(names, trials, strict=True)})
        return run_trials(trials, names, self.folder, engine=self.engine, on_event=self.on_event)

    def read(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Return the outcomes of trials as they are."""
        return read_outcomes(trials, [self.naming.name(one) for one in trials], self.folder)

    def score(self, measured: Measured) -> float | None:
        """Return the metric of the problem, so that higher is better."""
        value = measured.metrics.get(self.problem.metric)
        return None if value is None else -value if self.problem.lower_is_better else value

    def _tried(self, proposal: Proposal, outcome: Outcome) -> Tried:
        measured = outcome.measured
        if measured is None:
            return Tried(proposal=proposal, score=None, reason=outcome.reason)
        return Tried(
            proposal=proposal,
            score=self.score(measured),
            parameters=own_parameters(measured),
            epochs=measured.epochs,
            facts=measured.facts,
        )


def _has_ended(outcome: Outcome) -> bool:
    return outcome.state in ("finished", "failed")


def _described(trial: Trial) -> str:
    what = {"train": "test of ", "probe": "probes of ", "bilevel": "mixture: "}
    recipe = trial.config.recipe if trial.after is None else "the searched weights"
    return f"{what.get(trial.runner, '')}{recipe:.100}, {trial.config.num_epochs} epochs"


def trial_of(proposal: Proposal) -> Trial:
    """Return the trial of a proposal."""
    runner = RUNNER_OF[proposal.kind]
    return Trial(config=proposal.config, labels={}, runner=runner, settings=proposal.settings)


def own_parameters(measured: Measured) -> int:
    """Return the number of trained parameters without the head."""
    return int(measured.parameters.get("trainable", 0) - measured.parameters.get("head", 0))


@dataclass
class Course:
    """How far a strategy is.

    Attributes:
        name: The strategy as it was asked for, with its settings.
        strategy: The strategy.
        tried: The results of its waves so far.
        is_done: Whether it proposes no more, or may not go on.
    """

    name: str
    strategy: Strategy
    tried: list[Tried] = field(default_factory=list)
    is_done: bool = False

    @property
    def epochs(self) -> int:
        """Number of epochs trained so far: its cost."""
        return sum(one.epochs for one in self.tried)

    def advance(self, trainings: Trainings) -> None:
        """Train the next wave, if there is one.

        Raises:
            RunError: no training can go on.
        """
        wave = self.strategy.propose(self.tried)
        found = trainings.results(wave)
        self.tried += found
        self.is_done = not wave or len(found) < len(wave)

    def answer(self) -> Answer:
        """Return what was found.

        Raises:
            SearchError: nothing that was tried has a result.
        """
        return self.strategy.answer(self.tried)


def run_courses(asked: Course, controls: Sequence[Course], trainings: Trainings) -> None:
    """Run a strategy and its controls, wave by wave, so that they cost the same at any time.

    The next wave is that of the strategy with the fewest trained epochs. Once the strategy that was
    asked for is done, a control trains on only while it has cost less.

    Args:
        asked: The strategy that was asked for.
        controls: The controls.
        trainings: Trains what they propose.

    Raises:
        RunError: no training can go on.
    """
    courses = [*controls, asked]
    while True:
        for one in controls:
            one.is_done |= asked.is_done and bool(one.tried) and one.epochs >= asked.epochs
        waiting = [one for one in courses if not one.is_done]
        if not waiting:
            return
        min(waiting, key=lambda one: one.epochs).advance(trainings)
