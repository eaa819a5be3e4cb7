"""Random architectures at the budget: what a search must beat to be worth its cost.

Source: Li & Talwalkar 2019, "Random Search and Reproducibility for Neural Architecture Search".
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ossicle.search.candidates import architecture
from ossicle.search.choice import WAVE, best_answer, epochs_left
from ossicle.search.strategy import Answer, Proposal, Strategy, Tried


class Random(Strategy):
    """Draws a candidate for each layer, fits the sizes to the budget, and keeps the best."""

    name = "random"
    about = "random architectures: a candidate drawn for each layer, sizes fitted to the budget"
    source = "Li & Talwalkar 2019"
    is_control = True

    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the next architectures, as long as epochs are left."""
        count = min(WAVE, epochs_left(tried, self.problem) // self.problem.config.num_epochs)
        draws = self._draws()
        choices = [choice for _, choice in zip(range(len(tried) + count), draws, strict=False)]
        return [self._proposal(choice) for choice in choices[len(tried) :]]

    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return the best architecture."""
        return best_answer(tried, self.problem)

    def _proposal(self, choice: dict[int, str]) -> Proposal:
        recipe = str(architecture(self.problem, choice))
        config = replace(self.problem.config, recipe=recipe)
        return Proposal(config=config, facts={"choice": choice})

    def _draws(self) -> Iterator[dict[int, str]]:
        """Yield different architectures, always the same of a seed."""
        generator = np.random.default_rng(self.problem.seed)
        names = [one.name for one in self.problem.candidates]
        seen: set[tuple[int, ...]] = set()
        while len(seen) < len(names) ** self.problem.layers:
            drawn = tuple(generator.integers(len(names), size=self.problem.layers).tolist())
            if drawn not in seen:
                seen.add(drawn)
                yield {layer: names[number] for layer, number in enumerate(drawn)}
