"""Layers by frozen probes: the best candidate in the layers whose outputs predict the labels best.

    importance of layer l = cross-validated accuracy, or R squared, of a linear model on the mean
                            over time of the output of layer l of the bare backbone

Cross-validation is within the training recordings: `ossicle.trials.runners.probe`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ossicle.errors import SearchError
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.search.candidates import architecture
from ossicle.search.choice import best_answer, best_of, choice_of
from ossicle.search.strategy import Answer, Problem, Proposal, Strategy, Tried
from ossicle.tasks import Classification, Intent, Regression, Verification, parse_task

SUITED = (Classification, Intent, Verification, Regression)
PARTS = 4  # tried are 1/4, 2/4 and 3/4 of the layers


class Probe(Strategy):
    """Trains each candidate in all layers, then the best in the best layers by the probe."""

    name = "probe"
    about = "the best candidate in the best k layers by linear probes of the frozen backbone"
    is_control = True

    def __init__(self, problem: Problem, **values: Any) -> None:
        """Check that labels can be probed.

        Raises:
            SearchError: they are not classes, speakers or numbers.
        """
        super().__init__(problem, **values)
        task, _ = parse_task(problem.config.task or Classification.name)
        if not issubclass(task, SUITED):
            names = ", ".join(one.name for one in SUITED)
            raise SearchError(
                f"the strategy probe predicts labels of whole recordings, so it suits the tasks "
                f"{names}, not {task.name}. Choose another strategy"
            )

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the probe and every candidate in all layers, then the best in the best layers."""
        if not tried:
            probe = Proposal(config=self._config(HEAD_ONLY), kind="probe")
            every = [one.name for one in self.problem.candidates if one.recipe.placements]
            return [probe, *(self._proposal(name, range(self.problem.layers)) for name in every)]
        importance = importance_of(tried)
        if importance is None or any("k" in one.proposal.facts for one in tried):
            return []
        (name,) = set(best_of(tried, self.problem).proposal.facts["choice"].values())
        order = np.argsort(-np.array(importance), kind="stable").tolist()
        counts = {round(part * len(order) / PARTS) for part in range(1, PARTS)} - {0, len(order)}
        return [self._proposal(name, order[:k]) for k in sorted(counts)]

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the best training, and the importance of each layer."""
        found = best_answer(tried, self.problem)
        return replace(found, facts={**found.facts, "importance": importance_of(tried)})

    def _proposal(self, name: str, layers: Sequence[int]) -> Proposal:
        choice = choice_of(self.problem, name, sorted(layers))
        recipe = str(architecture(self.problem, choice))
        own = {} if len(choice) == self.problem.layers else {"k": len(choice)}
        return Proposal(config=self._config(recipe), facts={"choice": choice, **own})

    def _config(self, recipe: str) -> Any:
        return replace(self.problem.config, recipe=recipe)


def importance_of(tried: Sequence[Tried]) -> list[float] | None:
    """Return the importance of each layer; None without a result of the probe."""
    found = (one.facts.get("importance") for one in tried if one.proposal.kind == "probe")
    values: list[float] | None = next(found, None)
    return values
