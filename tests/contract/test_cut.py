"""A forward pass resumes at any depth, and a cut changes nothing: every method, every family."""

import pytest
import torch

from kinds import SETTINGS, attached, pairs, parameters, shake
from ossicle.adapters.check import attach
from ossicle.anatomy import FEATURES, VALUES
from ossicle.backbones import PartialForward
from ossicle.frozen import part
from ossicle.frozen.cut import Cut, advance_to_cut, find_cut, run_from_cut, run_to_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.heads import HEADS, build_head
from ossicle.recipes.recipe import Recipe

MORE = ["linear", "lora[1:]", "lora[1:] + weighted-sum", "lora[1:] + l-adapter", "full@layer[1:]"]


@torch.no_grad()
def test_a_forward_pass_resumes_from_any_depth(build, kind, noise):
    backbone = build(kind)
    values, lengths = backbone.batch(noise(4000, 2500, 3100))
    whole = backbone(values, lengths)
    for depth in range(VALUES, backbone.anatomy.output_depth + 1):
        partial = backbone.advance(PartialForward(VALUES, values, lengths), depth, keep=True)
        assert partial.depth == depth
        assert len(partial.layer_inputs) == min(max(depth, 0), backbone.anatomy.num_layers)
        assert backbone.forward_state.frame_mask is None
        found = backbone.finish(partial)
        assert torch.equal(found.hidden, whole.hidden)
        assert torch.equal(found.frame_mask, whole.frame_mask)


@torch.no_grad()
def test_kept_states_are_the_inputs_of_the_layers(build, kind, noise):
    backbone = build(kind)
    values, lengths = backbone.batch(noise(4000, 2500))
    begin = PartialForward(VALUES, values, lengths)
    states = backbone.advance(begin, backbone.anatomy.output_depth, keep=True).layer_inputs
    for layer, state in enumerate(states):
        assert torch.equal(state, backbone.advance(begin, layer).hidden)


@pytest.mark.parametrize(
    "pair", pairs([*dict.fromkeys([*SETTINGS, *MORE])]), ids="-".join, indirect=True
)
class TestEveryMethod:
    @pytest.fixture
    def pair(self, request):
        return request.param

    @pytest.fixture
    def model(self, build, pair):
        torch.manual_seed(0)
        made = attached(build(pair[0]), Recipe.parse(pair[1])).eval()
        shake(made)
        return made

    def test_the_output_and_gradients_of_the_cut_are_those_of_the_whole(self, model, noise):
        backbone = model.backbone
        waves = noise(4000, 2500)
        cut = find_cut(model)
        rows = [backbone.row(wave) for wave in waves]
        states = run_to_cut(backbone, rows, cut)
        assert not any(state.requires_grad for state in states)
        found = run_from_cut(model, states, [length for _, length in rows], cut).values
        expected = model.outputs(*backbone.batch(waves)).values
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
        partial = advance_to_cut(backbone, rows, cut)  # as on an accelerator
        at_once = model.apply_head(backbone.finish(partial)).values
        torch.testing.assert_close(at_once, expected, rtol=1e-4, atol=1e-5)
        tensors = list(parameters(model).values())
        mine, theirs = (
            torch.autograd.grad(outputs.square().sum(), tensors) for outputs in (found, expected)
        )
        largest = max(float(gradient.abs().max()) for gradient in theirs)
        for one, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=2e-5 * largest)

    @torch.no_grad()
    def test_a_row_has_the_same_bits_in_any_company(self, model, noise):
        rows = [model.backbone.row(wave) for wave in noise(4000, 2500, 3100)]
        cut = find_cut(model)
        together = run_to_cut(model.backbone, rows, cut)
        for row, state in zip(rows, together, strict=True):
            assert torch.equal(run_to_cut(model.backbone, [row], cut)[0], state)

    @torch.no_grad()
    def test_nothing_below_the_cut_depends_on_the_recipe(self, build, pair, model, noise):
        rows = [model.backbone.row(wave) for wave in noise(4000)]
        cut = find_cut(model)
        bare = run_to_cut(build(pair[0]), rows, cut)
        assert torch.equal(run_to_cut(model.backbone, rows, cut)[0], bare[0])

    @torch.no_grad()
    def test_something_changes_right_above_it(self, build, pair, model, noise):
        """The cut is as deep as possible: states at the next depth depend on the adapter."""
        backbone, bare, cut = model.backbone, build(pair[0]), find_cut(model)
        if cut.depth == backbone.anatomy.output_depth:
            return
        values = backbone.batch(noise(4000))
        begin, end = PartialForward(VALUES, *values), cut.depth + 1
        if end == FEATURES:
            end = 0  # without a CNN, features are the values
        one, other = (b.advance(begin, end).hidden for b in (backbone, bare))
        if cut.depth == FEATURES and one.shape == other.shape and torch.equal(one, other):
            end = 1  # a method that changes the input of layer 0
            one, other = (b.advance(begin, end).hidden for b in (backbone, bare))
        assert one.shape != other.shape or not torch.equal(one, other)


