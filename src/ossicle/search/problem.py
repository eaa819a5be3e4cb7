"""The problem of a search: its data, backbone and candidates, after all checks of them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from ossicle.backbones import Backbone, load_backbone
from ossicle.errors import SearchError
from ossicle.progress import Progress, no_progress
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.search.candidates import read_candidates
from ossicle.search.strategy import Problem
from ossicle.training.config import TrainConfig
from ossicle.training.loop import plan_epoch
from ossicle.training.prepare import prepare

_LOGGER: Final = logging.getLogger(__name__)
FEWEST: Final = 8  # recordings of training and of validation; with fewer, a choice is luck


def build_problem(
    config: TrainConfig,
    candidates: Sequence[str],
    budget: int,
    trials: int,
    *,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> Problem:
    """Read the recordings and the backbone, and fit the candidates to the budget.

    Candidates that are left out are logged.

    Args:
        config: Settings of every training; the recipe is not used.
        candidates: Names or expressions of the candidates.
        budget: Most parameters of the answer, without the head.
        trials: Number of full trainings that a strategy may cost.
        load: Loads the backbone.
        progress: Called while recordings are checked.

    Raises:
        SearchError: there are too few candidates or recordings.
        OssicleError: the recordings, the backbone or a setting cannot be used.
    """
    shape = load_backbone(config.backbone, weights=False)
    found, notices = read_candidates(shape, candidates, budget)
    run = prepare(replace(config, recipe=HEAD_ONLY), load=load, progress=progress)
    for side, name in (("train", "training"), ("valid", "validation")):
        if (count := len(run.clips[side].utterances)) < FEWEST:
            raise SearchError(
                f"the data have {count} {name} recordings, and a search needs {FEWEST} or more: "
                "with fewer, the best of many trainings is luck. Add recordings, or choose a "
                "recipe without a search"
            )
    if run.dataset.validates_on_test:
        raise SearchError(
            f"'{config.data}' validates on its test recordings, so a search would choose by them. "
            "Leave the option that selects this protocol out"
        )
    for notice in notices:
        _LOGGER.warning(notice)
    batches = len(plan_epoch(run.clips["train"], run.config, shape.sample_rate, number=1))
    return Problem(
        config=replace(run.config, recipe="", task=run.config.task or run.task.name, track="none"),
        candidates=found,
        backbone=shape,
        budget=budget,
        metric=run.task.primary_metric,
        lower_is_better=not run.task.higher_is_better,
        trials=trials,
        seed=config.seed,
        epoch_steps=-(-batches // config.accumulate),
    )
