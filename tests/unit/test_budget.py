"""Budgets: sizes worked out by hand and from the papers' tables, on base models without weights."""

import re
from functools import cache

import pytest

from ossicle.adapters.budget import fit_budget
from ossicle.adapters.count import count
from ossicle.backbones import load_backbone
from ossicle.errors import BudgetError, RecipeMismatch, SiteNotFound
from ossicle.recipes.budget import parse_count, parse_weights
from ossicle.recipes.recipe import Recipe

WAVLM, AST = "config:wavlm-base", "config:ast-base"  # 12 layers of width 768


@cache
def base(name):
    return load_backbone(name, weights=False)


def fit(recipe, budget, weights=None, backbone=WAVLM):
    return fit_budget(base(backbone), Recipe.parse(recipe), budget, weights)


@pytest.mark.parametrize(
    ("text", "number"),
    [("30000", 30_000), ("250k", 250_000), ("1M", 1_000_000), (" 1.5m ", 1_500_000), ("1", 1)],
)
def test_a_budget_is_read_with_its_unit(text, number):
    assert parse_count(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "-5", "many", "1G", "0.5", "1e5", "1_000", "250 000", "2.00001k", "9" * 50]
)
def test_what_is_no_number_of_parameters_is_an_error(text):
    with pytest.raises(BudgetError, match="is not a number of parameters; write a whole number"):
        parse_count(text)


def test_weights_are_separated_by_colons():
    assert parse_weights("1:2") == (1, 2)
    assert parse_weights("0.5") == (0.5,)
    for text in ("", "1:", "0:1", "-1:2", "a:b", "1,2", "nan:1"):
        with pytest.raises(BudgetError, match="are not weights; write a positive number for each"):
            parse_weights(text)


@pytest.mark.parametrize(
    ("recipe", "budget", "expression", "trained"),
    [
        # 12 layers x 2 sites x 2 x 768 x rank: 36 864 for each unit of rank
        ("lora", 300_000, "lora", 294_912),  # rank 8 is the default
        ("lora", 294_911, "lora(rank=7)", 258_048),
        # 12 x (2 x 768 x width + width + 768)
        ("bottleneck(width=3)", 300_000, "bottleneck(width=15)", 12 * (1537 * 15 + 768)),
        # 12 x 2 x 768 x length, and 2 x 1536 for the two norms of two layers
        ("prefix + norm[:2]", 100_000, "prefix(length=5) + norm[:2]", 92_160 + 6_144),
        # 12 x (8 x 768 + 5 x 384), and 12 x 1536 for each channel
        ("conv-adapter", 200_000, "conv-adapter(width=5)", 12 * (8_064 + 5 * 1_536)),
    ],
)
def test_the_size_is_the_largest_that_the_budget_allows(recipe, budget, expression, trained):
    fitted = fit(recipe, budget)
    assert str(fitted.recipe) == expression
    assert fitted.count == trained
    assert fitted.share == trained / budget
    assert Recipe.parse(expression).placements == fitted.recipe.placements


@pytest.mark.parametrize(
    ("recipe", "backbone", "budget", "published", "sizes"),
    [
        ("bottleneck(reduction=64) + norm@norm.ffn", WAVLM, 249_000, 248_976, {"width=12"}),
        ("ast/pf-seq", AST, 251_000, 248_976 + 1_536, {"width=12"}),
        ("ast/convpass-pf-par", AST, 256_000, 254_304 + 1_536, {"width=12"}),
        ("ast/dpt-25", AST, 232_000, 230_400 + 1_536, {"length=25"}),
        ("ast/prefix-24", AST, 223_000, 221_184 + 1_536, set()),  # 12 is the default
        ("ast/lora-qv", AST, 223_000, 221_184 + 1_536, {"rank=6"}),
        ("superb/houlsby", WAVLM, 600_000, 599_424, {"width=32"}),
    ],
)
def test_a_published_count_leads_to_the_papers_size(recipe, backbone, budget, published, sizes):
    fitted = fit(recipe, budget, backbone=backbone)
    assert fitted.count == published
    assert set(re.findall(r"(?:width|length|rank)=\d+", str(fitted.recipe))) == sizes
    assert "reduction=" not in str(fitted.recipe)


