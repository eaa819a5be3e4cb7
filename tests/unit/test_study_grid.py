"""The trials that studies declare, and their order."""

from typing import Any

import pytest

from ossicle.errors import RecipeError, RunError
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.sets import SETS, expand_sets
from ossicle.studies import STUDIES, DataSize, FewShot, LeaveOneOut, Methods, Sensitivity, Study
from ossicle.studies.grid import Grid
from ossicle.training.config import TrainConfig

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="", data="demo")


def grid(*recipes: str, **changes: Any) -> Grid:
    return Grid(**{"config": CONFIG, "recipes": recipes, **changes})


def labels(study: Study, **changes: Any) -> list[tuple[Any, ...]]:
    return [tuple(one.labels.values()) for one in study.trials(grid("linear", "lora", **changes))]


def test_seeds_are_outermost_and_recipes_innermost() -> None:
    assert labels(Methods(), seeds=(3, 1)) == [
        ("linear", 3),
        ("lora", 3),
        ("linear", 1),
        ("lora", 1),
    ]
    trial = Methods().trials(grid("linear", "lora", seeds=(3, 1)))[1]
    assert dict(trial.labels) == {"recipe": "lora", "seed": 3}
    assert trial.config == TrainConfig(backbone="tiny-hubert", recipe="lora", data="demo", seed=3)


def test_data_and_backbones_are_labels_only_if_there_are_several() -> None:
    given = {"data": ("demo", "demo?label=voice"), "backbones": ("tiny-hubert", "tiny-ast")}
    trials = Methods().trials(grid("linear", **given))
    assert [tuple(one.labels.items()) for one in trials] == [
        (("data", data), ("backbone", backbone), ("recipe", "linear"), ("seed", 0))
        for data in given["data"]
        for backbone in given["backbones"]
    ]
    assert [(one.config.data, one.config.backbone) for one in trials] == [
        (one.labels["data"], one.labels["backbone"]) for one in trials
    ]


def test_few_shot_varies_the_shots_of_every_recipe() -> None:
    assert labels(FewShot(shots="1, 2"), seeds=(0, 1)) == [
        (recipe, seed, shots)
        for seed in (0, 1)
        for shots in (1, 2)
        for recipe in ("linear", "lora")
    ]
    trials = FewShot(shots="4").trials(grid())
    assert [one.config.shots for one in trials] == [4] * 4
    assert tuple(one.config.recipe for one in trials) == SETS["ast/table-2"]


def test_all_of_the_data_is_the_same_trial_as_without_fractions() -> None:
    trials = DataSize(train_fraction="0.5,1").trials(grid("full"))
    assert [one.config.train_fraction for one in trials] == [0.5, None]
    assert [one.labels["fraction"] for one in trials] == [0.5, 1.0]


def test_a_setting_is_varied_in_the_recipes_that_have_it() -> None:
    study = Sensitivity(rank="2", width="5", lr="0.1", depth="1,2")
    trials = study.trials(grid("lora", "weighted-sum"))
    assert [
        (one.labels["recipe"], one.labels["setting"], one.labels["value"], one.config.recipe)
        for one in trials
    ] == [
        ("lora", "lr", 0.1, "lora"),
        ("lora", "rank", 2, "lora(rank=2)"),
        ("lora", "depth", 1, "lora[-1]"),
        ("lora", "depth", 2, "lora[-2,-1]"),
        ("weighted-sum", "lr", 0.1, "weighted-sum"),
    ]
    assert {one.config.lr for one in trials} == {None, 0.1}


def test_all_pairs_and_triples_are_compared_with_the_whole_combination_first() -> None:
    parts = [one.labels["recipe"] for one in LeaveOneOut().trials(grid())]
    assert parts[0] == "ser/lora+ba+ws+wg"
    assert len(set(parts)) == 1 + 4 + 6
    elp = [one.labels["recipe"] for one in LeaveOneOut(adapters="elp").trials(grid())]
    assert elp == ["elp/elp", "elp/ep", "elp/lp", "elp/le"]
    assert [one.labels["recipe"] for one in LeaveOneOut().trials(grid("lora"))] == ["lora"]


def test_a_baseline_is_a_row_of_its_own() -> None:
    trials = Methods().trials(grid("lora", baselines=("mfcc",)))
    assert [(one.labels["recipe"], one.runner) for one in trials] == [
        ("lora", "train"),
        ("mfcc", "mfcc"),
    ]


def test_what_is_given_twice_or_not_at_all_is_refused() -> None:
    with pytest.raises(RunError, match="different recipes; lora is given twice"):
        Methods().trials(grid("lora", "linear", " lora "))
    with pytest.raises(RunError, match="different seeds; 1 is given twice"):
        grid("lora", seeds=(1, 2, 1))
    with pytest.raises(RunError, match="different seeds; none were given"):
        grid("lora", seeds=())
    with pytest.raises(RunError, match="the study methods needs --recipes"):
        Methods().trials(grid())
    with pytest.raises(RunError, match="no baseline mfccs; available: mfcc"):
        grid("lora", baselines=("mfccs",))
    with pytest.raises(RecipeError, match="Did you mean 'lora'"):
        Methods().trials(grid("lroa"))
    with pytest.raises(RunError, match="shots is 0; expected a whole number from 1"):
        FewShot(shots="2,0")
    with pytest.raises(RunError, match="different shots; 2 is given twice"):
        FewShot(shots="2,2")
    with pytest.raises(RunError, match=r"train_fraction is 1\.5; expected a number above 0"):
        DataSize(train_fraction="1.5")
    with pytest.raises(RunError, match="adapters is 'x'; expected ser or elp"):
        LeaveOneOut(adapters="x")


def test_sets_hold_presets_once_and_table_1_has_the_fifteen_methods() -> None:
    for names in SETS.values():
        assert len(set(names)) == len(names)
        assert set(names) <= PRESETS.keys()
    assert not SETS.keys() & PRESETS.keys()
    table = [PRESETS[name].source for name in expand_sets(["ast/table-1"])]
    assert len(table) == 15
    assert sum("table I:" in source or "tables I and" in source for source in table) == 15
    assert expand_sets(["linear", "ast/table-4"]) == ("linear", *SETS["ast/table-4"])


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_has_a_name_a_description_and_different_trials(study: str) -> None:
    kind = STUDIES[study]
    assert kind.name == study
    assert kind.about
    one = kind()
    trials = one.trials(grid() if one.recipes or study == "leave-one-out" else grid("lora"))
    assert len({str(sorted(trial.labels.items(), key=str)) for trial in trials}) == len(trials)
