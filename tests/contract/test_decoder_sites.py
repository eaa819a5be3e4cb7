"""What every method must do at every site of a text decoder that it fits.

The quick tests attach all methods at all of these sites at once, and those that are particular to
decoders; the thorough ones each method at all of its sites, and bottlenecks at each of them alone.
"""

import copy

import pytest
import torch
from test_attach import expected

from decoders import (
    DEEP,
    WHOLE,
    attached,
    decoder_sites,
    each,
    everything,
    fits,
    placed,
    together,
)
from kinds import shake
from ossicle.adapters.count import count
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load, save
from ossicle.backbones import Backbone
from ossicle.errors import AttachError
from ossicle.recipes.recipe import Recipe
from ossicle.writing import Text

STARTS = ([257, 266], [257, 5, 266])  # 266: without times
ALONE = [
    pytest.param(pair, marks=pytest.mark.thorough, id="-".join(pair))
    for pair in each()
    if pair[1].startswith("bottleneck")  # before, after and beside a site
]
OWN = [("whisper", "prefix@dec.attn.kv,dec.cross.kv"), ("whisper", DEEP)]
TOGETHER = [
    *(pytest.param(pair, id="-".join(pair)[:60]) for pair in OWN),
    *(
        pytest.param(pair, marks=pytest.mark.thorough, id="-".join(pair)[:60])
        for pair in together()
        if pair not in OWN
    ),
]
EVERYTHING = [pytest.param(pair, id=f"{pair[0]}-everything") for pair in everything()]


@pytest.fixture(scope="module")
def built() -> dict[str, Backbone]:
    return {kind: build() for kind, build in WHOLE.items()}


@pytest.fixture
def bare(built, pair) -> Backbone:
    return copy.deepcopy(built[pair[0]])


@pytest.fixture
def recipe(pair) -> Recipe:
    return Recipe.parse(pair[1])


@pytest.fixture
def model(bare, recipe) -> AdaptedModel:
    torch.manual_seed(1)
    return attached(bare, recipe)


@pytest.fixture
def frames() -> tuple[torch.Tensor, torch.Tensor]:
    """Output of an encoder for two recordings, the second one shorter."""
    mask = torch.ones(2, 50, dtype=torch.bool)
    mask[1, 30:] = False
    return torch.randn(2, 50, 64), mask


@torch.no_grad()
def logits(model: AdaptedModel, frames, ids: torch.Tensor | None = None) -> torch.Tensor:
    ids = torch.arange(8).repeat(2, 1) if ids is None else ids
    return model.backbone.decoder.logits(*frames, ids)


