"""NSGA-II: an evolutionary search for the best metric and the fewest parameters at once.

A wave is a generation. The front of what was tried is the Pareto front of metric and parameters.

Source: Deb et al. 2002, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II".
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ossicle.search.choice import best_answer, epochs_left
from ossicle.search.space import Space, quiet
from ossicle.search.strategy import Answer, Problem, Proposal, Strategy, Tried
from ossicle.settings import Setting

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


class NSGA2(Strategy):
    """Breeds each generation from the front of those before it."""

    name = "nsga2"
    about = "Optuna's NSGA-II over methods, sites, layers, sizes and rates: metric and parameters"
    source = "Deb et al. 2002; Akiba et al. 2019"
    options: ClassVar[Mapping[str, Setting]] = {
        "population": Setting("points of a generation", 8, low=2, high=1000),
    }

    def __init__(self, problem: Problem, **values: Any) -> None:
        """Prepare the space."""
        super().__init__(problem, **values)
        self._space = Space(problem)

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the next generation, as far as epochs are left."""
        left = epochs_left(tried, self.problem) // self.problem.config.num_epochs
        count = min(int(self.values["population"]), left)
        proposals: list[Proposal] = []
        if count < 1:
            return proposals
        with quiet():
            study = self._study(tried)
            for start in self._space.starts() if not tried else ():
                study.enqueue_trial(start)
            while len(proposals) < count and (drawn := self._space.draw(study)) is not None:
                trial, config, choice = drawn
                kept = study.trials[trial.number]  # its attributes name its generation
                facts = {"params": kept.params, "choice": choice}
                facts |= {"distributions": kept.distributions, "attributes": kept.system_attrs}
                proposals.append(Proposal(config=config, facts=facts))
        return proposals

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the point of the front with the best metric."""
        return best_answer(tried, self.problem)

    def _study(self, tried: Sequence[Tried]) -> "Study":
        from optuna import create_study
        from optuna.samplers import NSGAIISampler

        size, seed = int(self.values["population"]), self.problem.seed + 1000 * len(tried)
        sampler = NSGAIISampler(population_size=size, seed=seed)
        study = create_study(directions=["maximize", "minimize"], sampler=sampler)
        for one in tried:
            study.add_trial(_told(one))
        return study


def _told(one: Tried) -> "FrozenTrial":
    """Return a training as Optuna keeps it."""
    from optuna.trial import TrialState, create_trial

    facts = one.proposal.facts
    failed = one.score is None
    return create_trial(
        state=TrialState.FAIL if failed else TrialState.COMPLETE,
        values=None if one.score is None else [one.score, float(one.parameters)],
        params=facts["params"],
        distributions=facts["distributions"],
        system_attrs=facts["attributes"],
    )
