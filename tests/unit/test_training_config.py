"""The settings of a run check their ranges and survive JSON."""

import json
import math

import pytest

from ossicle.errors import RunError
from ossicle.training.config import TrainConfig

NEEDED = {"backbone": "b", "recipe": "lora", "data": "d"}


@pytest.mark.parametrize("name", ["max_seconds", "lr", "head_lr"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_number_that_must_be_positive_is(name: str, value: float) -> None:
    with pytest.raises(RunError, match=f"{name} is {value}; it must be positive"):
        TrainConfig(**NEEDED, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("epochs", 0, "epochs is 0; it must be positive"),
        ("batch_size", -1, "batch_size is -1; it must be positive"),
        (
            "epochs",
            10**308,
            r"epochs is 100000000000... \(309 digits\); use a number from 0 to 1000",
        ),
        ("lr", 1e308, r"lr is 1e\+308; use a number from 0 to 1000"),
        ("head_lr", 1e308, r"head_lr is 1e\+308; use a number from 0 to 1000"),
        ("weight_decay", 1e308, r"weight_decay is 1e\+308; use a number from 0 to 1000"),
        ("clip", 1e308, r"clip is 1e\+308; use a number from 0 to 1000000000"),
        ("max_seconds", 1e308, r"max_seconds is 1e\+308; use a number from 0 to 1000000"),
        ("batch_seconds", 1e308, r"batch_seconds is 1e\+308; use a number from 0 to 1000000"),
        ("weight_decay", -0.1, "weight_decay is -0.1; it must be 0 or more"),
        ("weight_decay", math.nan, "weight_decay is nan"),
        ("seed", -1, "seed is -1; it must lie from 0 to 4294967295"),
        ("seed", 2**32, "seed is 4294967296"),
        ("warmup", 1, "warmup is 1; it is a fraction of all steps, below 1"),
        ("warmup", math.nan, "warmup is nan"),
    ],
)
def test_a_setting_out_of_range_is_named(name: str, value: float, match: str) -> None:
    with pytest.raises(RunError, match=match):
        TrainConfig(**NEEDED, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        (
            "optimizer",
            "adamw(beta2=0.98,beta1=2)",
            r"adamw\(beta1=...\) is 2; use a number from 0 to",
        ),
        ("optimizer", "adam(beta2=1)", r"adam\(beta2=...\) is 1; use a number from 0 to 0.999999"),
        ("optimizer", "adamw(beta2=nan)", r"adamw\(beta2=...\) is nan; use a number"),
        ("optimizer", "adamw(eps=-1e-8)", r"adamw\(eps=...\) is -1e-08; use a number from 0 to 1"),
        ("optimizer", "adamw(eps=1e308)", r"adamw\(eps=...\) is 1e\+308; use a number from 0 to 1"),
        ("schedule", "step(epochs=0)", r"step\(epochs=...\) is 0; use a number from 1 to"),
        ("schedule", "step(factor=1e308)", r"step\(factor=...\) is 1e\+308; use a number from 0"),
        ("schedule", "step(factor=-0.1)", r"step\(factor=...\) is -0.1; use a number from 0"),
        (
            "schedule",
            "tri-stage(hold=1.1)",
            r"tri-stage\(hold=...\) is 1.1; use a number from 0 to 1",
        ),
        ("schedule", "tri-stage(last=inf)", r"tri-stage\(last=...\) is inf; use a number from 0"),
        ("schedule", "epochs nan nan", "factor 1 of the schedule 'epochs nan nan' is nan; use a"),
        ("schedule", "epochs 1 1e308", r"factor 2 of the schedule .* is 1e\+308; use a number"),
    ],
)
def test_settings_of_optimiser_and_schedule_are_checked_with_the_others(
    name: str, value: str, match: str
) -> None:
    with pytest.raises(RunError, match=match):
        TrainConfig(**NEEDED, **{name: value})


def test_a_configuration_survives_json() -> None:
    config = TrainConfig(**NEEDED, lr=3e-4, seed=2**32 - 1, stochastic=True)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({**NEEDED, "epoch": 3}, "a run has no setting 'epoch'. Did you mean 'epochs'?"),
        ({"backbone": "b"}, "cannot be used: .*'recipe' and 'data'"),
        ({**NEEDED, "epochs": "ten"}, "epochs is 'ten'; it must be a whole number"),
        ({**NEEDED, "epochs": 1e308}, "epochs is 1e[+]308; it must be a whole number"),
        ({**NEEDED, "epochs": True}, "epochs is True; it must be a whole number"),
        ({**NEEDED, "lr": [1]}, r"lr is \[1\]; it must be a number or null"),
        ({**NEEDED, "lr": True}, "lr is True; it must be a number or null"),
        ({**NEEDED, "fast": 1}, "fast is 1; it must be true or false"),
        ({**NEEDED, "head": 3}, "head is 3; it must be a text or null"),
    ],
)
def test_a_configuration_that_is_none_is_refused(data: dict[str, object], match: str) -> None:
    with pytest.raises(RunError, match=match):
        TrainConfig.from_dict(data)
