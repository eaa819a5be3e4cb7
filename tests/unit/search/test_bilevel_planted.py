"""A problem in which one candidate is clearly best: every relaxation finds it.

The target is -2 x. In its one layer `skip` gives x, `fit` w x with a weight that trains, and
`noise` w x plus noise, which fits no recording but those that it was drawn for.
"""

import pytest
import torch
from torch import nn

from ossicle.search.bilevel.relaxations import RELAXATIONS, Choices, Moment
from ossicle.search.bilevel.steps import as_optimizer, take, unrolled

NAMES = ("skip", "noise", "fit")
STEPS = 40


@pytest.mark.parametrize(
    "name",
    [
        "darts",
        "gdas",
        "s3delta",
        pytest.param("gumbel-darts", marks=pytest.mark.thorough),
        pytest.param("fair-darts", marks=pytest.mark.thorough),
    ],
)
def test_the_planted_candidate_is_found(name):
    values = {key: one.default for key, one in RELAXATIONS[name].options.items()}
    values |= {"budget": 4} if name == "s3delta" else {}
    relaxation = RELAXATIONS[name]({0: Choices(NAMES, (0, 4, 4))}, values)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 8, 4, generator=generator)
    noise = 3 * torch.randn(2, 8, 4, generator=generator)
    logits = nn.Parameter(torch.zeros(3))
    weights = [nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))]
    optimizer = torch.optim.Adam([logits, *weights], lr=0.1)

    def gradients(half):
        def of(wanted):
            outputs = (x[half], weights[0] * x[half] + noise[half], weights[1] * x[half])
            gates = relaxation(logits, 0)
            mixed = sum(gate * one for gate, one in zip(gates, outputs, strict=True))
            loss = (mixed + 2 * x[half]).square().mean()
            if half == 1 and (penalty := relaxation.penalty({0: logits})) is not None:
                loss = loss + penalty
            return list(torch.autograd.grad(loss, list(wanted), allow_unused=True))

        return of

    train, switch = gradients(0), gradients(1)
    step = as_optimizer(optimizer, weights, 1.0)
    rates = [0.1, 0.1]
    for number in range(STEPS):
        relaxation.begin(Moment(1, number, 0, number / STEPS), {0: logits})
        take(
            optimizer, [logits], unrolled(train, switch, weights, [logits], step, rates, 0.01), 1.0
        )
        relaxation.begin(Moment(1, number, 1, number / STEPS), {0: logits})
        take(optimizer, weights, train(weights), 1.0)
    assert NAMES[relaxation.chosen({0: logits})[0]] == "fit"
    strengths = relaxation.strengths({0: logits.detach()})[0]
    assert strengths[2] > 1.5 * max(strengths[0], strengths[1])
