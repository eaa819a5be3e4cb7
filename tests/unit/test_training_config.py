"""The settings of a run check their ranges and survive JSON."""

import json
import math

import pytest

from ossicle.errors import RunError
from ossicle.training.config import TrainConfig

NEEDED = {"backbone": "b", "recipe": "lora", "data": "d"}


@pytest.mark.parametrize("name", ["max_seconds", "lr", "head_lr"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_numbers_that_must_be_positive_are_checked(name: str, value: float) -> None:
    with pytest.raises(
        RunError, match=f"{name} is {value}; expected a number above 0 and up to 10"
    ):
        TrainConfig(**NEEDED, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("epochs", 0, "epochs is 0; expected a whole number from 1 to"),
        ("batch_size", -1, "batch_size is -1; expected a whole number from 1 to"),
        (
            "epochs",
            10**308,
            r"epochs is 100000000000... \(309 digits\); expected a whole number from 1 to",
        ),
        ("lr", 1e308, r"lr is 1e\+308; expected a number above 0 and up to 1000"),
        ("head_lr", 1e308, r"head_lr is 1e\+308; expected a number above 0 and up to 1000"),
        ("weight_decay", 1e308, r"weight_decay is 1e\+308; expected a number from 0 to 1000"),
        ("clip", 1e308, r"clip is 1e\+308; expected a number from 0 to 1000000000"),
        (
            "max_seconds",
            1e308,
            r"max_seconds is 1e\+308; expected a number above 0 and up to 1000000",
        ),
        (
            "batch_seconds",
            1e308,
            r"batch_seconds is 1e\+308; expected a number above 0 and up to 1000000",
        ),
        ("weight_decay", -0.1, "weight_decay is -0.1; expected a number from 0 to 1000"),
        ("weight_decay", math.nan, "weight_decay is nan"),
        ("seed", -1, "seed is -1; expected a whole number from 0 to 4294967295"),
        ("seed", 2**32, "seed is 4294967296"),
        ("warmup", 1, "warmup is 1; expected a number from 0 to below 1"),
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
            r"beta1 of adamw is 2; expected a number from 0 to",
        ),
        ("optimizer", "adam(beta2=1)", r"beta2 of adam is 1; expected a number from 0 to 0.999999"),
        ("optimizer", "adamw(beta2=nan)", r"beta2 of adamw is 'nan'; expected a number"),
        ("optimizer", "adamw(eps=-1e-8)", r"eps of adamw is -1e-08; expected a number from 0 to 1"),
        (
            "optimizer",
            "adamw(eps=1e308)",
            r"eps of adamw is 1e\+308; expected a number from 0 to 1",
        ),
        ("schedule", "step(epochs=0)", r"epochs of step is 0; expected a whole number from 1 to"),
        ("schedule", "step(factor=1e308)", r"factor of step is 1e\+308; expected a number from 0"),
        ("schedule", "step(factor=-0.1)", r"factor of step is -0.1; expected a number from 0"),
        (
            "schedule",
            "tri-stage(hold=1.1)",
            r"hold of tri-stage is 1.1; expected a number from 0 to 1",
        ),
        (
            "schedule",
            "tri-stage(last=inf)",
            r"last of tri-stage is 'inf'; expected a number from 0",
        ),
        ("schedule", "epochs nan nan", "number 1 of the schedule 'epochs nan nan' is 'nan'; exp"),
        (
            "schedule",
            "epochs 1 1e308",
            r"number 2 of the schedule .* is 1e\+308; expected a number",
        ),
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
        (
            {**NEEDED, "epoch": 3},
            "a run has no setting 'epoch'; available: .* Did you mean 'epochs'?",
        ),
        ({"backbone": "b"}, "is incomplete: .*argument: 'data'"),
        ({**NEEDED, "epochs": "ten"}, "epochs is 'ten'; expected a whole number"),
        ({**NEEDED, "epochs": 1e308}, "epochs is 1e[+]308; expected a whole number"),
        ({**NEEDED, "epochs": True}, "epochs is true; expected a whole number"),
        ({**NEEDED, "lr": [1]}, r"lr is \[1\]; expected a number above 0"),
        ({**NEEDED, "lr": True}, "lr is true; expected a number above 0"),
        ({**NEEDED, "fast": 1}, "fast is 1; expected true or false"),
        ({**NEEDED, "head": 3}, "head is 3; expected a text or none"),
    ],
)
def test_an_invalid_configuration_is_refused(data: dict[str, object], match: str) -> None:
    with pytest.raises(RunError, match=match):
        TrainConfig.from_dict(data)
