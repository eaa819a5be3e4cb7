"""Heads on values computed by hand."""

import pytest
import torch

from ossicle.anatomy import Anatomy
from ossicle.errors import RecipeError, RecipeMismatch
from ossicle.heads import HEADS, build_head, masked_mean

SPEECH = Anatomy("hubert", 1, 2, ())
PATCHES = Anatomy("ast", 1, 2, (), has_cls=True)

HIDDEN = torch.tensor(
    [[[1.0, 10.0], [3.0, 30.0], [99.0, 99.0]], [[2.0, 0.0], [4.0, 6.0], [6.0, 0.0]]]
)
MASK = torch.tensor([[True, True, False], [True, True, True]])


def test_the_mean_is_over_real_frames():
    assert torch.equal(masked_mean(HIDDEN, MASK), torch.tensor([[2.0, 20.0], [4.0, 2.0]]))


def test_the_mean_head_is_linear_in_the_mean():
    head = build_head("mean", SPEECH, 1)
    fill(head.linear, [[2.0, 1.0]], [0.5])
    assert torch.equal(head(HIDDEN, MASK), torch.tensor([[24.5], [10.5]]))


def test_the_deviation_divides_by_the_number_of_real_frames():
    head = build_head("meanstd", SPEECH, 4)
    fill(head.linear, torch.eye(4).tolist(), [0.0] * 4)
    second = [(8 / 3) ** 0.5, 8**0.5]  # of 2, 4, 6 and of 0, 6, 0
    expected = torch.tensor([[2.0, 20.0, 1.0, 10.0], [4.0, 2.0, *second]])
    torch.testing.assert_close(head(HIDDEN, MASK), expected)


def test_the_deviation_of_a_single_frame_has_a_finite_gradient():
    head = build_head("meanstd", SPEECH, 2)
    hidden = HIDDEN[:, :1].clone().requires_grad_()
    head(hidden, MASK[:, :1]).sum().backward()
    assert hidden.grad.isfinite().all()


def test_the_cls_head_reads_token_0():
    head = build_head("cls", PATCHES, 1)
    fill(head.linear, [[2.0, 1.0]], [0.5])
    assert torch.equal(head(HIDDEN, MASK), torch.tensor([[12.5], [4.5]]))


def test_the_superb_head_is_a_projection_a_mean_and_a_linear_layer():
    head = build_head("superb", SPEECH, 3)
    x = HIDDEN[0, :2] @ head.projector.weight.T + head.projector.bias
    expected = x.mean(0) @ head.linear.weight.T + head.linear.bias
    torch.testing.assert_close(head(HIDDEN, MASK)[0], expected)


@pytest.mark.parametrize(
    ("name", "formula"),
    [
        ("mean", 769 * 7),
        ("cls", 769 * 7),
        ("meanstd", (2 * 768 + 1) * 7),
        ("superb", 769 * 256 + 257 * 7),
        ("frames", 769 * 7),
        ("superb-frames", 769 * 256 + 257 * 7),
        ("speaker-mean", 769 * 768 + 768 * 7),
        ("ast", 769 * 7 + 2 * 768),
        ("speaker-meanstd", 769 * 768 + 2 * 768 * 7),
        ("speaker-attentive", 769 * 768 + 768 * 7 + 769 * 128 + 128),
    ],
)
def test_a_head_has_the_parameters_of_its_formula(name, formula):
    head = build_head(name, Anatomy("ast", 12, 768, (), has_cls=True), 7)
    assert sum(parameter.numel() for parameter in head.parameters()) == formula
    assert head.num_outputs == 7


# the text decoder: test_decoder_refusals.py
@pytest.mark.parametrize("name", [name for name in HEADS if not HEADS[name].needs_decoder])
def test_no_head_reads_a_padded_frame(name):
    head = build_head(name, PATCHES, 5)
    other = HIDDEN.clone()
    other[~MASK] = -1e3
    output, expected = head(other, MASK), head(HIDDEN, MASK)
    if head.by_frame:  # readers select the real frames
        output, expected = output[MASK], expected[MASK]
    assert torch.equal(output, expected)


def test_a_model_without_a_cls_token_has_no_cls_head():
    with pytest.raises(
        RecipeMismatch, match="needs a CLS token, which hubert does not have; use mean"
    ):
        build_head("cls", SPEECH, 2)


def test_an_unknown_head_is_named_with_its_neighbour():
    with pytest.raises(RecipeError, match=r"no head 'meen'; .* decoder\. Did you mean 'm"):
        build_head("meen", SPEECH, 2)


@torch.no_grad()
def fill(linear, weight, bias) -> None:
    linear.weight.copy_(torch.tensor(weight))
    linear.bias.copy_(torch.tensor(bias))
