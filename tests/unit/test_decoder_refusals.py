"""What has no meaning in a text decoder is refused with a sentence; a decoder masks padding."""

import pytest
import torch

from decoders import WHOLE, attached
from ossicle.adapters.check import attach
from ossicle.adapters.count import count
from ossicle.errors import RecipeError, RecipeMismatch, SiteNeverCalled, SiteNotFound
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def whole():
    """A decoder of three layers on an encoder of one."""
    return WHOLE["whisper"](weights=False, decoder_layers=3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("convpass@dec.ffn", "'convpass' .* mixes frames, and at dec.ffn in layer 0 a token must"),
        ("conv-adapter@dec.layer", "'conv-adapter' .* must not depend on later ones; attach it in"),
        ("moa(routing=soft)@decoder", "'moa' .* at decoder a token must not depend on later"),
        ("lora@dec.cross", "linear .* attach it at dec.attn.q, dec.cross.q, .* dec.ffn.out"),
        ("prefix@dec.attn.v", "attach it at dec.attn.kv or dec.cross.kv"),
        ("prompt@dec.layer", "at dec.layer in layer 0 .* attach prompts at decoder"),
        ("prompt(keep=true)@decoder", "removed after it; keep=true needs prompts at encoder"),
        ("prompt@decoder + prompt(length=3)@decoder", "two placements insert prompts at decoder"),
        ("deep-prompt@dec.layer[1:]", r"prompts at decoder, which are missing .*\)@dec.layer\[1:"),
        ("prompt + deep-prompt@dec.layer[1:]", "prompts at decoder, which are missing"),
        ("p-adapter@decoder", "not at 'decoder'; attach them at transformer or encoder"),
        ("weighted-sum@decoder", "reads all layers, not 'decoder' alone; attach it at layers"),
        ("chapter@dec.ffn", "copies a CNN layer, and 'dec.ffn' is not one"),
        ("bias@dec.embed", "it can only be trained in place, with full@dec.embed"),
        ("lora@dec.attn.q[3]", "names layer 3; this backbone has 3 layers, numbered from 0 to 2"),
        ("lora@attn.q[1]", "names layer 1; this backbone has 1 layers, numbered from 0 to 0"),
        ("bias(reads=attn.q)@dec.cross.kv", "cannot read 'dec.attn.q', which has other tokens"),
        ("bias(reads=dec.cross.k)@dec.cross.v", "are computed once for a text and kept"),
        ("bias(reads=dec.ffn)@ffn", "cannot read 'dec.ffn', which has other tokens"),
        ("bias(reads=ffn)@dec.ffn", "cannot read 'dec.ffn', which is its own input"),
        ("skip(gate=layers)@dec.layer + bias(gate=layers)@dec.ffn", "site is in the decoder"),
        ("lora(gate=softmax)@attn.q,dec.attn.q + bias(gate=softmax)", "site is in the decoder"),
    ],
)
def test_what_has_no_meaning_is_refused(whole, text, message):
    with pytest.raises(RecipeMismatch, match=message):
        count(whole, Recipe.parse(text))


def test_layers_are_numbered_in_each_part(whole):
    rows = count(whole, Recipe.parse("lora@attn.q,dec.attn.q[-1]")).rows
    assert [(row.site, row.layer) for row in rows] == [("attn.q", 0), ("dec.attn.q", 2)]
    rows = count(whole, Recipe.parse("prompt + prompt(length=2)@decoder")).rows
    assert [(row.site, row.count) for row in rows] == [("encoder", 640), ("decoder", 128)]


def test_a_default_reading_is_of_the_same_part(whole):
    (row,) = count(whole, Recipe.parse("adapterbias@dec.ffn[0]")).rows
    assert row.count == 96 + 1 + 64  # the input of dec.ffn.out, and the output of the block


@pytest.mark.parametrize("kind", ["whisper", "hubert"])
def test_without_a_decoder_its_sites_say_when_they_are_there(build, kind):
    with pytest.raises(SiteNotFound, match=r"no text decoder is loaded here.*--task seq2seq"):
        attach(build(kind), Recipe.parse("lora@dec.attn.q"))
    with pytest.raises(RecipeError, match=r"'dec.attn.w'.* Did you mean 'dec.attn.v'"):
        Recipe.parse("lora@dec.attn.w")


def test_another_head_does_not_run_the_decoder():
    backbone = WHOLE["whisper"]()
    with pytest.raises(SiteNeverCalled, match=r"dec.attn.q in layer 0, .* the head 'decoder' runs"):
        attach(backbone, Recipe.parse("lora@dec.attn.q"), build_head("mean", backbone.anatomy, 2))


def test_a_site_cannot_read_one_that_comes_after_it():
    with pytest.raises(RecipeMismatch, match=r"at dec.attn in layer 0 reads 'dec.ffn.out'"):
        attached(WHOLE["whisper"](), Recipe.parse("adapterbias@dec.attn"))


def test_frames_of_another_width_are_refused():
    with pytest.raises(RecipeMismatch, match=r"frames of width 32, and the text decoder .* 64"):
        attached(WHOLE["whisper"](), Recipe.parse("l-adapter(width=32)"))


def test_the_decoder_does_not_read_a_padded_frame():
    backbone = WHOLE["whisper"]()
    hidden, mask = torch.randn(2, 50, 64), torch.ones(2, 50, dtype=torch.bool)
    mask[1, 30:] = False
    other = hidden.masked_fill(~mask[..., None], -1e3)
    head = attached(backbone, Recipe.parse("linear")).head
    assert torch.equal(head(other, mask), head(hidden, mask))
    assert not torch.equal(head(other, torch.ones_like(mask)), head(hidden, mask))
