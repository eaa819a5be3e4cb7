"""Every recipe survives text, JSON and TOML."""

import json
import tomllib

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from ossicle.anatomy import SITE_NAMES
from ossicle.errors import OssicleError, RecipeMismatch
from ossicle.methods import Bias, Bottleneck, Full, LoRA, Norm
from ossicle.methods.bottleneck import ACTIVATIONS
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe
from ossicle.recipes.text import split_recipes

finite = st.floats(1e-6, 1e6)
methods = st.one_of(
    st.just(Bias()),
    st.just(Full()),
    st.just(Norm()),
    st.builds(
        LoRA,
        rank=st.integers(1, 4096),
        reduction=st.floats(1, 512),
        alpha=st.floats(-1e3, 1e3),
        scale=st.sampled_from(["alpha/rank", "alpha/reduction"]) | finite | st.integers(0, 9),
        dropout=st.floats(0, 0.99),
    ),
    st.builds(
        Bottleneck,
        width=st.integers(1, 4096),
        reduction=st.none() | st.floats(1, 512) | st.integers(1, 512),
        insertion=st.sampled_from(["sequential", "parallel"]),
        position=st.sampled_from(["before", "after"]),
        residual=st.none() | st.booleans(),
        activation=st.sampled_from(list(ACTIVATIONS)),
        dropout=st.floats(0, 0.99),
    ),
)
bound = st.integers(-30, 30).map(str)
part = bound | st.tuples(bound | st.just(""), bound | st.just("")).map(":".join)
placements = st.builds(
    Placement,
    method=methods,
    at=st.lists(st.sampled_from(list(SITE_NAMES)), unique=True).map(tuple),
    layers=st.none() | st.lists(part, min_size=1, max_size=3).map(",".join),
    lr=st.none() | finite,
)
recipes = st.lists(placements, max_size=3).map(lambda found: Recipe(*found))


@given(recipes)
def test_a_recipe_survives_text(recipe):
    assert Recipe.parse(str(recipe)).placements == recipe.placements


@given(recipes)
def test_a_recipe_survives_json_and_toml(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_dict(tomllib.loads(tomli_w.dumps(recipe.to_dict()))) == recipe


@given(st.lists(recipes, min_size=1, max_size=3))
def test_a_list_of_recipes_is_split_where_it_was_joined(found):
    texts = [str(recipe) for recipe in found]
    assert split_recipes(",".join(texts)) == texts


@given(placements, st.integers(1, 48))
def test_a_placement_selects_layers_that_exist(placement, num_layers):
    try:
        selected = placement.select(num_layers)
    except RecipeMismatch:
        return
    if selected is not None:
        assert selected == sorted(set(selected))
        assert set(selected) <= set(range(num_layers))


@given(st.text("lorabinfu(=,)@.[:]+-1 8", max_size=30))
def test_any_text_is_a_recipe_or_an_error_of_ours(text):
    try:
        recipe = Recipe.parse(text)
    except OssicleError:
        return
    assert Recipe.parse(str(recipe)).placements == recipe.placements
