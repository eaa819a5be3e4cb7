"""The study of cost: its trial, and the tables of a result made by hand."""

import json
from pathlib import Path

import pytest

from ossicle.errors import RecipeError, RunError
from ossicle.reports.parts import Figure
from ossicle.studies.cost import Cost
from ossicle.studies.grid import Grid
from ossicle.training.config import TrainConfig
from ossicle.trials.outcome import Measured, Outcome

CONFIG = TrainConfig(backbone="config:wavlm-base", recipe="lora", data="not-used", epochs=3)


def grid(**changed):
    return Grid(config=CONFIG, **{"recipes": ("lora", "bottleneck"), **changed})


def row(recipe, step, single, batch, trainable=None, size=0, peak=None):
    return {
        "recipe": recipe,
        "parameters": None if trainable is None else {"trainable": trainable},
        "bytes": size,
        "peak_mib": peak,
        "seconds": {"step": step, "latency": single, "batch": batch},
    }


def outcome(*rows, failed=None):
    (trial,) = Cost(rounds=3, batch_size=4).trials(grid())
    facts = {"rows": list(rows), "failed": failed or {}, "device": "a processor, one thread"}
    measured = Measured(facts=facts)
    return Outcome(trial=trial, name="0", folder=Path(), state="finished", measured=measured)


BARE = row("", [1.0, 2.0, 2.0], [0.1, 0.1, 0.1], [1.0, 2.0, 2.0], peak=200.0)
LORA = row(
    "lora", [2.0, 3.0, 8.0], [0.1, 0.11, 0.12], [2.0, 2.0, 2.5], 1_000, size=4_400, peak=250.0
)
FULL = row("full", [3.0, 6.0, 9.0], [0.1, 0.1, 0.1], [1.0, 2.0, 2.0], 20_000, size=80_000)


def test_all_recipes_are_measured_in_one_trial():
    (trial,) = Cost(seconds=1).trials(grid(recipes=()))
    settings = dict(trial.settings)
    recipes = json.loads(settings.pop("recipes"))
    assert list(recipes) == list(Cost.recipes)
    assert recipes["lora"] == "lora"
    assert recipes["parallel"] == "bottleneck(insertion=parallel, position=before)"
    assert settings == {"rounds": 7, "batch_size": 4, "seconds": 1.0}
    assert trial.runner == "cost"
    assert (trial.config.data, trial.config.backbone) == ("demo", "config:wavlm-base")


def test_recipes_are_fitted_to_each_budget():
    (trial,) = Cost().trials(grid(recipes=("lora",), budgets=(100_000, 300_000)))
    # 36 864 for each unit of rank; 8 is the default
    fitted = {"lora (100,000)": "lora(rank=2)", "lora (300,000)": "lora"}
    assert json.loads(trial.settings["recipes"]) == fitted


def test_each_backbone_has_a_trial():
    trials = Cost().trials(grid(backbones=("tiny-hubert", "tiny-ast")))
    assert [one.labels["backbone"] for one in trials] == ["tiny-hubert", "tiny-ast"]
    assert [one.config.backbone for one in trials] == ["tiny-hubert", "tiny-ast"]


def test_the_tables_hold_ratios_of_the_same_round():
    said, (section,) = Cost().analyse([outcome(BARE, LORA, FULL)])
    setup, ratios, values, figure = section.parts
    assert setup == "a processor, one thread; 3 rounds; batches of 4 recordings of 2 s"
    assert [[cell.text for cell in one] for one in ratios.rows] == [
        ["backbone alone", "0", *["1.00 [1.00, 1.00]"] * 3, "1.00"],
        # steps 2 / 1, 3 / 2, 8 / 2; throughput 1 / 2, 2 / 2, 2 / 2.5
        [
            "lora",
            "1,000",
            "2.00 [1.50, 4.00]",
            "1.10 [1.00, 1.20]",
            "0.80 [0.50, 1.00]",
            "1.25",
        ],
        ["full", "20,000", "3.00 [3.00, 4.50]", *["1.00 [1.00, 1.00]"] * 2, "–"],
    ]
    assert [[cell.text for cell in one] for one in values.rows] == [
        ["backbone alone", "2,000.0", "100.0", "2.0", "200", "0"],
        ["lora", "3,000.0", "110.0", "2.0", "250", "4"],  # 4 recordings in 2 s
        ["full", "6,000.0", "100.0", "2.0", "–", "80"],
    ]
    assert ratios.notes[-1].endswith("or the system reports none, of: full.")
    assert said == [
        "On config:wavlm-base, a training step takes 2.00 (lora) to 3.00 times (full) and a "
        "prediction takes 1.00 (full) to 1.10 times (lora) as long as the forward pass of the "
        "backbone alone."
    ]
    assert isinstance(figure, Figure)
    step, prediction, alone = figure.traces
    assert (alone["x"], alone["y"]) == ([1_000, 20_000], [1, 1])
    assert (step["x"], step["y"]) == ([1_000, 20_000], [2.0, 3.0])
    assert step["error_y"]["array"] == [2.0, 1.5]
    assert step["error_y"]["arrayminus"] == [0.5, 0.0]
    assert (prediction["name"], prediction["y"][1]) == ("prediction", 1.0)


def test_one_recipe_has_no_range():
    said, _ = Cost().analyse([outcome(BARE, LORA)])
    assert "a training step takes 2.00 times (lora) and a prediction takes 1.10 times" in said[0]


def test_a_recipe_that_cannot_be_measured_is_named_with_its_reason():
    _, (section,) = Cost().analyse([outcome(BARE, LORA, failed={"x": "it has no site"})])
    assert section.parts[1].notes[-1] == "x cannot be measured: it has no site"


def test_a_study_without_results_says_so():
    pending = Outcome(trial=outcome().trial, name="0", folder=Path(), state="pending")
    assert Cost().analyse([pending]) == (["No trial is finished yet."], [])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rounds": 1}, "rounds is 1; expected a whole number from 2 to 10000"),
        ({"batch_size": 0}, "batch_size is 0; expected"),
        ({"seconds": 0.0}, "seconds is 0; expected a number above 0"),
    ],
)
def test_wrong_options_are_errors(changed, message):
    with pytest.raises(RunError, match=message):
        Cost(**changed)


@pytest.mark.parametrize("changed", [{"folds": "5"}, {"baselines": ("mfcc",)}, {"seeds": (0, 1)}])
def test_what_does_not_change_the_cost_is_refused(changed):
    with pytest.raises(RunError, match="measures recipes on noise; leave out --folds"):
        Cost().trials(grid(**changed))


def test_a_recipe_that_cannot_be_read_is_refused_before_anything_runs():
    with pytest.raises(RecipeError, match="no recipe or method 'loraa'"):
        Cost().trials(grid(recipes=("loraa",)))
