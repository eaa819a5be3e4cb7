"""The trials that studies declare, and their order."""

from pathlib import Path
from typing import Any

import pytest

from ossicle.data.corpora import CORPORA
from ossicle.errors import DataError, RecipeError, RunError
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.sets import SETS, expand_sets
from ossicle.studies import STUDIES, DataSize, FewShot, LeaveOneOut, Methods, Sensitivity, Study
from ossicle.studies.checks import check_trials, reasons
from ossicle.studies.grid import Grid
from ossicle.training.config import TrainConfig
from ossicle.trials.trial import Trial

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


def test_folds_come_before_cells_and_keep_the_name_of_the_data() -> None:
    trials = Methods().trials(grid("linear", "lora", folds="3", seeds=(0, 1)))
    assert [(one.labels["seed"], one.config.fold, one.labels["recipe"]) for one in trials] == [
        (seed, fold, recipe)
        for seed in (0, 1)
        for fold in ("1/3", "2/3", "3/3")
        for recipe in ("linear", "lora")
    ]
    assert [one.labels["fold"] for one in trials] == [one.config.fold for one in trials]
    assert all("data" not in one.labels for one in trials)
    with pytest.raises(RunError, match="folds is 2; expected a whole number from 3"):
        Methods().trials(grid("linear", folds="2"))
    with pytest.raises(DataError, match="has no folds of its own"):
        Methods().trials(grid("linear", folds="all"))


def test_the_folds_of_a_corpus_are_data_strings_of_their_own(tmp_path: Path) -> None:
    for name, text in CORPORA["esc50"].example.files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text or "")
    trials = Methods().trials(grid("linear", data=(f"esc50:{tmp_path}",), folds="all"))
    names = [str(one.labels["fold"]) for one in trials]
    assert len(names) == len(set(names)) > 1
    assert [one.config.data for one in trials] == [
        f"esc50:{tmp_path}?test_fold={name}" for name in names
    ]


def test_a_recipe_is_fitted_to_each_budget_and_the_user_s_text_stays_its_label() -> None:
    checked = check_trials(Methods().trials(grid("lora", "linear", budgets=(30_000, 60_000))))
    # tiny-hubert: 6 layers of width 192; a rank at q and v costs 6 * 2 * (192 + 192) = 4608.
    assert [one.config.recipe for one in checked.trials] == ["lora(rank=6)", "lora(rank=13)"]
    assert checked.parameters == (6 * 4608, 13 * 4608)
    assert [one.labels["recipe"] for one in checked.trials] == ["lora", "lora"]
    assert [one.labels["budget"] for one in checked.trials] == [30_000, 60_000]
    assert len(checked.refused) == 2
    assert all("'linear' has no size" in why for _, why in checked.refused)
    assert checked.notes == ()
    (note,) = check_trials(Methods().trials(grid("lora", budgets=(9_000,)))).notes
    assert note.startswith("lora with a budget of 9,000: the nearest is 4,608 parameters, 51.2 %")


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
    recipes = () if one.recipes or study in ("leave-one-out", "search", "claims") else ("lora",)
    voices = [f"demo?where=speaker={name}" for name in ("andy", "belinda")]
    budgets = (5000,) if study == "search" else ()
    data = tuple(voices) if study == "domains" else ()
    trials = one.trials(grid(*recipes, data=data, budgets=budgets))
    assert len({str(sorted(trial.labels.items(), key=str)) for trial in trials}) == len(trials)


def test_a_reason_names_its_recipes_once_with_the_number_of_trials() -> None:
    def refused(recipe: str, why: str) -> tuple[Trial, str]:
        config = TrainConfig(backbone="tiny-ast", recipe=recipe, data="demo")
        return Trial(config=config, labels={"recipe": recipe}), why

    found = reasons(
        [
            refused("ast/spt-300", "too many prompts"),
            refused("ast/spt-300", "too many prompts"),
            refused("lora", "'lora' is too large"),
            refused("linear", "no folds"),
            refused("lora", "no folds"),
            *(refused(name, "no site") for name in ("a", "b", "a", "c", "d")),
        ]
    )
    assert found == [
        "ast/spt-300: too many prompts (2 trials)",
        "'lora' is too large",
        "linear, lora: no folds (2 trials)",
        "a, b, c, ... and 1 more: no site (5 trials)",
    ]