@torch.no_grad()
def check_generated(model: AdaptedModel, frames) -> None:
    """Generate, and compare log probabilities with those of the decoder for the whole text."""
    decoder, how = model.backbone.decoder, model.head.writing.generating
    made = decoder.generate(*frames, STARTS, how)
    for row, (start, tokens) in enumerate(zip(STARTS, made, strict=True)):
        tokens = tokens[1:]  # the first one is no speech
        ids = torch.tensor([[*start, *tokens[:, 0].long().tolist()]])
        own = [part[row : row + 1] for part in frames]
        after = decoder.logits(*own, ids[:, :-1])[0, len(start) - 1 :].log_softmax(-1)
        expected = after.gather(1, ids[0, len(start) :, None])[:, 0]
        torch.testing.assert_close(tokens[:, 1], expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("pair", [*EVERYTHING, *TOGETHER, *ALONE])
def test_generation_equals_teacher_forcing_and_no_token_depends_on_a_later_one(model, frames):
    shake(model, by=0.3)
    check_generated(model, frames)
    ids = torch.arange(8).repeat(2, 1)
    other = ids.clone()
    other[:, 5:] = 20
    first, second = logits(model, frames, ids), logits(model, frames, other)
    assert torch.equal(first[:, :5], second[:, :5])
    assert not torch.equal(first[:, 5:], second[:, 5:])


@pytest.mark.parametrize(
    "text",
    [
        "prefix(length=3)@dec.attn.kv,dec.cross.kv",
        DEEP,
        "convpass@dec.cross.k,dec.cross.v",  # over frames, whose padding it masks
    ],
)
def test_generation_with_beams_equals_teacher_forcing(built, frames, text):
    for bare in built.values():
        model = attached(copy.deepcopy(bare), Recipe.parse(text), beams=3)
        shake(model, by=0.3)
        check_generated(model, frames)


@pytest.mark.parametrize("pair", TOGETHER)
def test_a_new_adapter_changes_nothing_if_it_starts_as_identity(bare, recipe, frames):
    plain = bare.decoder.logits(*frames, torch.arange(8).repeat(2, 1))
    says_so = all(placement.method.starts_as_identity for placement in recipe.placements)
    assert torch.equal(logits(attached(bare, recipe), frames), plain) == says_so


@pytest.mark.parametrize("pair", TOGETHER)
def test_it_is_saved_copied_and_taken_off(bare, recipe, frames, tmp_path):
    plain = bare.decoder.logits(*frames, torch.arange(8).repeat(2, 1))
    fresh = copy.deepcopy(bare)
    model = attached(bare, recipe)
    shake(model)
    adapted = logits(model, frames)
    assert not torch.equal(adapted, plain)
    save(model, tmp_path)
    twin = copy.deepcopy(model)
    assert torch.equal(logits(load(tmp_path, fresh), frames), adapted)
    shake(twin)
    assert not torch.equal(logits(twin, frames), adapted)
    assert torch.equal(logits(model, frames), adapted)
    if model.current.in_place:
        with pytest.raises(AttachError, match="was fine-tuned in place and cannot be taken off"):
            model.use()
        return
    model.add("other", Recipe.parse("lora(rank=2)@attn.q,dec.cross.v"), model.head)
    model.use("other")
    shake(model)
    other = logits(model, frames)
    model.use("default")
    assert torch.equal(logits(model, frames), adapted)
    model.use("other")
    assert torch.equal(logits(model, frames), other)
    model.remove("other")
    model.remove("default")
    assert torch.equal(logits(model, frames), plain)


@pytest.mark.parametrize("pair", TOGETHER)
def test_the_count_is_the_formula_of_the_docstring(bare, recipe):
    backbone = copy.deepcopy(bare)
    slots = AdaptedModel(bare).add("a", recipe).slots
    rows = [row.count for row in count(backbone, recipe).rows]
    for slot, found in zip(slots, rows, strict=True):
        # D_in is the width of what is read, which the test takes from the site; parts of what
        # trains in place count once
        known = slot.site.width_in == slot.site.width_out or slot.placement.method.name == "lora"
        if known and slot.adapter is not None:
            assert found == expected(slot, backbone), slot.site
    assert sum(rows) == sum(p.numel() for p in attached(backbone, recipe).trainable().values())


@pytest.mark.parametrize("kind", WHOLE)
def test_what_reads_other_tokens_is_refused_among_tokens_and_stands_over_frames(kind):
    over_frames = ["dec.cross.k", "dec.cross.v", "dec.cross.kv"]
    for text in ("convpass", "conv-adapter", "moa(routing=soft)"):
        assert [site for site in decoder_sites(kind) if fits(kind, text, site)] == over_frames
    every = [site for site in decoder_sites(kind) if site != "dec.embed"]
    assert [site for site in every if fits(kind, "bias", site)] == every


@pytest.mark.parametrize("text", ["prefix(length=2)@dec.attn.kv", "prefix(length=2)@dec.cross.kv"])
def test_the_first_token_attends_to_a_prefix(built, frames, text):
    for bare in built.values():
        model = attached(copy.deepcopy(bare), Recipe.parse(text))
        first = bare.decoder.logits(*frames, torch.tensor([[3], [4]]))
        assert not torch.equal(logits(model, frames, torch.tensor([[3], [4]])), first)


@torch.no_grad()
def test_prompts_are_run_before_the_tokens_and_move_no_position(built, frames):
    """The sum of embeddings and positions, with prompts before it, through the bare layers."""
    bare = built["whisper"]
    model = attached(copy.deepcopy(bare), placed("prompt(length=3)", "decoder"))
    decoder, (hidden, _) = bare.model.decoder, frames
    ids = torch.tensor([[257, 3, 9], [257, 5, 7]])
    x = decoder.embed_tokens(ids) + decoder.embed_positions.weight[:3]
    prompts = model.trainable()["0/-/decoder/prompts"]
    x = torch.cat((prompts.expand(2, -1, -1), x), dim=1)
    for layer in decoder.layers:
        x = layer(x, None, hidden)
    expected = decoder.layer_norm(x[:, 3:]) @ decoder.embed_tokens.weight.T
    found = logits(model, (hidden, None), ids)
    torch.testing.assert_close(found, expected)
    rows = model.head.outputs(hidden, frames[1], [Text("ab"), Text("c")])
    assert [len(row) for row in rows.rows()] == [4, 3]  # space and end included, prompts not


def test_gradients_do_not_change_where_layers_are_computed_twice(built, frames):
    text = "lora@attn.q,dec.attn.q,dec.cross.k + prefix@dec.attn.kv,dec.cross.kv + bias@dec.layer"
    found = []
    for twice in (False, True):
        torch.manual_seed(2)
        model = attached(copy.deepcopy(built["whisper"]), Recipe.parse(text))
        shake(model)
        if twice:
            model.backbone.checkpoint_layers()
        values, lengths = model.backbone.batch([torch.randn(4000).numpy()] * 2)
        encoded = model.encode(values, lengths)
        model.head(encoded.hidden, frames[1]).square().sum().backward()
        found.append({key: p.grad for key, p in model.trainable().items()})
    for key, gradient in found[0].items():
        torch.testing.assert_close(found[1][key], gradient)
