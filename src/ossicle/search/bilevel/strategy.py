"""Differentiable strategies: one training of all candidates and their gates, in turn."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ossicle.errors import SearchError
from ossicle.search.bilevel.mixture import gate_names, mixture
from ossicle.search.bilevel.run import check_settings
from ossicle.search.candidates import architecture
from ossicle.search.strategy import Answer, Problem, Proposal, Strategy, Tried
from ossicle.settings import value_text


class Bilevel(Strategy):
    """Trains a mixture of all candidates, then keeps the best one of each layer.

    The mixture trains for as many epochs as the trainings that the search may cost.
    """

    def __init__(self, problem: Problem, **values: Any) -> None:
        """Build the mixture.

        Raises:
            SearchError: there are fewer than two candidates, they cannot be mixed, or a setting of
                the run does not suit a search.
        """
        super().__init__(problem, **values)
        check_settings(problem.config)
        self._recipe = mixture(problem.candidates, self.values["mixture"])

    @property
    def text(self) -> str:
        """The strategy with the settings that differ from their defaults."""
        values = self.values
        if values.get("budget") == 0:  # of parameters
            values = values | {"budget": self.problem.budget}
        given = [
            f"{name}={value_text(values[name])}"
            for name, setting in self.options.items()
            if values[name] != setting.default
        ]
        return self.name + (f"({','.join(given)})" if given else "")

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the one training."""
        if tried:
            return []
        trained = replace(
            self.problem.config,
            recipe=str(self._recipe),
            epochs=self.problem.most_epochs,
            patience=None,
        )
        return [Proposal(config=trained, kind="bilevel", settings={"strategy": self.text})]

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the best candidate of each layer, to be trained from scratch or further."""
        (one,) = tried or (None,)
        if one is None or one.score is None:
            reason = "it has not been trained yet" if one is None else one.reason
            raise SearchError(f"the strategy '{self.name}' has found nothing: {reason}")
        candidates = self.problem.candidates
        given = dict(zip(gate_names(candidates), (each.name for each in candidates), strict=True))
        choice = {int(layer): given[name] for layer, name in one.facts["choice"].items()}
        names = [given[name] for name in one.facts["candidates"]]
        config = replace(self.problem.config, recipe=str(architecture(self.problem, choice)))
        facts = {**one.facts, "choice": choice, "candidates": names}
        start = one.proposal if _has_largest_gates(one) else None
        return Answer(config=config, start=start, facts=facts)


def _has_largest_gates(tried: Tried) -> bool:
    """Return whether the largest gates are chosen, which is what a stage continues with."""
    names, gates = tried.facts["candidates"], tried.facts["gates"][-1]
    every = {layer: dict(zip(names, values, strict=True)) for layer, values in gates.items()}
    return all(
        every[layer][name] == max(every[layer].values())
        for layer, name in tried.facts["choice"].items()
    )
