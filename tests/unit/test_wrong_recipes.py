"""Impossible recipes are refused before training, with an error that says how to fix them."""

import pytest

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.errors import AttachError, NoGradient, OssicleError, RecipeError
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

WIDE, PATCHES, CONFORMER, CHUNKS = "hubert", "ast", "w2v-bert", "whisper"
WRONG = [
    # sizes
    (WIDE, "bottleneck(width=65)", "an inner size of 65 is wider than ffn in layer 0, which is 64"),
    (WIDE, "lora(rank=65)", "an inner size of 65 is wider than attn.q in layer 0"),
    (WIDE, "lora(rank=0)", "rank is 0; it must be 1 or more"),
    (WIDE, "bottleneck(width=-1)", "width is -1; it must be 1 or more"),
    (WIDE, "prompt(length=0)", "length is 0; it must be 1 or more"),
    (WIDE, "moa(experts=0)", "experts is 0; it must be 1 or more"),
    (WIDE, "convpass(kernel=4)", "kernel is 4; it must be odd"),
    (WIDE, "convpass(reduction=200)", "a reduction of 200 leaves no channel"),
    (WIDE, "conv-adapter(reduction=65)", "needs an even width of 65 or more"),
    (WIDE, "gate(scale=0)", "scale is 0; it must be positive"),
    (PATCHES, "prompt(length=35)", "35 prompts are more than the 34 tokens that this backbone has"),
    (CHUNKS, "prefix(length=51)", "51 keys are more than the 50 tokens that this backbone has"),
    # layers
    (WIDE, "lora[7]", "names layer 7; this backbone has 2 layers, numbered from 0 to 1"),
    (WIDE, "chapter[2]", "names layer 2; this backbone has 2 layers"),
    (WIDE, "gate[5:]", "selects none of the 2 layers"),
    (WIDE, "weighted-sum[0]", "names layers, and layers is outside the layers; leave the brackets"),
    # methods that exclude or need another
    (WIDE, "weighted-sum + l-adapter", "'weighted-sum' and 'l-adapter' exclude each other"),
    (WIDE, "prompt + prompt(length=3)", "two placements insert prompts at encoder; replace them"),
    (WIDE, "deep-prompt[1:]", "missing in this recipe; use prompt.length=10.@encoder"),
    (
        WIDE,
        "prompt(length=3) + deep-prompt[1:]",
        "of length 3 in this recipe; use prompt.length=10.@encoder",
    ),
    (PATCHES, "prompt + deep-prompt", "1 of 3 tensors on ast would not train"),
    # sites that the family or the method does not have
    (PATCHES, "chapter", "ast has no site 'cnn', one layer of the CNN over the waveform"),
    (PATCHES, "p-adapter", "ast has no site 'transformer', the projection and all transformer"),
    (PATCHES, "p-adapter@encoder", "pseudo features need frames, and encoder has patches"),
    (
        CONFORMER,
        "prompt@layer",
        "the sequence cannot get longer at layer in layer 0 .* prompts at encode",
    ),
    (
        WIDE,
        "prompt@ffn",
        "the sequence cannot get longer at ffn in layer 0 .* encoder, or at layer",
    ),
    (WIDE, "prompt(keep=true)@layer", "prompts at layer in layer 0 are removed after it"),
    (
        WIDE,
        "prompt(drop_distillation=true)",
        "removes the distillation token, which this backbone does not",
    ),
    (WIDE, "convpass(grid=true)", "needs patches, and ffn in layer 0 has frames"),
    (
        WIDE,
        "convpass(position=before)@ffn.in",
        "has 64 channels at ffn.in in layer 0 instead of 96",
    ),
    (
        WIDE,
        "bottleneck(insertion=parallel, position=before, residual=true, reads=ffn.out)",
        "has 96 channels at ffn in layer 0 instead of 64",
    ),
    (WIDE, "moa@ffn.in", "equal .* widths, and ffn.in in layer 0 maps 64 channels to 96"),
    (WIDE, "weighted-sum@ffn", "reads all layers, not 'ffn' alone; attach it at layers"),
    (WIDE, "prefix@attn", "which 'attn' does not have; attach it at attn.kv"),
    (WIDE, "prompt + deep-prompt@ffn", "deep prompts are inserted in layers, and 'ffn' is not one"),
    (WIDE, "p-adapter@layer", "before the transformer, not at 'layer'; attach them"),
    (WIDE, "chapter@ffn", "copies a CNN layer, and 'ffn' is not one; attach it at cnn"),
    # reading elsewhere
    (WIDE, "bottleneck(reads=layr)", "no site 'layr'; .* Did you mean 'layer'"),
    (WIDE, "bottleneck(reads=3)", "no site '3'; available: "),
    (WIDE, "bottleneck(reads=ffn)", "'bottleneck' at 'ffn' reads the input of 'ffn' anyway"),
    (
        WIDE,
        "bottleneck(position=before, reads=layer)",
        "changes the input of its site, so it cannot",
    ),
    (
        WIDE,
        "chapter(reads=layer)",
        "a site outside the transformer layers has no other site in its layer",
    ),
    # words
    (WIDE, "bottleneck(init=ones)", "init is 'ones'; use one of zero, normal, torch"),
    (WIDE, "p-adapter(where=middle)", "where is 'middle'; use prefix or suffix"),
    (WIDE, "moa(slots=2)", "slots and normalise need routing=soft"),
]


@pytest.mark.parametrize(("kind", "expression", "message"), WRONG)
def test_a_recipe_that_cannot_work_is_refused_with_a_reason(build, kind, expression, message):
    with pytest.raises(OssicleError, match=message) as caught:
        attach(build(kind), Recipe.parse(expression))
    assert isinstance(caught.value, NoGradient) == ("would not train" in message)


def test_a_head_of_another_width_than_the_frames_is_refused(build):
    backbone, recipe = build("hubert"), Recipe.parse("l-adapter(width=20)")
    with pytest.raises(
        OssicleError, match=r"frames of width 64, but 'l-adapter\(width=20\)' gives width 20; bui"
    ):
        attach(backbone, recipe, build_head("mean", backbone.anatomy, 2))
    assert not backbone.adapted


def test_two_sets_that_exclude_each_other_do_not_act_together(build):
    model = AdaptedModel(build("hubert"))
    model.add("sum", Recipe.parse("weighted-sum"))
    model.add("prompts", Recipe.parse("prompt"))
    model.add("more", Recipe.parse("prompt(length=2)"))
    model.use("sum", "prompts")
    with pytest.raises(AttachError, match="prompts, more cannot act together: two placements"):
        model.use("prompts", "more")
    assert model.active == ("sum", "prompts")


def test_a_file_says_what_reads_must_be():
    with pytest.raises(RecipeError, match=r"placements\[0\]\.reads is 3; expected a text or null"):
        Recipe.from_dict({"placements": [{"method": "bottleneck", "reads": 3}]})
