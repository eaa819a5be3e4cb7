"""Ways to keep parameters: their penalties, and what is saved, against calculations by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from kinds import attached, shake
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone
from ossicle.continual import KEEPS, Start, Step, interpolated, parse_keep
from ossicle.errors import RunError
from ossicle.heads import Outputs
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification
from stages import start_of

TASK = Classification(["a", "b", "c"])
STEP = Step(outputs=Outputs(torch.zeros(1, 3)), embeddings=None, progress=0.0)


@pytest.fixture
def model(build: Callable[..., Backbone]) -> AdaptedModel:
    made = attached(build("hubert"), Recipe.parse("lora(rank=2)@attn.q[0]"))
    shake(made)
    return made


def shifted(model: AdaptedModel, by: float = 0.5, **changes: object) -> Start:
    """Return the start of a stage whose parameters have all moved since by one number."""
    start = start_of(model, TASK, **changes)
    with torch.no_grad():
        for parameter in model.trainable().values():
            parameter += by
    return start


def sizes(model: AdaptedModel) -> dict[str, int]:
    return {key: parameter.numel() for key, parameter in model.trainable().items()}


def test_l2_sp_is_half_the_squared_distance_times_its_strength(model: AdaptedModel) -> None:
    keep = KEEPS["l2-sp"](3.0, shifted(model))
    penalty = keep.penalty(STEP)
    assert penalty.item() == pytest.approx(3 / 2 * 0.25 * sum(sizes(model).values()), rel=1e-5)
    penalty.backward()
    for parameter in model.trainable().values():
        torch.testing.assert_close(parameter.grad, torch.full_like(parameter, 3 * 0.5))


def test_l2_sp_does_not_pull_what_is_new(model: AdaptedModel) -> None:
    """Of three outputs the parent has the first and the last; the LoRA is new."""
    new = frozenset(key for key in model.trainable() if not key.startswith("head/"))
    keep = KEEPS["l2-sp"](1.0, shifted(model, old_outputs=(2, None, 0), new_keys=new))
    keep.penalty(STEP).backward()
    trained = model.trainable()
    assert all(trained[key].grad is None for key in new)
    for key in ("head/linear.weight", "head/linear.bias"):
        moved = trained[key].grad.reshape(3, -1)[:, 0]
        torch.testing.assert_close(moved, torch.tensor([0.5, 0.0, 0.5]))


def test_ewc_weighs_each_squared_distance_by_its_fisher_information(model: AdaptedModel) -> None:
    rng = np.random.default_rng(0)
    shapes = {key: tuple(parameter.shape) for key, parameter in model.trainable().items()}
    fisher = {key: rng.random(shape).astype("float32") for key, shape in shapes.items()}
    tensors = {key: torch.from_numpy(value) for key, value in fisher.items()}
    keep = KEEPS["ewc"](10.0, shifted(model, fisher=tensors))
    penalty = keep.penalty(STEP)
    expected = 10 / 2 * 0.25 * sum(float(value.sum()) for value in fisher.values())
    assert penalty.item() == pytest.approx(expected, rel=1e-5)
    penalty.backward()
    for key, parameter in model.trainable().items():
        torch.testing.assert_close(parameter.grad, 10 * 0.5 * tensors[key])


@pytest.mark.parametrize("name", ["l2-sp", "ewc", "interpolate"])
def test_a_way_that_could_not_act_says_so(model: AdaptedModel, name: str) -> None:
    start = start_of(model, TASK, new_keys=frozenset(model.trainable()), fisher={})
    with pytest.raises(RunError, match=f"--keep {name} acts on .* nothing of it trains here"):
        KEEPS[name](0.5, start)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 1.0), (0.25, 2.0), (1.0, 5.0)])
def test_interpolation_lies_between_start_and_new(share: float, expected: float) -> None:
    start, new = {"a": torch.tensor([1.0, 0.1])}, {"a": torch.tensor([5.0, 0.1])}
    new["b"] = torch.tensor([7.0])
    found = interpolated(start, new, share)
    assert found["a"].tolist() == [expected, new["a"][1].item()]  # equal values stay, to the bit
    assert found["b"].tolist() == [7.0]


def test_interpolate_leaves_rows_for_new_labels_as_trained(model: AdaptedModel) -> None:
    keep = KEEPS["interpolate"](0.5, shifted(model, by=1.0, old_outputs=(2, None, 0)))
    found = keep.finished(model.tensors())
    assert found.keys() == model.trainable().keys()
    for key, value in found.items():
        moved = (value - keep.start.tensors[key]).detach()
        if key.startswith("head/"):
            expected = torch.tensor([0.5, 1.0, 0.5])
            torch.testing.assert_close(moved.reshape(3, -1)[:, 0], expected)
        else:
            torch.testing.assert_close(moved, torch.full_like(moved, 0.5))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ewcc(strength=1)", "no way to keep 'ewcc'; available: l2-sp, ewc, .*Did you mean 'ewc'"),
        ("ewc(share=1)", "way to keep 'ewc' has no setting 'share'; available: strength"),
        ("replay(share=2)", "share of replay is 2; expected a number from 0 to 1"),
        ("lwf(strength=-1)", "strength of lwf is -1; expected a number from 0 to"),
        ("lwf(strength=strong)", "strength of lwf is 'strong'; expected a number"),
        ("ewc(", "'ewc\\(' is not a way to keep"),
    ],
)
def test_what_is_not_a_way_to_keep_is_an_error(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        parse_keep(text)


def test_an_expression_names_a_way_and_its_value() -> None:
    assert parse_keep("ewc(strength=7)") == (KEEPS["ewc"], 7.0)
    assert parse_keep("interpolate") == (KEEPS["interpolate"], 0.5)
