"""The trials of the study of pruning."""

import logging
from typing import Any

import pytest

from ossicle.errors import RunError
from ossicle.studies import Grid, Prune
from ossicle.training.config import TrainConfig
from ossicle.trials.trial import BEFORE, Trial


def trials(recipe: str = "lora", seeds: tuple[int, ...] = (0,), **options: Any) -> list[Trial]:
    config = TrainConfig(backbone="tiny-hubert", data="demo", epochs=3)
    grid = Grid(config=config, recipes=(recipe,), seeds=seeds)
    return Prune(**{"ways": "taylor,random", "shares": "0.5,0.25", **options}).trials(grid)


def shown(trial: Trial) -> tuple[Any, Any]:
    return trial.labels["pruning"], trial.labels["kept"]


def test_a_recipe_is_pruned_in_every_way_to_every_share_and_compared_at_equal_epochs() -> None:
    found = trials(train_on=2)
    assert [shown(one) for one in found] == [
        ("unpruned", 1.0),
        ("trained on", 1.0),
        ("taylor", 0.5),
        ("taylor", 0.25),
        ("random", 0.5),
        ("random", 0.25),
        ("from scratch", 0.5),
        ("from scratch", 0.25),
    ]
    whole, *stages, half, quarter = found
    assert all(one.after is whole and one.config.parent == BEFORE for one in stages)
    assert {one.config.recipe for one in stages} == {"linear"}
    assert [one.config.epochs for one in found] == [3, 2, 2, 2, 2, 2, 5, 5]
    assert [one.config.prune for one in stages] == [
        None,
        "taylor(keep=0.5, unit=widths)",
        "taylor(keep=0.25, unit=widths)",
        "random(keep=0.5, unit=widths)",
        "random(keep=0.25, unit=widths)",
    ]
    assert half.after is None
    assert half.config.recipe == "lora(rank=4)"  # half of rank 8
    assert quarter.config.recipe == "lora(rank=2)"


def test_each_seed_prunes_its_own_run() -> None:
    found = trials(seeds=(4, 2), shares="0.5")
    pairs = [(one.config.seed, one.after.config.seed) for one in found if one.after is not None]
    assert pairs == [(4, 4)] * 3 + [(2, 2)] * 3


def test_a_recipe_without_sizes_is_not_trained_from_scratch(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    found = trials("bias", unit="adapters", shares="0.5")
    assert [shown(one)[0] for one in found] == ["unpruned", "trained on", "taylor", "random"]
    assert "No training from scratch at 0.5 of 'bias'" in caplog.text
    assert found[-1].config.prune == "random(keep=0.5, unit=adapters)"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"ways": "tailor"}, "no way to prune 'tailor'"),
        ({"ways": "argmax"}, "'argmax', which keeps no share of an adapter"),
        ({"ways": "taylor,taylor"}, "'taylor' is given twice|taylor is given twice"),
        ({"shares": "1"}, "expected a number above 0"),
        ({"shares": "0.5,half"}, "half"),
        ({"unit": "ranks"}, "expected widths or adapters"),
    ],
)
def test_a_wrong_option_says_what_is_wrong(options: dict[str, Any], why: str) -> None:
    with pytest.raises(RunError, match=why):
        trials(**options)


@pytest.mark.parametrize("given", [{"budgets": (1000,)}, {"baselines": ("mfcc",)}])
def test_sizes_are_those_of_the_shares(given: dict[str, Any]) -> None:
    config = TrainConfig(backbone="tiny-hubert", data="demo")
    with pytest.raises(RunError, match="--shares lists the sizes"):
        Prune().trials(Grid(config=config, recipes=("lora",), **given))
