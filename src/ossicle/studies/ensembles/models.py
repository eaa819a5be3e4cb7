"""Sets of trained models whose answers are compared: a model of each recipe, or seeds of one.

The recordings of all folds of a seed are taken together; each is tested once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int

from ossicle.studies.ensembles.pool import Pool
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label

RIGHT: Final = "accuracy"  # the score of a recording in tasks where it is right or wrong


@dataclass(frozen=True)
class Answers:
    """The answers of a model to the test recordings of all folds.

    Attributes:
        keys: Key of each recording.
        labels: Its true label.
        speakers: Its speaker, or None.
        predicted: The predicted label.
        scores: The score of each recording, higher being better.
        folds: Number of the fold of each recording.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    speakers: tuple[str | None, ...]
    predicted: tuple[str, ...]
    scores: Float[np.ndarray, " N"]
    folds: Int[np.ndarray, " N"]

    @property
    def right(self) -> Bool[np.ndarray, " N"]:
        """Whether each is right, of a task where that is its score."""
        return self.scores > 0.5


def answers(parts: Sequence[Outcome]) -> Answers | None:
    """Return the answers of the folds of a model together; None if one is missing or has no scores.

    Args:
        parts: Outcomes with one seed and recipe, in the order of the folds.
    """
    measured = [one.measured for one in parts]
    known = [one for one in measured if one is not None and one.scores is not None]
    if not known or len(known) < len(measured):
        return None
    return Answers(
        keys=_together(known, "keys"),
        labels=_together(known, "labels"),
        speakers=_together(known, "speakers"),
        predicted=tuple(label for one in known for label in one.predicted),
        scores=np.concatenate([np.asarray(one.scores, float) for one in known]),
        folds=np.repeat(np.arange(len(known)), [len(one.predicted) for one in known]),
    )


def _together(parts: Sequence[Measured], name: str) -> tuple[str, ...]:
    return tuple(value for one in parts for value in getattr(one.rows, name))


def member_answers(pool: Pool, recipe: str, seed: Label) -> Answers | None:
    """Return the answers of a member over all folds; None if a fold is missing."""
    found = [pool.members.get((recipe, seed, fold)) for fold in pool.folds]
    known = [one for one in found if one is not None]
    return answers(known) if len(known) == len(found) else None


def of_recipes(pool: Pool, seed: Label) -> list[Answers] | None:
    """Return the answers of a model of each recipe with one seed; None if one is missing."""
    return _complete([member_answers(pool, recipe, seed) for recipe in pool.recipes])


def of_seeds(pool: Pool, recipe: str, seed: Label) -> list[Answers] | None:
    """Return the answers of as many seeds of one recipe as there are recipes, from a seed on."""
    seeds = pool.seeds_from(seed)
    return _complete([member_answers(pool, recipe, one) for one in seeds]) if seeds else None


def successive(seeds: Sequence[Label]) -> list[tuple[Label, Label]]:
    """Return the pairs of seeds that follow each other, cyclically; each pair once."""
    following = (*seeds[1:], *seeds[:1])
    pairs = list(zip(seeds, following, strict=True))
    return pairs if len(seeds) > 2 else pairs[: len(seeds) - 1]


def table(models: Sequence[Answers]) -> Bool[np.ndarray, "N K"]:
    """Return whether each model is right on each recording."""
    return np.stack([one.right for one in models], axis=1)


def has_right_and_wrong(pool: Pool) -> bool:
    """Return whether a recording of the task is simply right or wrong."""
    score = None if pool.task is None else pool.task.recording_score
    return score is not None and score.label == RIGHT


def _complete(found: Sequence[Answers | None]) -> list[Answers] | None:
    known = [one for one in found if one is not None]
    same = len({one.keys for one in known}) == 1
    return known if len(known) == len(found) and same else None
