"""What recipes cost, measured on the shipped backbone."""

import json

import pytest
import torch

from ossicle.recipes.recipe import Recipe
from ossicle.studies.cost import Cost
from ossicle.training.config import TrainConfig
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Outcome
from ossicle.trials.runners import RUNNERS
from ossicle.trials.runners.cost import Setup
from ossicle.trials.trial import Trial

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="linear", data="demo", device="cpu")


@pytest.fixture
def setup():
    return Setup.of(CONFIG, {"batch_size": 2, "seconds": 0.2})


def test_recipes_that_take_turns_do_not_train_each_others_parameters(setup):
    kept = Kept()
    lora, full, bias = (setup.adapted(Recipe.parse(r), kept.load) for r in ("lora", "full", "bias"))
    before = {key: one.clone() for key, one in full.tensors().items()}
    for model in (lora, full, bias):
        setup.training_step(model)()
    for model in (lora, bias):
        assert all(one.grad is None for one in model.backbone.parameters())
        assert all(one.grad is not None for one in model.trainable().values())
    shared = zip(lora.backbone.parameters(), bias.backbone.parameters(), strict=True)
    assert all(one is other for one, other in shared)  # one copy in memory
    assert sum(one.grad is not None for one in full.backbone.parameters()) > 50
    assert all(torch.equal(one, before[key]) for key, one in full.tensors().items())


def test_a_batch_of_noise_has_the_length_and_size_asked_for(setup):
    backbone = setup.load(Kept().load)
    values, lengths = setup.batch(backbone, 3)
    assert values.shape == (3, 3200)  # 0.2 s at 16 kHz
    assert lengths.tolist() == [3200] * 3


@pytest.mark.thorough
@pytest.mark.exhaustive
def test_a_trial_measures_every_recipe_that_fits(tmp_path):
    recipes = {"lora": "lora", "elsewhere": "lora@ffn1.in", "full": "full"}
    settings = {"recipes": json.dumps(recipes), "rounds": 3, "batch_size": 4, "seconds": 1.0}
    trial = Trial(config=CONFIG, labels={}, runner="cost", settings=settings)
    runner, folder = RUNNERS["cost"], tmp_path / "trial"
    assert runner.read(folder) is None
    runner.run(trial, folder, Kept(), lambda *_, **__: None)
    measured = runner.read(folder)
    rows = measured.facts["rows"]
    assert [row["recipe"] for row in rows] == ["", "lora", "full"]
    assert "no site 'ffn1.in'" in measured.facts["failed"]["elsewhere"]
    assert all(len(row["seconds"][what]) == 3 for row in rows for what in row["seconds"])
    _, lora, full = rows
    assert lora["parameters"]["adapter"] == 6 * 2 * 8 * (192 + 192)  # layers, sites, rank, widths
    assert full["bytes"] > 4 * full["parameters"]["trainable"] > lora["bytes"]
    if full["peak_mib"] is not None:  # weights, gradients and two moments, all in float32
        extra = 3 * 4 * full["parameters"]["backbone"] / 2**20
        assert full["peak_mib"] - lora["peak_mib"] > 0.8 * extra
    outcome = Outcome(trial=trial, name="0", folder=folder, state="finished", measured=measured)
    _, (section,) = Cost().analyse([outcome])
    assert [row[0].text for row in section.parts[1].rows] == ["backbone alone", "lora", "full"]