def cut_of(build, kind, expression, head="mean"):
    recipe = Recipe.parse(expression)
    backbone = build(kind)
    seen = recipe.seen_by_head(backbone.anatomy)
    return find_cut(attach(backbone, recipe, build_head(head, seen, 3)))


@pytest.mark.parametrize(
    ("expression", "head", "expected"),
    [
        ("linear", "mean", Cut(3, summary="mean")),
        ("linear", "meanstd", Cut(3, summary="meanstd")),
        ("linear", "superb", Cut(3, summary="mean")),
        ("linear", "speaker-mean", Cut(3, summary="mean")),
        ("linear", "speaker-attentive", Cut(3)),
        ("linear", "frames", Cut(3)),
        ("weighted-sum", "mean", Cut(3, keep=True, summary="mean")),
        ("weighted-sum(gated=true)", "superb", Cut(3, keep=True, summary="mean")),
        ("weighted-sum(normalise=true)", "mean", Cut(3, keep=True)),
        ("weighted-sum", "meanstd", Cut(3, keep=True)),
        ("l-adapter", "mean", Cut(3, keep=True)),
        ("norm@norm.ffn[-1:]", "mean", Cut(1)),
        ("lora[1:]", "mean", Cut(1)),
        ("lora[1:] + weighted-sum", "mean", Cut(1, keep=True)),
        ("lora", "mean", Cut(0)),
        ("prompt@layer[1:]", "mean", Cut(1)),
        ("prompt@encoder", "mean", Cut(-1)),
        ("p-adapter", "mean", Cut(-1)),
        ("bias@projection", "mean", Cut(-1)),
        ("norm@norm.input", "mean", Cut(-1)),
        ("full@layer[1:]", "mean", Cut(1)),
        ("full@encoder", "mean", Cut(-1)),
        ("full@features", "mean", Cut(-2)),
        ("chapter", "mean", Cut(-2)),
        ("full", "mean", Cut(-2)),
    ],
)
def test_the_cut_is_found_from_the_recipe(build, expression, head, expected):
    assert cut_of(build, "hubert", expression, head) == expected


def test_a_final_norm_that_trains_is_above_the_cut(build):
    assert cut_of(build, "hubert-pre-norm", "norm@norm.final") == Cut(2)
    assert cut_of(build, "hubert-pre-norm", "linear") == Cut(3, summary="mean")


def test_where_there_is_no_cnn_full_fine_tuning_keeps_the_filter_bank(build):
    assert cut_of(build, "ast", "full") == Cut(-1)
    assert cut_of(build, "ast", "prompt") == Cut(0)
    assert cut_of(build, "ast", "linear", "cls") == Cut(3, summary="first")


def test_dropout_of_the_backbone_leaves_the_front_end_alone_to_keep(build):
    backbone, recipe = build("hubert", stochastic=True), Recipe.parse("lora[1:]")
    assert find_cut(attach(backbone, recipe)) == Cut(FEATURES)


@torch.no_grad()
@pytest.mark.parametrize("name", [name for name, head in HEADS.items() if head.summary])
def test_a_head_gives_the_same_output_for_a_summary_as_for_all_frames(build, noise, name):
    kind = "ast" if name == "cls" else "hubert"
    backbone, recipe = build(kind), Recipe.parse("linear")
    model = attach(backbone, recipe, build_head(name, backbone.anatomy, 3)).eval()
    waves = noise(4000, 2500)
    rows, cut = [backbone.row(wave) for wave in waves], find_cut(model)
    states = run_to_cut(backbone, rows, cut)
    assert {state.shape[1] for state in states} == {2 if name == "meanstd" else 1}
    found = run_from_cut(model, states, [length for _, length in rows], cut).values
    expected = model.outputs(*backbone.batch(waves)).values
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_on_an_accelerator_a_batch_that_is_not_kept_is_padded_once(build, noise, monkeypatch):
    model = attached(build("hubert"), Recipe.parse("lora[1:]")).eval()
    shake(model)
    rows = [model.backbone.row(wave) for wave in noise(4000, 2500)]
    batch = [BatchRow.of(row) for row in rows]
    monkeypatch.setattr(part, "runs_in_batches", lambda _: True)  # as if it were on one
    monkeypatch.delattr(part, "encode_from_cut")  # which pads rows again
    frozen = FrozenPart(find_cut(model))
    found = frozen.outputs(model, batch).values
    expected = model.outputs(*model.backbone.collate(rows)).values
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (frozen.computed, frozen.read) == (2, 0)
