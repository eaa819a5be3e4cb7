"""Every preset: it parses, round-trips, attaches, and has the parameters of its paper's table."""

import json
import tomllib

import pytest
import tomli_w

from ossicle.attach.check import attach
from ossicle.attach.count import count
from ossicle.attach.presets import PRESETS
from ossicle.attach.recipe import Recipe
from ossicle.backbones import load_backbone

# Paper D, tables I and III to VII; its final norm (1,536) is part of none of these numbers.
FINAL_NORM = 2 * 768
PFEIFFER, HOULSBY = 230_544, 461_088  # adapters: 248,976 and 497,952 with the norms below
ONE_NORM, TWO_NORMS = 18_432, 36_864
PAPER_D = {
    "d-linear": (0, 0),
    "d-pfeiffer-par": (PFEIFFER, ONE_NORM),
    "d-pfeiffer-seq": (PFEIFFER, ONE_NORM),
    "d-houlsby-par": (HOULSBY, TWO_NORMS),
    "d-houlsby-seq": (HOULSBY, TWO_NORMS),
    "d-lora": (221_184, 0),
    "d-lora-q": (221_184, 0),
    "d-lora-qk": (221_184, 0),
    "d-lora-qkvo": (221_184, 0),
    "d-ffn-par-before": (PFEIFFER, ONE_NORM),
    "d-ffn-seq-before": (PFEIFFER, ONE_NORM),
    "d-mhsa-after": (PFEIFFER, ONE_NORM),
    "d-mhsa-seq-before": (PFEIFFER, ONE_NORM),
    "d-pfeiffer-seq-470k": (470_304 - ONE_NORM, ONE_NORM),
    "d-pfeiffer-par-470k": (470_304 - ONE_NORM, ONE_NORM),
    "d-houlsby-mixed": (HOULSBY, TWO_NORMS),
    "d-hydra": (HOULSBY, ONE_NORM),  # 479,520; the paper prints 470K
    "d-lora-442k": (442_368, 0),
    "d-adapter-lora": (451_728, ONE_NORM),  # 470,160
    "d-seq-no-residual": (PFEIFFER, ONE_NORM),
    "d-par-residual": (PFEIFFER, ONE_NORM),
}
OTHERS = {  # preset: backbone, what trains, of which part
    "d-bitfit": ("ast-base", 102_144, "adapter"),
    "a-houlsby": ("hubert-base", 599_424, "adapter"),
    "a-lora": ("hubert-base", 294_912, "adapter"),
    "a-bitfit": ("hubert-base", 101_376, "adapter"),
    "a-lnfit": ("hubert-base", 36_864, "norm"),
    "b-full": ("wavlm-base", 85_064_688, "backbone"),
}


@pytest.fixture(scope="module")
def bases():
    names = ("ast-base", "hubert-base", "wavlm-base")
    return {name: load_backbone(f"config:{name}", weights=False) for name in names}


def test_every_preset_of_paper_d_is_checked_here():
    assert {name for name in PRESETS if name.startswith("d-")} == {*PAPER_D, "d-bitfit"}


@pytest.mark.parametrize("name", PAPER_D)
def test_the_counts_are_those_of_paper_d(bases, name):
    adapters, norms = PAPER_D[name]
    found = count(bases["ast-base"], Recipe.parse(name))
    assert found.of("adapter") == adapters
    assert found.of("norm") == norms + FINAL_NORM
    assert found.of("backbone") == found.head == 0
    assert found.trainable == adapters + norms + FINAL_NORM


@pytest.mark.parametrize("name", OTHERS)
def test_the_counts_are_those_of_the_other_tables(bases, name):
    backbone, trained, part = OTHERS[name]
    found = count(bases[backbone], Recipe.parse(name))
    assert found.trainable == found.of(part) == trained


def test_the_totals_are_those_of_the_released_models(bases):
    recipe = Recipe.parse("linear")
    assert count(bases["hubert-base"], recipe).total == 94_371_712
    assert count(bases["wavlm-base"], recipe).total == 94_381_936


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_survives_text_json_and_toml(name):
    recipe = Recipe.parse(name)
    assert recipe.label == recipe.name == name
    assert Recipe.parse(str(recipe)).placements == recipe.placements
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert Recipe.from_dict(tomllib.loads(tomli_w.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_attaches_to_a_backbone_that_is_wide_enough(build, name):
    expression = PRESETS[name].expression
    kind = "ast" if name.startswith("d-") else "wavlm"
    model = attach(build(kind, hidden_size=256, num_attention_heads=4), Recipe.parse(name))
    assert bool(model.trainable(model.current)) is (expression != "linear")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_where_it_is_from(name):
    assert len(PRESETS[name].source) > 10
