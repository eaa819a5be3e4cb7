"""Recipes of excessive size, and malformed files."""

import json
import math
import os

import pytest

from ossicle.errors import OssicleError, RecipeError
from ossicle.methods import METHODS, LoRA
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.recipes.text import split_recipes

DIGITS = "1" * 5000


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "prompt(length=1000000000)",
            "setting 'length' of 'prompt' is 1000000000; expected a whole number from -1000000 to",
        ),
        ("prompt(length=5000)", "length is 5000; it must be 4096 or less"),
        ("prompt + deep-prompt(length=5000)[1:]", "length is 5000; it must be 4096 or less"),
        ("prefix(length=5000)", "length is 5000; it must be 4096 or less"),
        ("p-adapter(length=5000)", "length is 5000; it must be 4096 or less"),
        ("p-adapter(nonlinear=true, hidden=10000)", "hidden is 10000; it must be 8192 or less"),
        ("l-adapter(width=10000)", "width is 10000; it must be 8192 or less"),
        ("bottleneck(width=200000)", "width is 200000; it must be 131072 or less"),
        ("convpass(kernel=257)", "kernel is 257; it must be 255 or less"),
        ("moa(experts=2000)", "experts times slots is more than 1024"),
        ("moa(routing=soft, experts=100, slots=100)", "experts times slots is more than 1024"),
        (f"lora(rank={DIGITS[:4000]})", "setting 'rank' of 'lora' is '1{59}; expected a whole"),
        (f"lora(rank={DIGITS})", "setting 'rank' of 'lora' is '1{59}; expected a whole number"),
        ("lora(alpha=1e308)", "setting 'alpha' of 'lora' is 1e.308; expected a number"),
        ("lora(alpha=-1e308)", "setting 'alpha' of 'lora' is -1e.308"),
        ("lora(scale=inf)", "'lora': scale is 'inf'; use alpha/rank"),
        ("bottleneck(scale=nan)", "setting 'scale' of 'bottleneck' is 'nan'"),
        ("bottleneck(dropout=nan)", "setting 'dropout' of 'bottleneck' is 'nan'"),
        ("gate(scale=1e308)", "setting 'scale' of 'gate' is 1e.308"),
        ("chapter(scale=1e308)", "setting 'scale' of 'chapter' is 1e.308"),
        ("lora(lr=1e308)", "lr of 'lora' is 1e.308; expected a number above 0 and up to 1000000"),
        ("lora(lr=nan)", "lr of 'lora' is 'nan'; expected a number"),
        ("lora(lr=inf)", "lr of 'lora' is 'inf'; expected a number"),
        (f"lora(lr=1{'0' * 400})", r"lr of 'lora' is 10{11}\.\.\. .401 digits.; expected"),
        (f"lora[{DIGITS}]", "layers '1{80}' cannot be read"),
        (f"lora[0:{'9' * 400}:{'9' * 400}]", "cannot be read"),
        (f"{'a' * 5000}", "no recipe or method 'a{80}'"),
        (" + ".join(["lora"] * 300), "the recipe has 300 placements; expected at most 256"),
        (" + ".join(["lora"] * 20_000), "the recipe has 139997 characters; expected at most 16384"),
        ("+" * 16_384, "the recipe has 16385 placements"),
    ],
)
def test_a_recipe_beyond_the_limits_is_a_one_line_error(expression, message):
    with pytest.raises(RecipeError, match=message) as caught:
        Recipe.parse(expression)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1200


def test_layers_beyond_every_model_are_no_error_of_arithmetic():
    assert Recipe.parse(f"lora[0:{'9' * 400}]").placements[0].select(4) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [
        {"placements": [{"method": "lora"}] * 20_000},
        {"placements": [{"method": "lora", "lr": 10**400}]},
        {"placements": [{"method": "lora", "lr": math.inf}]},
        {"placements": [{"method": "lora", "settings": {"rank": 10**400}}]},
        {"placements": [{"method": "lora", "settings": {"rank": [[1]]}}]},
        {"placements": [{"method": "lora", "settings": {"alpha": math.nan}}]},
        {"placements": [{"method": "lora", "settings": [1]}]},
        {"placements": [{"method": ["lora"]}]},
        {"placements": [{"method": "lora", "at": ["attn.q"] * 20_000}]},
        {"placements": [{"method": "lora", "layers": {"a": 1}}]},
        {"placements": [{"method": "lora", "layers": [True]}]},
        {"placements": [{"method": "lora", "lr": True}]},
        {"placements": [{"method": "lora", "x" * 10_000: 1}]},
        {"placements": {"method": "lora"}},
        {"placements": None},
        {"name": {"a": 1}, "placements": []},
    ],
)
def test_plain_data_of_the_wrong_size_or_type_is_a_one_line_error(data):
    with pytest.raises(OssicleError) as caught:
        Recipe.from_dict(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1200


def test_a_recipe_made_in_code_has_the_same_limits():
    with pytest.raises(RecipeError, match="the recipe has 257 placements; expected at most 256"):
        Recipe(*[Placement(LoRA())] * 257)
    assert len(Recipe(*[Placement(LoRA())] * 256).placements) == 256


def test_a_list_of_recipes_has_a_length():
    with pytest.raises(
        RecipeError, match="the recipe has 100000 characters; expected at most 16384"
    ):
        split_recipes("," * 100_000)


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_deeply_nested_file_is_a_one_line_error(tmp_path, ending):
    file = tmp_path / f"a.{ending}"
    deep = "[" * 100_000 + "]" * 100_000
    file.write_text(f"a = {deep}" if ending == "toml" else deep)
    with pytest.raises(RecipeError, match="cannot be read: more than 32 levels of lists"):
        Recipe.parse(str(file))


def test_a_repeated_key_is_a_one_line_error(tmp_path):
    file = tmp_path / "a.json"
    file.write_text('{"placements": [], "placements": [{"method": "lora"}]}')
    with pytest.raises(RecipeError, match="the key 'placements' is given twice"):
        Recipe.parse(str(file))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(RecipeError, match="it is not a regular file"):
        Recipe.parse(str(tmp_path / "a.json"))


def test_a_whole_learning_rate_is_a_number_like_any_other():
    recipe = Recipe.parse("lora(lr=1)")
    assert type(recipe.placements[0].lr) is float
    assert json.loads(json.dumps(recipe.to_dict())) == recipe.to_dict()


@pytest.mark.parametrize("method", METHODS.values())
def test_every_number_of_every_method_has_limits(method):
    for name, value in ((n, getattr(method(), n)) for n in method.__dataclass_fields__):
        if isinstance(value, int | float) and not isinstance(value, bool):
            for beyond in (10**9, -(10**9), 10**400):
                with pytest.raises(RecipeError, match=name):
                    method.from_settings({name: beyond})
