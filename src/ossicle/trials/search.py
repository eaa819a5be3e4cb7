"""Run strategies of a search: their waves of proposals are trials, on any engine.

    wave of proposals -> trials, named by what decides them -> results -> next wave -> ... -> answer

A search that was killed is repeated from its beginning: the strategies propose the same trainings,
and the results of those that have finished are read from the folder of trials.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ossicle.errors import RunError
from ossicle.search.strategy import Answer, Kind, Problem, Proposal, Strategy, Tried
from ossicle.trials.engine import Engine, Event
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
    """

    problem: Problem
    folder: Path
    engine: Engine
    naming: Naming = field(default_factory=Naming)
    on_event: Callable[[Event, Standing], None] = lambda *_: None

    def results(self, wave: Sequence[Proposal]) -> list[Tried]:
        """Train the proposals of a wave that are not trained yet, and return the results of all.

        Raises:
            RunError: no training can go on, or another process computes one.
        """
        outcomes = self.run([trial_of(one) for one in wave])
        return [self._tried(*pair) for pair in zip(wave, outcomes, strict=True)]

    def run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Compute trials that are not finished, and return the outcomes of all.

        Raises:
            RunError: no training can go on, or another process computes one.
        """
        names = [self.naming.name(one) for one in trials]
        found = run_trials(trials, names, self.folder, engine=self.engine, on_event=self.on_event)
        for one in found:
            if one.state not in ("finished", "failed"):
                raise RunError(
                    f"the training in '{one.folder}' is {one.state}: another process computes it. "
                    "Wait until that has ended, and repeat the command"
                )
        return found

    def _tried(self, proposal: Proposal, outcome: Outcome) -> Tried:
        measured = outcome.measured
        if measured is None:
            return Tried(proposal=proposal, score=None, reason=outcome.reason)
        return Tried(
            proposal=proposal,
            score=self._score(measured),
            parameters=own_parameters(measured),
            epochs=measured.epochs,
            facts=measured.facts,
        )

    def _score(self, measured: Measured) -> float | None:
        value = measured.metrics.get(self.problem.metric)
        return None if value is None else -value if self.problem.lower_is_better else value


def trial_of(proposal: Proposal) -> Trial:
    """Return the trial of a proposal."""
    return Trial(
        config=proposal.config,
        labels={},
        runner=RUNNER_OF[proposal.kind],
        settings=proposal.settings,
    )


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
        is_done: Whether it proposes no more.
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
        self.tried += trainings.results(wave)
        self.is_done = not wave

    def answer(self) -> Answer:
        """Return what was found.

        Raises:
            SearchError: nothing that was tried has a result.
        """
        return self.strategy.answer(self.tried)


def run_course(
    asked: Course,
    controls: Sequence[Course],
    trainings: Trainings,
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Run a strategy and its controls, wave by wave, so that they cost the same at any time.

    The next wave is that of the strategy with the fewest trained epochs. Once the strategy that was
    asked for is done, a control trains on only while it has cost less.

    Args:
        asked: The strategy that was asked for.
        controls: The controls.
        trainings: Trains what they propose.
        is_over: Whether the time is over, so that no new wave starts.

    Raises:
        RunError: no training can go on.
    """
    courses = [*controls, asked]
    while not is_over():
        for one in controls:
            one.is_done |= asked.is_done and bool(one.tried) and one.epochs >= asked.epochs
        waiting = [one for one in courses if not one.is_done]
        if not waiting:
            return
        min(waiting, key=lambda one: one.epochs).advance(trainings)


def final_trial(answer: Answer) -> Trial:
    """Return the trial that trains an answer from scratch, and tests it once."""
    return Trial(config=replace(answer.config, track="none"), labels={}, runner="train")
