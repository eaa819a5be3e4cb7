"""The settings of a run check their ranges and survive JSON."""

import json
import math

import pytest

from ossicle.errors import RunError
from ossicle.training.config import TrainConfig

NEEDED = {"backbone": "b", "recipe": "lora", "data": "d"}


@pytest.mark.parametrize("name", ["epochs", "batch_size", "max_seconds", "lr", "head_lr"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf])
def test_a_number_that_must_be_positive_is(name: str, value: float) -> None:
    with pytest.raises(RunError, match=f"{name} is {value}; it must be positive"):
        TrainConfig(**NEEDED, **{name: value})


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
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


def test_a_configuration_survives_json() -> None:
    config = TrainConfig(**NEEDED, lr=3e-4, seed=2**32 - 1, stochastic=True)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({**NEEDED, "epoch": 3}, "a run has no setting 'epoch'. Did you mean 'epochs'?"),
        ({"backbone": "b"}, "cannot be used: .*'recipe' and 'data'"),
        ({**NEEDED, "epochs": "ten"}, "cannot be used"),
    ],
)
def test_a_configuration_that_is_none_is_refused(data: dict[str, object], match: str) -> None:
    with pytest.raises(RunError, match=match):
        TrainConfig.from_dict(data)
