"""Every method with an inner size can be fitted to a budget, on every family."""

import dataclasses

import pytest

from kinds import ALONE, KINDS, fits, on_meta, pairs
from ossicle.adapters.budget import fit_budget
from ossicle.adapters.count import count
from ossicle.methods import METHODS
from ossicle.recipes.recipe import Recipe

SIZES = {"rank", "width", "length", "experts", "reduction"}  # as methods name them
SIZED = {name for name, method in METHODS.items() if method.size_setting}


@pytest.fixture(params=pairs(ALONE[name] for name in sorted(SIZED)), ids="-".join)
def pair(request):
    return request.param


@pytest.mark.parametrize("name", METHODS)
def test_a_method_with_a_size_names_its_setting(name):
    settings = {field.name for field in dataclasses.fields(METHODS[name])}
    assert bool(settings & SIZES) == (name in SIZED)
    assert name not in SIZED or METHODS[name].size_setting in settings - {"reduction"}


@pytest.mark.parametrize("name", sorted(SIZED))
def test_a_size_takes_the_place_of_a_reduction(name):
    method = METHODS[name]
    changed = {"reduction": 5} if "reduction" in method.setting_kinds() else {}
    resized = method.from_settings(changed).with_size(3)
    assert resized.settings() == {method.size_setting: 3}
    assert resized == method.from_settings({method.size_setting: 3})


def test_a_budget_finds_the_size_that_trains_as_many_parameters(pair):
    kind, expression = pair
    backbone, recipe = on_meta(kind), Recipe.parse(expression)
    sized = [
        Recipe(
            *(
                dataclasses.replace(one, method=one.method.with_size(size))
                for one in recipe.placements
            )
        )
        for size in (1, 2, 3)
    ]
    counts = [count(backbone, one).trainable for one in sized]
    assert counts == sorted(set(counts))  # a larger size trains more
    for one, trained in zip(sized, counts, strict=True):
        fitted = fit_budget(backbone, recipe, trained)
        assert (fitted.recipe, fitted.count) == (one, trained)
        assert Recipe.parse(str(fitted.recipe)) == fitted.recipe
    assert fit_budget(backbone, recipe, counts[2] - 1).recipe == sized[1]


def test_every_method_with_a_size_is_fitted_on_some_family():
    assert all(any(fits(kind, ALONE[name]) for kind in KINDS) for name in SIZED)
