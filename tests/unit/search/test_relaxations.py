"""Gates of each relaxation, by hand."""

import math

import numpy as np
import pytest
import torch

from ossicle.errors import SearchError
from ossicle.search.bilevel.relaxations import RELAXATIONS, Choices, Moment

LAYERS = {
    0: Choices(("skip", "lora", "bias"), (0, 40, 10)),
    1: Choices(("skip", "lora", "bias"), (0, 40, 10)),
}
LOGITS = {0: torch.tensor([0.2, 1.0, -0.5]), 1: torch.tensor([-1.0, 0.0, 0.3])}
MOMENT = Moment(seed=5, step=7, turn=1, progress=0.5)


def made(name: str, layers=LAYERS, **values):
    cls = RELAXATIONS[name]
    return cls(layers, {key: one.default for key, one in cls.options.items()} | values)


def gates_of(one, moment=MOMENT, layer=0):
    one.begin(moment, LOGITS)
    return one(LOGITS[layer], layer)


def noise(kind: str, layer: int = 0, moment: Moment = MOMENT):
    rng = np.random.default_rng([moment.seed, moment.step, moment.turn, layer])
    drawn = rng.gumbel(size=3) if kind == "gumbel" else rng.uniform(1e-6, 1 - 1e-6, size=3)
    return torch.tensor(drawn, dtype=torch.float32)


def test_gates_of_darts_are_a_softmax():
    powers = [math.exp(one) for one in (0.2, 1.0, -0.5)]
    expected = torch.tensor([one / sum(powers) for one in powers])
    torch.testing.assert_close(gates_of(made("darts")), expected)


@pytest.mark.parametrize(("progress", "tau"), [(0.0, 10.0), (0.5, 1.0), (1.0, 0.1)])
def test_gumbel_gates_are_a_softmax_with_noise_and_a_falling_temperature(progress, tau):
    moment = Moment(5, 7, 1, progress)
    powers = ((LOGITS[0] + noise("gumbel", moment=moment)) / tau).exp()
    torch.testing.assert_close(gates_of(made("gumbel-darts"), moment), powers / powers.sum())


def test_gates_of_gdas_are_one_hot_with_the_gradient_of_the_soft_ones():
    one = made("gdas")
    one.begin(MOMENT, LOGITS)
    logits = LOGITS[0].clone().requires_grad_()
    found = one(logits, 0)
    soft = ((LOGITS[0] + noise("gumbel")) / 1.0).softmax(0)
    assert found.tolist() == [float(k == soft.argmax()) for k in range(3)]
    (gradient,) = torch.autograd.grad(found @ torch.tensor([1.0, 2.0, 4.0]), logits)
    slope = torch.tensor([1.0, 2.0, 4.0])
    torch.testing.assert_close(gradient, soft * (slope - soft @ slope))  # at temperature 1


def test_gates_of_fair_darts_are_sigmoids_that_are_pushed_to_their_ends():
    one = made("fair-darts")
    expected = torch.tensor([1 / (1 + math.exp(-a)) for a in (0.2, 1.0, -0.5)])
    torch.testing.assert_close(gates_of(one), expected)
    every = [1 / (1 + math.exp(-a)) for a in (0.2, 1.0, -0.5, -1.0, 0.0, 0.3)]
    penalty = -10 * sum((g - 0.5) ** 2 for g in every) / 6
    assert one.penalty(LOGITS).item() == pytest.approx(penalty)
    assert made("darts").penalty(LOGITS) is None


def test_gates_of_s3delta_meet_the_budget_on_average():
    one = made("s3delta", budget=50)
    found = gates_of(one)
    strengths = one.strengths(LOGITS)
    expected = sum(
        (gate * count).item()
        for layer, gates in strengths.items()
        for gate, count in zip(gates, LAYERS[layer].counts, strict=True)
    )
    assert expected == pytest.approx(50, rel=1e-4)
    p, u = strengths[0], noise("uniform")
    concrete = torch.sigmoid(torch.log(u * p / ((1 - u) * (1 - p))))
    torch.testing.assert_close(found, concrete, rtol=1e-4, atol=1e-5)


def test_a_budget_that_is_enough_for_all_leaves_s3delta_unlimited():
    one = made("s3delta", budget=1000)
    assert min(gates.min().item() for gates in one.strengths(LOGITS).values()) > 0.999


@pytest.mark.parametrize("name", RELAXATIONS)
def test_noise_is_drawn_once_a_step_by_seed_step_turn_and_layer(name):
    values = {"budget": 50} if name == "s3delta" else {}
    one, other = made(name, **values), made(name, **values)
    first = gates_of(one)
    assert torch.equal(one(LOGITS[0], 0), first)
    gates_of(one, Moment(5, 8, 1, 0.5))
    assert torch.equal(gates_of(other), first)
    if name in ("gumbel-darts", "s3delta"):
        changed = [Moment(6, 7, 1, 0.5), Moment(5, 8, 1, 0.5), Moment(5, 7, 0, 0.5)]
        assert not any(torch.allclose(gates_of(other, moment), first) for moment in changed)
        one.begin(MOMENT, dict.fromkeys(LOGITS, LOGITS[0]))
        assert not torch.allclose(one(LOGITS[0], 0), one(LOGITS[0], 1))


@pytest.mark.parametrize("name", RELAXATIONS)
def test_between_epochs_the_best_candidate_acts_alone(name):
    one = made(name, **({"budget": 80} if name == "s3delta" else {}))
    gates_of(one)
    one.end(LOGITS)
    assert one(LOGITS[0], 0).tolist() == [0, 1, 0]
    assert one(LOGITS[1], 1).tolist() == [0, 0, 1]


def test_fair_darts_skips_layers_without_a_gate_above_the_threshold():
    one = made("fair-darts", threshold=0.6)  # sigmoid(1.0) is 0.73, sigmoid(0.3) is 0.57
    assert one.chosen(LOGITS) == {0: 1, 1: 0}
    without = {0: Choices(("lora", "bias"), (40, 10))}
    with pytest.raises(SearchError, match=r"threshold=0.6 needs the candidate skip"):
        made("fair-darts", without, threshold=0.6)


def test_s3delta_keeps_the_largest_gates_until_the_budget_is_used_up():
    one = made("s3delta", budget=45)  # lora in layer 0 costs 40, then bias in layer 1 costs 10
    assert one.chosen(LOGITS) == {0: 1, 1: 0}
    assert made("s3delta", budget=50).chosen(LOGITS) == {0: 1, 1: 2}
    with pytest.raises(SearchError, match="needs a budget"):
        made("s3delta")
