"""Presets parse, survive a round trip, attach, and have the parameter counts of their papers."""

import json
import tomllib
from functools import cache
from itertools import combinations

import pytest
import tomli_w

from decoders import WHOLE, attached
from ossicle.adapters.check import attach
from ossicle.adapters.count import count
from ossicle.backbones import load_backbone
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.recipe import Recipe

# Cappellazzo et al., tables I and III to VII: counts without head and final norm (BitFit: its
# bias).
PAPER_D = {
    "ast/linear": 0,
    "ast/bitfit": 102_144 - 768,
    "ast/spt-300": 230_400,
    "ast/dpt-25": 230_400,
    "ast/prefix-24": 221_184,
    "ast/pf-par": 248_976,
    "ast/pf-seq": 248_976,
    "ast/hou-par": 497_952,
    "ast/hou-seq": 497_952,
    "ast/convpass-pf-par": 254_304,
    "ast/convpass-pf-seq": 254_304,
    "ast/convpass-hou-par": 508_608,
    "ast/convpass-hou-seq": 508_608,
    "ast/lora-q": 221_184,
    "ast/lora-qk": 221_184,
    "ast/lora-qv": 221_184,
    "ast/lora-qkvo": 221_184,
    "ast/ffn-after": 248_976,
    "ast/ffn-seq-before": 248_976,
    "ast/ffn-par-before": 248_976,
    "ast/mhsa-after": 248_976,
    "ast/mhsa-seq-before": 248_976,
    "ast/mhsa-par-before": 248_976,
    "ast/pf-seq-x2": 470_304,
    "ast/pf-par-x2": 470_304,
    "ast/hou-mixed": 497_952,
    "ast/hydra-ffn": 479_520,  # the paper prints 470K
    "ast/lora-x2": 442_368,
    "ast/adapter+lora": 470_160,
    "ast/adapter+dpt-25": 479_376,
    "ast/adapter+dpt-14+lora": 488_592,
    "ast/seq-no-residual": 248_976,
    "ast/par-residual": 248_976,
}
BLOCK_NORM = 12 * 2 * 768  # one LayerNorm in each layer
OTHERS = {  # preset: backbone, what trains
    "superb/weighted-sum": ("hubert-base", 13),
    "superb/houlsby": ("hubert-base", 599_424),
    "superb/parallel": ("hubert-base", 599_424),
    "superb/lora": ("hubert-base", 294_912),
    "superb/bitfit": ("hubert-base", 101_376),
    "superb/lnfit": ("hubert-base", 36_864),
    "superb/hybrid": ("hubert-base", 461_040),
    "superb/adapterbias": ("hubert-base", 46_092),
    "superb/chapter": ("hubert-base", 4_200_448 + 599_424),
    "elp/full": ("wavlm-base", 85_064_688),
    "elp/conventional": ("wavlm-base", 9_535_488),
    "elp/e": ("wavlm-base", 4_786_176),
    "elp/l": ("wavlm-base", 4_737_036),
    "elp/le": ("wavlm-base", 9_127_436),
    "peft-ser/adapter": ("wavlm-base-plus", 2_370_048),
    "peft-ser/prompt": ("wavlm-base-plus", 46_080),
    "peft-ser/lora": ("wavlm-base-plus", 1_474_560),
    "peft-ser/combined": ("wavlm-base-plus", 5_328_384),
    "sure/convadapter": ("wav2vec2-large-lv60", 24 * 141_824),
    "sure/prefix": ("wav2vec2-large-lv60", 24 * 30 * 2 * 1024),
    # by hand, at 12 layers of width 768 in encoder and decoder: 32 * 2 * 768 each, or 32 * 5 * 768
    "whisper/lora": ("whisper-small", 12 * (2 + 4) * 49_152),
    "whisper/lora-all": ("whisper-small", 12 * ((4 + 8) * 49_152 + 2 * 2 * 122_880)),
    "whisper/lora-decoder": ("whisper-small", 12 * 4 * 49_152),
    "whisper/bottleneck": ("whisper-small", 24 * (64 * 1536 + 64 + 768)),
}
MIXTURES = {  # their later code, with one block norm: preset, recipe, count
    "moa(reduction=128)@attn": 922_188,
    "moa(routing=soft, reduction=128)@attn": 922_104,
}


