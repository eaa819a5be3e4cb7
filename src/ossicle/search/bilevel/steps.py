"""The gradient of the gates, through one step of the weights.

    w'       = w - rate * dL_train(w, a)/dw                             the virtual step
    first    dL_switch(w', a)/da
    second   dL_switch(w', a)/da - rate * d2 L_train(w, a)/(da dw) v,   v = dL_switch(w', a)/dw'

a are the logits of the gates and w all other weights that train. The product with v is measured by
two gradients at w+ = w + e v and w- = w - e v, with e = epsilon / (|v| + 1e-6):

    (dL_train(w+, a)/da - dL_train(w-, a)/da) / (2 e)

Where weights have different rates, v is scaled by them, and `rate` is the largest. In the code of
Lin et al. 2024 the virtual step is one of the optimiser, with a copy of its state; the second
derivative is as if it were plain gradient descent.

Source: Liu et al. 2019, https://arxiv.org/abs/1806.09055, equations 5 to 8.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import torch
from torch import Tensor, nn

Parameters: TypeAlias = Sequence[nn.Parameter]
Gradients: TypeAlias = Callable[[Parameters], list[Tensor]]  # of a loss, where it is now
Step: TypeAlias = Callable[[list[Tensor]], None]  # changes the weights, given their gradients


def unrolled(
    train: Gradients,
    switch: Gradients,
    weights: Parameters,
    gates: Parameters,
    step: Step,
    rates: Sequence[float],
    epsilon: float | None,
) -> list[Tensor]:
    """Return the gradient of the gates; weights and gates are left as they were.

    Args:
        train: Returns gradients of the loss on the half for the weights.
        switch: Returns gradients of the loss on the half for the gates.
        weights: The weights.
        gates: The logits.
        step: Takes the virtual step.
        rates: Learning rate of each of the weights.
        epsilon: Length of the steps for the second derivative; None: without it.
    """
    with kept(weights):
        step(train(weights))
        both = switch([*weights, *gates])
    direction, found = both[: len(weights)], both[len(weights) :]
    highest = max(rates, default=0.0)
    if epsilon is None or highest == 0:
        return found
    scaled = [one * (rate / highest) for one, rate in zip(direction, rates, strict=True)]
    second = _second_derivative(train, weights, gates, scaled, epsilon)
    return [one - highest * other for one, other in zip(found, second, strict=True)]


def _second_derivative(
    train: Gradients,
    weights: Parameters,
    gates: Parameters,
    direction: Sequence[Tensor],
    epsilon: float,
) -> list[Tensor]:
    """Return the product of the mixed second derivative with a direction, by differences."""
    norm = torch.linalg.vector_norm(torch.stack([one.norm() for one in direction]))
    size = epsilon / (norm.item() + 1e-6)
    found = []
    for sign in (1, -1):
        with kept(weights):
            _add(weights, direction, sign * size)
            found.append(train(gates))
    return [(up - down) / (2 * size) for up, down in zip(*found, strict=True)]


def descend(weights: Parameters, rates: Sequence[float]) -> Step:
    """Return a step of plain gradient descent."""

    def step(gradients: list[Tensor]) -> None:
        scaled = [one * rate for one, rate in zip(gradients, rates, strict=True)]
        _add(weights, scaled, -1)

    return step


def take(
    optimizer: torch.optim.Optimizer, weights: Parameters, gradients: Sequence[Tensor], clip: float
) -> None:
    """Take a step of the optimiser; parameters without a gradient stay as they are.

    Args:
        optimizer: It has these weights among others.
        weights: What to change.
        gradients: Their gradients.
        clip: Largest norm of the gradients; 0: any.
    """
    for one, gradient in zip(weights, gradients, strict=True):
        one.grad = gradient.detach().clone()
    if clip:
        torch.nn.utils.clip_grad_norm_(weights, clip)
    optimizer.step()
    optimizer.zero_grad()


def as_optimizer(optimizer: torch.optim.Optimizer, weights: Parameters, clip: float) -> Step:
    """Return a step of the optimiser that leaves its state as it was."""

    def step(gradients: list[Tensor]) -> None:
        before = {
            one: {name: value.clone() for name, value in optimizer.state[one].items()}
            for one in weights
            if one in optimizer.state
        }
        take(optimizer, weights, gradients, clip)
        for one in weights:
            optimizer.state.pop(one, None)
        for one, state in before.items():
            optimizer.state[one] = state

    return step


@contextmanager
def kept(weights: Parameters) -> Iterator[None]:
    """Restore the weights at the end, bit by bit."""
    before = [one.detach().clone() for one in weights]
    try:
        yield
    finally:
        with torch.no_grad():
            for one, value in zip(weights, before, strict=True):
                one.copy_(value)


@torch.no_grad()
def _add(weights: Parameters, direction: Sequence[Tensor], factor: float) -> None:
    for one, change in zip(weights, direction, strict=True):
        one.add_(change, alpha=factor)
