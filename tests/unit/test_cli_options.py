"""The options of `ossicle train` and of studies are made from the fields of dataclasses."""

from dataclasses import MISSING, fields
from typing import Any

import pytest
from typer.main import get_command

from ossicle.cli.main import app
from ossicle.cli.run_options import field_help
from ossicle.errors import RunError
from ossicle.studies import STUDIES
from ossicle.training.config import STAGE_DEFAULTS, TrainConfig

COMMANDS = get_command(app).commands  # type: ignore[attr-defined] # a group has commands
GRID = {"recipes", "seeds", "folds", "budget", "data", "backbone", "baseline", "map_labels"}
ENGINE = {"out", "trials", "engine", "address", "workers", "shard", "dry_run", "json", "settings"}
GIVEN = {"recipe", "seed", "fold", "parent", *STAGE_DEFAULTS}  # by the grid, or by no study
FIELDS = {field.name: field for field in fields(TrainConfig)}


def options_of(command: str) -> dict[str, Any]:
    return {parameter.name: parameter for parameter in COMMANDS[command].params}


def test_train_has_each_field_with_its_default() -> None:
    train = options_of("train")
    ensemble = {"ensemble", "vote", "budget"}
    assert set(train) == {*FIELDS, *ensemble, "map_labels", "out", "resume", "json", "settings"}
    for name, field in FIELDS.items():
        assert train[name].default == ("" if field.default is MISSING else field.default)
        option = "from" if name == "parent" else name  # `from` is a keyword of Python
        assert train[name].opts == [f"--{option.replace('_', '-')}"]


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_has_its_own_options_those_of_the_grid_and_the_others_of_train(study: str) -> None:
    own = {field.name: field for field in fields(STUDIES[study])}
    found = {one.name: one for one in COMMANDS["study"].commands[study].params}
    assert set(found) == GRID | ENGINE | own.keys() | (FIELDS.keys() - GIVEN)
    assert found["data"].multiple
    assert found["backbone"].multiple
    for name, field in own.items():  # in place of the option of train with the same name
        assert found[name].default == field.default
        assert found[name].rich_help_panel == "Study"
    if study == "methods":
        assert set(options_of("compare")) == set(found)


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
