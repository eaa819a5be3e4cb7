"""Every candidate in all layers: what one would try without a search."""

from collections.abc import Sequence
from dataclasses import replace

from ossicle.search.choice import best_answer, choice_of
from ossicle.search.strategy import Answer, Proposal, Strategy, Tried


class Uniform(Strategy):
    """Trains each candidate in all layers at the budget, and answers with the best."""

    name = "uniform"
    about = "every candidate in all layers at the budget"
    is_control = True

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return one training of each candidate."""
        if tried:
            return []
        return [
            Proposal(
                config=replace(self.problem.config, recipe=str(one.recipe)),
                facts={"choice": choice_of(self.problem, one.name)},
            )
            for one in self.problem.candidates
        ]

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the best candidate in all layers."""
        return best_answer(tried, self.problem)