@cache
def base(name, *, decoder=False):
    return load_backbone(f"config:{name}", weights=False, decoder=decoder)


def trained(found, *, but: str | None = None) -> int:
    return sum(row.count for row in found.rows if row.site != but)


def test_every_preset_of_cappellazzo_et_al_is_checked_here():
    assert {name for name in PRESETS if name.startswith("ast/")} == {*PAPER_D, "ast/full"}


@pytest.mark.parametrize("name", PAPER_D)
def test_the_counts_are_those_of_cappellazzo_et_al(name):
    found = count(base("ast-base"), Recipe.parse(name))
    assert trained(found, but="norm.final") == PAPER_D[name]
    assert found.head == found.of("backbone") == 0
    final = [row.count for row in found.rows if row.site == "norm.final"]
    assert final == ([768] if name == "ast/bitfit" else [2 * 768])


@pytest.mark.parametrize("name", OTHERS)
def test_the_counts_are_those_of_the_other_tables(name):
    backbone, expected = OTHERS[name]
    whole = base(backbone, decoder=True) if name.startswith("whisper/") else base(backbone)
    assert count(whole, Recipe.parse(name)).trainable == expected


def test_lora_in_whisper_has_the_count_that_pefts_example_prints():
    large = base("whisper-large-v3", decoder=True)  # version 2 has the same layers
    assert count(large, Recipe.parse("whisper/lora")).trainable == 15_728_640


def test_the_l_adapters_of_the_published_runs_have_the_norms_of_the_layers_too():
    found = count(base("wavlm-base"), Recipe.parse("l-adapter + norm"))
    assert found.trainable == OTHERS["elp/l"][1] + 2 * BLOCK_NORM == 4_773_900
    assert "l-adapter + norm, 4 773 900" in PRESETS["elp/l"].source


@pytest.mark.parametrize("expression", MIXTURES)
def test_the_counts_of_the_mixtures_are_those_of_their_code(expression):
    found = count(base("ast-base"), Recipe.parse(f"{expression} + norm@norm.attn"))
    assert found.trainable == MIXTURES[expression]
    assert found.of("norm") == BLOCK_NORM


def test_every_combination_of_the_emotion_paper_is_a_preset():
    names = {name.removeprefix("ser/") for name in PRESETS if name.startswith("ser/")}
    parts = [frozenset(name.split("+")) for name in names]
    every = {frozenset(c) for n in range(1, 5) for c in combinations(("lora", "ba", "ws", "wg"), n)}
    assert set(parts) == every
    assert len(parts) == 15
    for name in names:
        whole = count(base("hubert-base"), Recipe.parse(f"ser/{name}")).trainable
        single = (count(base("hubert-base"), Recipe.parse(f"ser/{p}")) for p in name.split("+"))
        assert whole == sum(found.trainable for found in single)


def test_the_totals_are_those_of_the_released_models():
    recipe = Recipe.parse("linear")
    assert count(base("hubert-base"), recipe).total == 94_371_712
    assert count(base("wavlm-base"), recipe).total == 94_381_936
    assert count(base("whisper-base"), recipe).total == 20_590_592


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
    if name.startswith("whisper/"):
        with_decoder = WHOLE["whisper"](d_model=256, encoder_ffn_dim=256, decoder_ffn_dim=256)
        assert attached(with_decoder, Recipe.parse(name)).trainable()
        return
    kind = "ast" if name.startswith("ast/") else "wavlm"
    longer = {"max_length": 640} if kind == "ast" else {}  # 300 prompts need as many positions
    model = attach(
        build(kind, hidden_size=256, num_attention_heads=4, **longer), Recipe.parse(name)
    )
    assert bool(model.trainable()) is (expression != "linear")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_says_where_it_is_from(name):
    assert len(PRESETS[name].source) > 10
