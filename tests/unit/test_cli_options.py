"""The options of `ossicle train` and `compare` are the fields of `TrainConfig`."""

from dataclasses import MISSING, fields
from typing import Any

import pytest
from typer.main import get_command

from ossicle.cli.main import app
from ossicle.cli.run_options import field_help
from ossicle.errors import RunError
from ossicle.training.config import TrainConfig

COMMANDS = get_command(app).commands  # type: ignore[attr-defined] # a group has commands
FIELDS = {field.name: field for field in fields(TrainConfig)}


def options_of(command: str) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in COMMANDS[command].params}


def test_train_has_each_field_with_its_default_and_compare_all_but_two() -> None:
    train, compare = options_of("train"), options_of("compare")
    assert set(train) == {*FIELDS, "out", "resume", "json", "settings"}
    assert set(compare) == {*FIELDS, "out", "recipes", "seeds", "json", "settings"} - {
        "recipe",
        "seed",
    }
    for name, field in FIELDS.items():
        assert train[name].default == ("" if field.default is MISSING else field.default)
        assert train[name].opts == [f"--{name.replace('_', '-')}"]


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_has_a_help_text_that_is_a_sentence(name: str) -> None:
    text = field_help(name)
    assert text == options_of("train")[name].help
    assert text[0].isupper() or text.startswith(("auto,", "adamw"))
    assert text.endswith(".")


@pytest.mark.parametrize("text", ["1_0", "ten", "1e1", "0"])
def test_a_number_is_read_as_in_every_setting(text: str) -> None:
    with pytest.raises(RunError, match=f"epochs is '?{text}'?; expected a whole number from 1 to"):
        COMMANDS["train"].make_context("train", ["--out=x", f"--epochs={text}"])
    assert COMMANDS["train"].make_context("t", ["--out=x", "--lr=1"]).params["lr"] == 1


def test_a_switch_that_is_on_can_be_turned_off() -> None:
    train = options_of("train")
    assert train["fast"].secondary_opts == ["--no-fast"]
    assert train["compile"].secondary_opts == []
