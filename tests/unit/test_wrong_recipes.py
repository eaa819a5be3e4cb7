"""Recipes that cannot work: the error names what, where and what to do, before any training."""

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
    # what excludes or needs another
    (WIDE, "weighted-sum + l-adapter", "'weighted-sum' and 'l-adapter' exclude each other"),
    (WIDE, "prompt + prompt(length=3)", "two placements put prompts at encoder and exclude each"),
    (WIDE, "deep-prompt[1:]", "the recipe has none there; add prompt.length=10.@encoder"),
    (WIDE, "prompt(length=3) + deep-prompt[1:]", "has 3 there; add prompt.length=10.@encoder"),
    (PATCHES, "prompt + deep-prompt", "1 of 3 tensors on ast would not train"),
    # sites that the family, or the method, has not
    (PATCHES, "chapter", "ast has no site 'cnn', one layer of the CNN over the waveform"),
    (PATCHES, "p-adapter", "ast has no site 'transformer', the projection and the transformer"),
    (PATCHES, "p-adapter@encoder", "pseudo features stand beside frames and encoder has patches"),
    (
        CONFORMER,
        "prompt@layer",
        "the sequence cannot grow at layer in layer 0 .* prompts at encode",
    ),
    (WIDE, "prompt@ffn", "the sequence cannot grow at ffn in layer 0 .* at encoder, or at layer"),
    (WIDE, "prompt(keep=true)@layer", "prompts at layer in layer 0 leave with it"),
    (WIDE, "prompt(drop_distillation=true)", "takes the distillation token out and encoder has no"),
    (WIDE, "convpass(grid=true)", "runs over patches and ffn in layer 0 has frames"),
    (WIDE, "convpass(position=before)@ffn.in", "ffn.in in layer 0 gives it 64 channels where 96"),
    (
        WIDE,
        "bottleneck(insertion=parallel, position=before, residual=true, reads=ffn.out)",
        "ffn in layer 0 gives it 96 channels where 64 are due",
    ),
    (WIDE, "moa@ffn.in", "stands beside a block and ffn.in in layer 0 maps 64 channels to 96"),
    (WIDE, "weighted-sum@ffn", "reads all layers and 'ffn' is one place; put it at layers"),
    (WIDE, "prefix@attn", "made of keys and values and 'attn' has none; put it at attn.kv"),
    (WIDE, "prompt + deep-prompt@ffn", "deep prompts enter a layer and 'ffn' is none"),
    (WIDE, "p-adapter@layer", "enter the transformer and 'layer' is inside or beside it"),
    (WIDE, "chapter@ffn", "copies a layer of the CNN and 'ffn' is none; put it at cnn"),
    # reading elsewhere
    (WIDE, "bottleneck(reads=layr)", "no site 'layr'; .* Did you mean 'layer'"),
    (WIDE, "bottleneck(reads=3)", "no site '3'; available: "),
    (WIDE, "bottleneck(reads=ffn)", "'bottleneck' at 'ffn' reads that anyway"),
    (
        WIDE,
        "bottleneck(position=before, reads=layer)",
        "changes what enters its site, so it cannot",
    ),
    (
        WIDE,
        "chapter(reads=layer)",
        "a site outside the transformer's layers has no other beside it",
    ),
    # words
    (WIDE, "bottleneck(init=ones)", "init is 'ones'; use one of zero, normal, torch"),
    (WIDE, "p-adapter(where=middle)", "where is 'middle'; use prefix or suffix"),
    (WIDE, "moa(slots=2)", "slots and normalise are for routing=soft"),
]


@pytest.mark.parametrize(("kind", "expression", "message"), WRONG)
def test_a_recipe_that_cannot_work_is_refused_with_a_reason(build, kind, expression, message):
    with pytest.raises(OssicleError, match=message) as caught:
        attach(build(kind), Recipe.parse(expression))
    assert isinstance(caught.value, NoGradient) == ("would not train" in message)


def test_a_head_of_another_width_than_the_frames_is_refused(build):
    backbone, recipe = build("hubert"), Recipe.parse("l-adapter(width=20)")
    with pytest.raises(
        OssicleError, match=r"reads frames 64 wide and this recipe gives it 20; bui"
    ):
        attach(backbone, recipe, build_head("mean", backbone.anatomy, 2))
    assert not backbone.adapted


def test_two_sets_that_exclude_each_other_do_not_act_together(build):
    model = AdaptedModel(build("hubert"))
    model.add("sum", Recipe.parse("weighted-sum"))
    model.add("prompts", Recipe.parse("prompt"))
    model.add("more", Recipe.parse("prompt(length=2)"))
    model.use("sum", "prompts")
    with pytest.raises(AttachError, match="prompts, more cannot act together: two placements put"):
        model.use("prompts", "more")
    assert model.active == ("sum", "prompts")


def test_a_file_says_what_reads_must_be():
    with pytest.raises(RecipeError, match=r"placements\[0\]\.reads is 3; expected a text or null"):
        Recipe.from_dict({"placements": [{"method": "bottleneck", "reads": 3}]})
