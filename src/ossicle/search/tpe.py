"""Tree-structured Parzen estimators over methods, sites, layers, sizes and learning rates.

The points of a wave are trained with 1 / reduction of the epochs, and the best 1 / reduction of
them with all epochs: successive halving. A shorter training is one of its own, with the schedule of
its own number of epochs, so that nothing has to be paused. Optuna knows the others as pruned.

Sources: Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"; Jamieson & Talwalkar
2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization".
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from ossicle.search.choice import best_answer, epochs_left, rank
from ossicle.search.space import Space, quiet
from ossicle.search.strategy import Answer, Problem, Proposal, Strategy, Tried
from ossicle.settings import Setting

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class TPE(Strategy):
    """Proposes points where the density of good results is high compared with that of others."""

    name = "tpe"
    about = "Optuna's TPE over methods, sites, layers, sizes and rates, with successive halving"
    source = "Bergstra et al. 2011; Akiba et al. 2019"
    options: ClassVar[Mapping[str, Setting]] = {
        "wave": Setting("points that are drawn at a time", 8, low=2, high=1000),
        "reduction": Setting("of successive halving; 1: all epochs at once", 4, low=1, high=64),
    }

    def __init__(self, problem: Problem, **values: Any) -> None:
        """Prepare the space."""
        super().__init__(problem, **values)
        self._space = Space(problem)

    @property
    def _first_epochs(self) -> int:
        """Epochs of the shorter trainings."""
        return max(1, self.problem.config.num_epochs // int(self.values["reduction"]))

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return new points, or those of the last wave that are trained with all epochs."""
        whole = self.problem.config.num_epochs
        left = epochs_left(tried, self.problem)
        if tried and (promoted := self._promoted(tried)):
            return promoted[: left // whole]
        count = min(int(self.values["wave"]), self._affordable(left))
        return self._new(tried, count) if count > 0 else []

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the best of those that were trained with all epochs."""
        return best_answer(tried, self.problem)

    def _affordable(self, left: int) -> int:
        """Return how many new points can be trained, with one of them to the end."""
        short, whole = self._first_epochs, self.problem.config.num_epochs
        return left // whole if short == whole else (left - whole) // short

    def _promoted(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the best of the last wave with all epochs; none if that has been done."""
        last = max(one.proposal.facts["wave"] for one in tried)
        wave = [one for one in tried if one.proposal.facts["wave"] == last]
        whole = self.problem.config.epochs
        if any(one.proposal.config.epochs == whole for one in wave):
            return []
        scored = sorted((one for one in wave if one.score is not None), key=rank)
        best = scored[: max(1, len(wave) // int(self.values["reduction"]))]
        return [
            replace(one.proposal, config=replace(one.proposal.config, epochs=whole)) for one in best
        ]

    def _new(self, tried: Sequence[Tried], count: int) -> list[Proposal]:
        """Return points that Optuna proposes, after it was told all results."""
        wave = 1 + max((one.proposal.facts["wave"] for one in tried), default=-1)
        proposals = []
        with quiet():
            study = self._study(tried, wave)
            for start in self._space.starts() if not tried else ():
                study.enqueue_trial(start)
            for number in range(count):
                if (drawn := self._space.draw(study)) is None:
                    break
                trial, config, choice = drawn
                facts = {"wave": wave, "point": number, "params": trial.params, "choice": choice}
                facts["distributions"] = trial.distributions
                config = replace(config, epochs=self._first_epochs)
                proposals.append(Proposal(config=config, facts=facts))
        return proposals

    def _study(self, tried: Sequence[Tried], wave: int) -> "Study":
        from optuna import create_study
        from optuna.samplers import TPESampler

        startup = int(self.values["wave"])
        seed = self.problem.seed + 1000 * wave
        sampler = TPESampler(n_startup_trials=startup, constant_liar=True, seed=seed)
        study = create_study(direction="maximize", sampler=sampler)
        points: dict[tuple[int, int], list[Tried]] = {}
        for one in tried:
            facts = one.proposal.facts
            points.setdefault((facts["wave"], facts["point"]), []).append(one)
        for trainings in points.values():
            study.add_trial(self._told(trainings))
        return study

    def _told(self, trainings: Sequence[Tried]) -> "FrozenTrial":
        """Return a point with its results by number of epochs, as Optuna keeps it."""
        from optuna.trial import TrialState, create_trial

        last, facts = trainings[-1], trainings[0].proposal.facts
        scores = {
            one.proposal.config.num_epochs: one.score for one in trainings if one.score is not None
        }
        state, value = TrialState.PRUNED, None
        if last.score is None:
            state = TrialState.FAIL
        elif last.proposal.config.epochs == self.problem.config.epochs:
            state, value = TrialState.COMPLETE, last.score
        return create_trial(
            state=state,
            value=value,
            params=facts["params"],
            distributions=facts["distributions"],
            intermediate_values=scores,
        )
