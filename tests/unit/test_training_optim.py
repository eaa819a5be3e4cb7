"""Learning rate and weight decay of each tensor, and the schedule."""

import pytest
import torch

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import FAMILIES, random_backbone
from ossicle.errors import RunError
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.training.config import TrainConfig
from ossicle.training.optim import build_optimizer, set_rates


def adapted(recipe: str, head: str = "mean") -> AdaptedModel:
    backbone = random_backbone(FAMILIES["hubert"], FAMILIES["hubert"].tiny(), "tiny")
    model = AdaptedModel(backbone)
    model.add("a", Recipe.parse(recipe), build_head(head, backbone.anatomy, 2))
    model.use("a")
    return model


def config(**changes: object) -> TrainConfig:
    return TrainConfig(**{"backbone": "b", "recipe": "r", "data": "d", **changes})


def rates(model: AdaptedModel, settings: TrainConfig) -> dict[str, tuple[float, float]]:
    """Return the peak learning rate and weight decay of every tensor, by its saved key."""
    key_by_id = {id(p): key for key, p in model.trainable().items()}
    return {
        key_by_id[id(parameter)]: (group["peak"], group["weight_decay"])
        for group in build_optimizer(model, settings).param_groups
        for parameter in group["params"]
    }


@pytest.mark.parametrize(
    ("changes", "lora", "bias", "head"),
    [
        ({}, 5e-4, 1e-3, 1e-3),  # bias: the method's own
        ({"lr": 0.02}, 5e-4, 0.02, 0.02),
        ({"lr": 0.02, "head_lr": 0.3}, 5e-4, 0.02, 0.3),
        ({"head_lr": 0.3}, 5e-4, 1e-3, 0.3),
    ],
)
def test_a_placement_s_rate_goes_before_the_run_s_and_that_before_the_method_s(
    changes: dict[str, float], lora: float, bias: float, head: float
) -> None:
    found = rates(adapted("lora(lr=5e-4)@attn.q[0] + bias@attn.k[1]"), config(**changes))
    assert found == {
        "0/0/attn.q/down": (lora, 0.01),
        "0/0/attn.q/up": (lora, 0.01),
        "1/1/attn.k/bias": (bias, 0.0),
        "head/linear.weight": (head, 0.01),
        "head/linear.bias": (head, 0.0),
    }


@pytest.mark.parametrize(
    ("head", "changes", "rate"),
    [
        ("frames", {}, 1e-2),
        ("superb-frames", {}, 1e-2),
        ("frames", {"lr": 0.02}, 0.02),
        ("frames", {"lr": 0.02, "head_lr": 0.3}, 0.3),
        ("superb", {}, 1e-3),
        ("speaker-mean", {}, 1e-3),
    ],
)
def test_a_head_by_frame_has_a_higher_rate_of_its_own(
    head: str, changes: dict[str, float], rate: float
) -> None:
    found = rates(adapted("bias@attn.k[1]", head), config(**changes))
    assert {of_one for key, (of_one, _) in found.items() if key.startswith("head/")} == {rate}


def test_matrices_decay_and_vectors_do_not() -> None:
    model = adapted("full@attn.q,norm.ffn + bottleneck(width=3)@attn")
    for key, (_, decay) in rates(model, config(weight_decay=0.3)).items():
        assert decay == (0.3 if model.trainable()[key].ndim > 1 else 0.0), key


def test_every_trained_tensor_is_in_one_group_and_no_frozen_one_is() -> None:
    model = adapted("full@layer[0] + norm@norm.ffn[1]")
    groups = build_optimizer(model, config()).param_groups
    inside = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(inside) == sorted(id(p) for p in model.parameters() if p.requires_grad)


def test_the_optimiser_is_chosen_with_its_settings() -> None:
    model = adapted("lora")
    made = build_optimizer(model, config(optimizer="adamw(beta2=0.98,eps=1e-6,decay=all)"))
    assert made.defaults["betas"] == (0.9, 0.98)
    assert made.defaults["eps"] == 1e-6
    assert {group["weight_decay"] for group in made.param_groups} == {0.01}
    assert type(build_optimizer(model, config(optimizer="adam"))) is torch.optim.Adam
    with pytest.raises(RunError, match="no optimizer 'adma'; available: adamw, adam"):
        build_optimizer(model, config(optimizer="adma"))


def test_every_group_follows_the_schedule_from_its_own_peak() -> None:
    optimizer = build_optimizer(adapted("lora(lr=0.5)"), config(head_lr=0.1))
    assert {group["lr"] for group in optimizer.param_groups} == {0.0}
    set_rates(optimizer, 0.25)
    assert {group["lr"] for group in optimizer.param_groups} == {0.125, 0.025}


def test_an_optimizer_step_moves_what_trains_by_its_rate_and_nothing_else() -> None:
    model = adapted("bias(lr=0.5)@attn.v[0]")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimizer = build_optimizer(model, config(head_lr=0.25, weight_decay=0.0))
    set_rates(optimizer, 1.0)
    model(torch.randn(2, 800), torch.tensor([800, 800])).square().sum().backward()
    optimizer.step()
    moved = {
        key: float((value - before[key]).abs().max())
        for key, value in model.state_dict().items()
        if not torch.equal(value, before[key])
    }
    # Adam's first step has the size of the rate, whatever the gradient (unless it is about 1e-8).
    assert sorted(moved.values()) == pytest.approx([0.25, 0.25, 0.5], rel=1e-3)
