"""A row of a padded batch equals the row alone, for any lengths, with active adapters."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ossicle.adapters.check import attach
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


@pytest.fixture(scope="module")
def model(build, kind):
    backbone = build(kind)
    has_projection = "projection" in backbone.anatomy.site_names
    recipe = "lora@attn.q,attn.k,attn.v,ffn.in + bottleneck(width=4)@attn,ffn,layer + norm"
    recipe += " + bias@projection" if has_projection else ""
    adapted = attach(backbone, Recipe.parse(recipe), build_head("meanstd", backbone.anatomy, 3))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in adapted.trainable().values():
            tensor += torch.randn(tensor.shape, generator=generator) * 0.1
    return adapted.eval()


@settings(max_examples=8)
@given(data=st.data())
@torch.no_grad()
def test_padding_a_batch_does_not_change_a_row(model, noise, data):
    shortest = model.backbone.min_samples
    lengths = data.draw(st.lists(st.integers(shortest, 6000), min_size=2, max_size=4))
    waves = noise(*lengths)
    values, sizes = model.backbone.batch(waves)
    together, outputs = model.encode(values, sizes), model(values, sizes)
    for row, wave in enumerate(waves):
        alone = model.backbone.batch([wave])
        real = together.hidden[row][together.frame_mask[row]]
        expected = model.encode(*alone)
        expected = expected.hidden[expected.frame_mask]
        torch.testing.assert_close(real, expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(outputs[row], model(*alone)[0], rtol=1e-4, atol=1e-4)


@settings(max_examples=5)
@given(more=st.integers(1, 3000))
@torch.no_grad()
def test_padding_beyond_the_longest_row_changes_nothing(model, noise, more):
    values, lengths = model.backbone.batch(noise(3000, 4100))
    if values.ndim != 2:
        return  # mel frames have one length
    wide = torch.nn.functional.pad(values, (0, more))
    made, expected = model.encode(wide, lengths), model.encode(values, lengths)
    assert torch.equal(made.frame_mask, expected.frame_mask)
    torch.testing.assert_close(
        made.hidden[made.frame_mask], expected.hidden[expected.frame_mask], rtol=1e-5, atol=1e-5
    )