def test_a_scale_of_alpha_over_reduction_grows_with_the_rank():
    preset, fitted = (
        Recipe.parse("ast/lora-qv").placements[0].method,
        fit("ast/lora-qv", 223_000, backbone=AST).recipe.placements[0].method,
    )
    site = base(AST).anatomy.find("attn.q")[0]
    assert fitted.build(site).scale == preset.build(site).scale == 8 / 128
    assert fitted.with_size(12).build(site).scale == 8 / 64  # the paper's, with reduction 64


def test_methods_share_a_budget_equally_or_by_weights():
    # a bottleneck trains 9 216 + 18 444 x width, LoRA at one site 18 432 x rank
    recipe = "lora@attn.q + bottleneck"
    equal = fit(recipe, 400_000).recipe  # 193 656 of 200 000 for the bottleneck first
    assert str(equal) == "lora(rank=11)@attn.q + bottleneck(width=10)"
    weighted = fit(recipe, 400_000, (1, 3)).recipe  # 92 160 of 100 000 for LoRA first
    assert str(weighted) == "lora(rank=5)@attn.q + bottleneck(width=16)"


def test_what_a_narrow_method_cannot_use_goes_to_the_others():
    # at most 768 x 2 x 768 in LoRA, whose share is 3 200 000, so that 2 820 352 are for prompts
    fitted = fit("prompt + lora@attn.q[0]", 4_000_000, (1, 4))
    assert str(fitted.recipe) == "prompt(length=3672) + lora(rank=768)@attn.q[0]"
    assert fitted.note == ""


def test_a_method_that_needs_more_than_its_share_leaves_the_rest_to_the_others():
    fitted = fit("prompt + bottleneck", 40_000)  # a bottleneck trains 27 660 or more
    assert str(fitted.recipe) == "prompt(length=16) + bottleneck(width=1)"


def test_prompts_and_deep_prompts_have_one_length():
    fitted = fit("prompt + lora + deep-prompt[1:]", 100_000, (1, 2))
    # 36 864 x rank is at most 66 667, and 12 x 768 x length at most the 63 136 that are left
    assert str(fitted.recipe) == "prompt(length=6) + lora(rank=1) + deep-prompt(length=6)[1:]"


def test_candidates_of_a_mixture_are_fitted_with_its_gates():
    fitted = fit("lora(gate=softmax) + bottleneck(gate=softmax)", 100_000)
    assert fitted.count == 36_864 + 12 * (1_537 * 2 + 768) + 12 * 2
    assert fitted.count == count(base(WAVLM), fitted.recipe).trainable


def test_a_recipe_far_from_the_budget_says_why():
    assert fit("bottleneck", 60_000).note == (
        "the nearest is 46,104 parameters, 76.8 %; with one size more it trains 64,548"
    )
    assert fit("lora(rank=2)@attn.q[0]", 2_000_000).note == (
        "the nearest is 1,179,648 parameters, 59.0 %; lora with rank=768 is the largest: an inner "
        "size of 769 is wider than attn.q in layer 0, which is 768 wide; choose 768 or less"
    )
    assert fit("lora", 40_000).note == ""


def test_a_recipe_without_a_size_must_meet_the_budget_as_it_is():
    assert fit("bitfit", 105_000).count == 101_376
    for recipe, budget, always in (
        ("linear", 1_000, "0"),
        ("bitfit", 101_375, "101,376"),
        ("bitfit", 200_000, "101,376"),
    ):
        with pytest.raises(BudgetError, match=f"no size .* always trains {always} parameters"):
            fit(recipe, budget)


def test_a_budget_that_nothing_meets_is_an_error():
    with pytest.raises(BudgetError, match=r"smallest sizes it trains 27,660\. .* 27660 or"):
        fit("bottleneck", 27_659)
    assert str(fit("bottleneck", 27_660).recipe) == "bottleneck(width=1)"
    with pytest.raises(BudgetError, match="the budget is 0; it must be 1 parameter or more"):
        fit("lora", 0)


def test_weights_must_be_positive_and_one_for_each_size():
    with pytest.raises(BudgetError, match=r"'lora \+ norm' needs 1 weights, .* \(lora\), .* is 2"):
        fit("lora + norm", 250_000, (1, 2))
    with pytest.raises(BudgetError, match="the weight 0 is not positive"):
        fit("lora + bottleneck", 250_000, (0, 1))


def test_a_recipe_that_does_not_fit_the_backbone_is_the_usual_error():
    with pytest.raises(SiteNotFound, match=r"no site 'norm\.final'"):
        fit("ast/lora-qv", 250_000)
    with pytest.raises(RecipeMismatch, match="LoRA needs a linear layer"):
        fit("lora@ffn", 250_000)
