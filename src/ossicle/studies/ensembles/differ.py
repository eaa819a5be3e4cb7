"""Whether models of different recipes err on different recordings, compared with seeds of one.

Two runs of one recipe with other seeds differ too, so each statistic over recipes is shown next to
the same one over seeds of one recipe.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float

from ossicle.statistics.agreement import (
    CochranTest,
    PairAgreement,
    cochran_test,
    oracle_accuracy,
    pair_agreement,
)
from ossicle.statistics.correction import holm
from ossicle.studies.analysis.scores import Scores
from ossicle.studies.ensembles.models import (
    Answers,
    member_answers,
    of_recipes,
    of_seeds,
    successive,
    table,
)
from ossicle.studies.ensembles.pool import Pool
from ossicle.trials.trial import Label

LEVEL: Final = 0.05


@dataclass(frozen=True)
class Tested:
    """Cochran's tests of several sets of models, corrected together.

    Attributes:
        tests: The tests.
        p_values: p of each, corrected by Holm's method.
    """

    tests: tuple[CochranTest, ...]
    p_values: tuple[float, ...]

    @classmethod
    def of(cls, tests: Sequence[CochranTest]) -> "Tested":
        """Return tests with their corrected p-values."""
        corrected = holm([one.p_value for one in tests])
        return cls(tuple(tests), tuple(p for p in corrected if p is not None))

    @property
    def significant(self) -> int:
        """Number of tests with a corrected p below 0.05."""
        return sum(p < LEVEL for p in self.p_values)


@dataclass(frozen=True)
class Disagreement:
    """How much more models of different recipes disagree than seeds of one recipe.

    Attributes:
        recipes: Mean disagreement of two recipes with successive seeds.
        seeds: Mean disagreement of one recipe with successive seeds.
        scores: The difference of the two on each recording; successive seeds share models.
    """

    recipes: float
    seeds: float
    scores: Scores


@dataclass(frozen=True)
class Differ:
    """The agreement of the members of a pool whose recordings are right or wrong.

    Attributes:
        pool: The pool.
    """

    pool: Pool

    @cached_property
    def by_seed(self) -> Mapping[Label, Sequence[Answers]]:
        """The answers of all recipes, for each seed that has them."""
        found = {seed: of_recipes(self.pool, seed) for seed in self.pool.seeds}
        return {seed: models for seed, models in found.items() if models is not None}

    @cached_property
    def over_recipes(self) -> Tested:
        """Cochran's Q over recipes, a test for each seed."""
        return Tested.of([cochran_test(table(models)) for models in self.by_seed.values()])

    @cached_property
    def sets_of_seeds(self) -> Mapping[tuple[str, tuple[Label, ...]], Sequence[Answers]]:
        """The answers of each recipe with each different set of as many seeds as recipes."""
        found: dict[tuple[str, frozenset[Label]], tuple[tuple[Label, ...], list[Answers]]] = {}
        for recipe in self.pool.recipes:
            for seed in self.pool.seeds:
                seeds, models = self.pool.seeds_from(seed), of_seeds(self.pool, recipe, seed)
                if models is not None:
                    found.setdefault((recipe, frozenset(seeds)), (seeds, models))
        return {(recipe, seeds): models for (recipe, _), (seeds, models) in found.items()}

    @property
    def names_of_sets(self) -> list[str]:
        """Names of `sets_of_seeds`."""
        return [
            f"{recipe}, seeds {', '.join(map(str, seeds))}" for recipe, seeds in self.sets_of_seeds
        ]

    @cached_property
    def over_seeds(self) -> Tested:
        """Cochran's Q over seeds of one recipe, a test for each set."""
        return Tested.of([cochran_test(table(one)) for one in self.sets_of_seeds.values()])

    @property
    def oracle(self) -> float:
        """Fraction of the recordings that any recipe has right, mean over seeds."""
        return float(np.mean([oracle_accuracy(table(one)) for one in self.by_seed.values()]))

    def pair(self, first: str, second: str) -> list[PairAgreement]:
        """Return the agreement of two recipes for each seed; of one recipe, of successive seeds."""
        seeds = self.pool.seeds
        pairs = successive(seeds) if first == second else [(seed, seed) for seed in seeds]
        answers = [
            (member_answers(self.pool, first, one), member_answers(self.pool, second, other))
            for one, other in pairs
        ]
        return [
            pair_agreement(one.labels, one.predicted, other.predicted)
            for one, other in answers
            if one is not None and other is not None and one.keys == other.keys
        ]

    @cached_property
    def disagreement(self) -> Disagreement | None:
        """How recipes disagree compared with seeds; None of one seed, or if models are missing."""
        parts = []
        for pair in successive(self.pool.seeds):
            apart, same = (self._changed(*pair, same=same) for same in (False, True))
            if apart is not None and same is not None:
                parts.append((apart, same))
        if not parts:
            return None
        recipes, seeds = (np.stack(part) for part in zip(*parts, strict=True))  # (S, N) each
        some = next(iter(self.by_seed.values()))[0]
        speakers = [one for one in some.speakers if one is not None]
        more = recipes - seeds
        known = speakers if len(speakers) == len(some.keys) else None
        return Disagreement(
            recipes=float(recipes.mean()),
            seeds=float(seeds.mean()),
            scores=Scores(more, np.ones_like(more), known),
        )

    def _changed(self, seed: Label, other: Label, *, same: bool) -> Float[np.ndarray, " N"] | None:
        """Return, for each recording, the fraction of pairs of models that disagree on it.

        Args:
            seed: Seed of the first model of each pair.
            other: Seed of the second.
            same: Whether both are of one recipe; otherwise they are of two.
        """
        first, second = self.by_seed.get(seed), self.by_seed.get(other)
        if first is None or second is None:
            return None
        changed: Float[np.ndarray, " N"] = np.mean(
            [
                one.right != two.right
                for i, one in enumerate(first)
                for j, two in enumerate(second)
                if (i == j) == same
            ],
            axis=0,
        )
        return changed
