"""The grammar of settings, and the one conversion from text to values."""

from pathlib import Path
from types import NoneType

import pytest

from ossicle.backbones import load_backbone
from ossicle.data.spec import parse as parse_data
from ossicle.errors import BackboneError, DataError, RecipeError, RunError
from ossicle.recipes.recipe import Recipe
from ossicle.settings import (
    FRACTION,
    POSITIVE,
    Limits,
    Setting,
    check_value,
    numbers,
    parse,
    read_value,
    split_call,
    split_pairs,
    split_query,
    typed,
    value_text,
)

ALL = (NoneType, bool, int, float, str)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("none", None),
        ("true", True),
        ("False", False),
        ("8", 8),
        ("-8", -8),
        ("8.0", 8.0),
        ("1e-4", 1e-4),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("yes", "yes"),
        ("nan", "nan"),
        ("-inf", "-inf"),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("1,5", "1,5"),
        ("\u0663", "\u0663"),  # an Arabic three, which int() reads
        ("1" * 2000, "1" * 2000),
        ("", ""),
    ],
)
def test_a_text_has_one_value(text: str, value: object) -> None:
    found = typed(text, ALL)
    assert (type(found), found) == (type(value), value)


def test_the_type_of_a_setting_decides_what_a_text_means() -> None:
    assert typed("8", (str,)) == "8"
    assert typed("none", (str,)) == "none"
    assert typed("true", (int,)) == "true"
    assert typed("1.5", (int,)) == "1.5"
    assert type(typed("8", (float,))) is int  # as JSON has it


@pytest.mark.parametrize("value", [None, True, False, 8, -0.25, 1e-4, 1e20, "word"])
def test_a_value_survives_text(value: object) -> None:
    assert typed(value_text(value), ALL) == value  # type: ignore[arg-type] # all are values


@pytest.mark.parametrize(
    ("value", "kinds", "limits", "message"),
    [
        (True, (int,), Limits(), "x is true; expected a whole number"),
        (1, (bool,), Limits(), "x is 1; expected true or false"),
        (1.0, (int,), Limits(), "x is 1; expected a whole number"),
        ("1", (float, NoneType), Limits(), "x is '1'; expected a number or none"),
        (None, (int,), Limits(), "x is none; expected a whole number"),
        (0, (float,), POSITIVE, "x is 0; expected a number above 0 and up to 1e+09"),
        (1, (float,), FRACTION, "x is 1; expected a number from 0 to below 1"),
        (float("nan"), (float,), Limits(), "x is nan; expected a number from -1e+09 to 1e+09"),
        (float("inf"), (float,), FRACTION, "x is inf; expected a number from 0 to below 1"),
        (11, (int, NoneType), Limits(1, 10), "x is 11; expected a whole number from 1 to 10 or "),
        ("b", (str,), Limits(choices=("aa", "bb", "c")), "x is 'b'; expected aa, bb or c. Did you"),
    ],
)
def test_a_value_that_does_not_fit_says_what_was_expected(
    value: object, kinds: tuple[type, ...], limits: Limits, message: str
) -> None:
    with pytest.raises(RunError) as caught:
        check_value("x", value, kinds, limits)
    assert str(caught.value).startswith(message)


def test_limits_that_are_allowed_pass() -> None:
    check_value("x", 0, (float,), FRACTION)
    check_value("x", 10, (int,), Limits(1, 10))
    check_value("x", 1e-9, (float,), POSITIVE)
    assert read_value("x", "none", (int, NoneType)) is None


def test_a_call_a_query_and_a_list_are_split() -> None:
    assert split_call(" step( epochs=2 ) ") == ("step", " epochs=2 ")
    assert split_call("step") == ("step", "")
    assert split_call("step(a(b))") is None
    assert split_query("a/b?c=d=e&f=1", RunError) == ("a/b", {"c": "d=e", "f": "1"})
    assert split_pairs(" a = 1 , b=x y,", ",") == {"a": "1", "b": "x y"}
    assert numbers("the list", "0.1 1 2e-1", Limits(0, 1)) == [0.1, 1, 0.2]
    with pytest.raises(RunError, match="number 2 of the list is 'nan'; expected a number from 0"):
        numbers("the list", "1 nan", Limits(0, 1))


def test_an_expression_has_all_settings_of_its_name() -> None:
    known = {"a": {"n": Setting("count", 3, low=1), "w": Setting("word", "x", ("x", "y"))}, "b": {}}
    assert parse("a(w=y)", "thing", known) == ("a", {"n": 3, "w": "y"})
    assert parse("b", "thing", known) == ("b", {})
    with pytest.raises(RunError, match="thing 'b' has no setting 'n'; it has no settings"):
        parse("b(n=1)", "thing", known)
    with pytest.raises(RunError, match="n of a is 0; expected a whole number from 1 to"):
        parse("a(n=0)", "thing", known)


def test_a_setting_that_is_given_twice_is_refused_everywhere(tmp_path: Path) -> None:
    for call, error in (
        (lambda: Recipe.parse("lora(rank=2, rank=4)"), RecipeError),
        (
            lambda: load_backbone("config:hubert-base?seed=1&seed=2", weights=False),
            BackboneError,
        ),
        (lambda: parse_data(f"audiofolder:{tmp_path}?valid=0.1&valid=0.2"), DataError),
        (lambda: parse("a(n=1,n=2)", "thing", {"a": {"n": Setting("", 1)}}), RunError),
    ):
        with pytest.raises(error, match=r"the setting '.*' is given twice"):
            call()


def test_none_is_a_value_in_a_recipe_too() -> None:
    assert str(Recipe.parse("bottleneck(residual=none)")) == "bottleneck"
    with pytest.raises(RecipeError, match="'width' of 'bottleneck' is 'none'; expected a whole"):
        Recipe.parse("bottleneck(width=none)")
