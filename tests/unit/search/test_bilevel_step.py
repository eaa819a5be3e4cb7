"""The step of the gates against derivatives through the unrolled step, in float64."""

import pytest
import torch
from torch import nn

from ossicle.search.bilevel.options import OPTIONS
from ossicle.search.bilevel.steps import as_optimizer, descend, kept, take, unrolled
from ossicle.search.bilevel.trainer import group_gates
from ossicle.training.config import TrainConfig

RATES = (0.3, 0.1)  # of the two weights
INPUTS = torch.tensor(
    [[0.5, -1.0, 2.0], [1.5, 0.3, -0.7], [-0.2, 0.8, 0.4], [0.9, 0.1, -1.1]]
).double()
TARGETS = {
    "train": torch.tensor([1.0, -0.5, 0.3, 0.8]).double(),
    "switch": torch.tensor([-0.4, 0.9, 0.2, 0.1]).double(),
}


def loss(half: str, weights, gates):
    """Return the loss of a mixture of two layers."""
    first, second = weights
    mixed = gates.softmax(0)
    hidden = (
        mixed[0] * (INPUTS @ first).tanh()
        + mixed[1] * (INPUTS @ first).sin()
        + mixed[2] * (INPUTS @ first)
    )
    return ((hidden @ second) - TARGETS[half]).square().mean()


@pytest.fixture
def parameters():
    generator = torch.Generator().manual_seed(3)

    def made(*shape: int) -> nn.Parameter:
        return nn.Parameter(torch.randn(*shape, generator=generator, dtype=torch.float64))

    return [made(3, 2), made(2)], made(3)


def gradients(half: str, weights, gates):
    def of(wanted):
        return list(torch.autograd.grad(loss(half, weights, gates), list(wanted)))

    return of


def found(weights, gates, epsilon, step=None):
    (gradient,) = unrolled(
        gradients("train", weights, gates),
        gradients("switch", weights, gates),
        weights,
        [gates],
        step or descend(weights, RATES),
        RATES,
        epsilon,
    )
    return gradient


def by_brute_force(weights, gates, *, through: bool):
    """Return the derivative of L_switch(w - rate * dL_train/dw, a), maybe with w' held fixed."""
    inner = torch.autograd.grad(loss("train", weights, gates), weights, create_graph=through)
    moved = [one - rate * slope for one, rate, slope in zip(weights, RATES, inner, strict=True)]
    (gradient,) = torch.autograd.grad(loss("switch", moved, gates), [gates])
    return gradient


def test_the_second_order_gradient_is_that_through_the_unrolled_step(parameters):
    weights, gates = parameters
    expected = by_brute_force(weights, gates, through=True)
    torch.testing.assert_close(found(weights, gates, 1e-4), expected, rtol=1e-6, atol=1e-9)
    # with the published length of the differences, as far as they are exact
    torch.testing.assert_close(found(weights, gates, 0.01), expected, rtol=2e-3, atol=1e-4)
    assert not torch.allclose(expected, by_brute_force(weights, gates, through=False), rtol=0.05)


def test_the_first_order_gradient_leaves_the_second_derivative_out(parameters):
    weights, gates = parameters
    expected = by_brute_force(weights, gates, through=False)
    torch.testing.assert_close(found(weights, gates, None), expected)
    plain = gradients("switch", weights, gates)([gates])[0]
    assert not torch.allclose(expected, plain, rtol=0.05)


def test_the_gradient_leaves_weights_and_optimiser_as_they_were(parameters):
    weights, gates = parameters
    optimizer = torch.optim.Adam(
        [{"params": [one], "lr": rate} for one, rate in zip(weights, RATES, strict=True)]
    )
    step = as_optimizer(optimizer, weights, 1.0)
    before = [one.clone() for one in (*weights, gates)]
    found(weights, gates, 0.01, step)  # its state is still empty
    assert not optimizer.state
    take(optimizer, weights, gradients("train", weights, gates)(weights), 1.0)
    state = {one: {k: v.clone() for k, v in optimizer.state[one].items()} for one in weights}
    moved = [one.clone() for one in weights]
    found(weights, gates, 0.01, step)
    assert all(map(torch.equal, weights, moved))
    assert torch.equal(gates, before[-1])
    for one in weights:
        assert all(torch.equal(optimizer.state[one][key], state[one][key]) for key in state[one])
        assert one.grad is None


def test_the_virtual_step_of_an_optimiser_is_its_next_step(parameters):
    weights, gates = parameters
    optimizer = torch.optim.Adam(weights, lr=0.1)
    train = gradients("train", weights, gates)
    take(optimizer, weights, train(weights), 0.5)
    with kept(weights):
        as_optimizer(optimizer, weights, 0.5)(train(weights))
        virtual = [one.detach().clone() for one in weights]
    take(optimizer, weights, train(weights), 0.5)
    assert all(map(torch.equal, weights, virtual))


@pytest.mark.parametrize(
    ("given", "lr", "expected"),
    [
        ({}, 0.02, {"peak": 0.02, "betas": (0.9, 0.999), "weight_decay": 0.0}),
        ({}, None, {"peak": 0.001, "betas": (0.9, 0.999), "weight_decay": 0.0}),
        (
            {"gates_lr": 0.3, "gates_beta1": 0.5, "gates_decay": 0.1},
            0.02,
            {"peak": 0.3, "betas": (0.5, 0.999), "weight_decay": 0.1},
        ),
    ],
)
def test_gates_have_a_group_of_their_own(parameters, given, lr, expected):
    weights, gates = parameters
    optimizer = torch.optim.AdamW(
        [{"params": [weights[0], gates], "peak": 1.0}, {"params": [weights[1]], "peak": 2.0}],
        weight_decay=0.5,
    )
    values = {key: one.default for key, one in OPTIONS.items()} | given
    group_gates(optimizer, [gates], TrainConfig(data="demo", lr=lr), values)
    found = [[id(one) for one in group["params"]] for group in optimizer.param_groups]
    assert found == [[id(weights[0])], [id(weights[1])], [id(gates)]]
    own = optimizer.param_groups[-1]
    assert {key: own[key] for key in expected} == expected
    assert [group["weight_decay"] for group in optimizer.param_groups[:-1]] == [0.5, 0.5]
