"""On a GPU the numbers are those of the CPU, up to rounding in another order of summation."""

import copy
import math

import pytest
import torch

from kinds import ALONE, KINDS, attached, pairs, parameters, shake
from ossicle.frozen.cache import StateCache
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import BatchRow, FrozenPart
from ossicle.inference import AdapterBank
from ossicle.recipes.recipe import Recipe
from ossicle.training import TrainConfig, train

pytestmark = pytest.mark.gpu

OUTPUT = {"rtol": 1e-4, "atol": 1e-5}
GRADIENT = 1e-3  # of the norm: sums over all frames, in another order
ROUNDING = 1e-6  # of the largest norm: the gradient of a key's bias is zero but for rounding
RECIPES = ("lora", "bottleneck", "l-adapter", "weighted-sum", "prefix", "linear", "full@layer[1:]")


def adapted(build, kind: str, expression: str, seed: int = 0):
    torch.manual_seed(seed)
    model = attached(build(kind), Recipe.parse(expression)).eval()
    shake(model)
    return model


def gradients(model, waves) -> dict[str, torch.Tensor]:
    target = next(model.parameters()).device
    values, lengths = (part.to(target) for part in model.backbone.batch(waves))
    output = model(values, lengths)
    (output * torch.arange(1, output.numel() + 1, device=target).view_as(output)).sum().backward()
    return {"output": output.detach().cpu()} | {
        key: parameter.grad.cpu()
        for key, parameter in parameters(model).items()
        if parameter.grad is not None
    }


@pytest.mark.parametrize("pair", pairs(ALONE.values()), ids="-".join)
def test_output_and_gradients_are_those_of_the_cpu(build, noise, device, pair):
    model = adapted(build, *pair)
    other = copy.deepcopy(model).to(device)
    waves = noise(4000, 3100)
    expected, found = gradients(model, waves), gradients(other, waves)
    torch.testing.assert_close(found.pop("output"), expected.pop("output"), **OUTPUT)
    assert found.keys() == expected.keys()
    rounding = ROUNDING * max(gradient.norm() for gradient in expected.values())
    for key, gradient in expected.items():
        off = (found[key] - gradient).norm()
        assert off <= GRADIENT * gradient.norm() + rounding, f"{key}: off by {off}"


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_bank_answers_as_each_adapter_does_alone_on_the_cpu(build, noise, device, kind):
    bank = AdapterBank(build(kind).to(device))
    models = [adapted(build, kind, "lora[1:]", seed) for seed in range(3)]
    for number, model in enumerate(models):
        tensors = {key: one.detach() for key, one in parameters(model).items()}
        bank.add(str(number), model.current.recipe, "mean", 3, tensors)
    waves = noise(4000, 2500, 3100)
    alone = [
        [model.outputs(*model.backbone.batch([wave])).values[0] for wave in waves]
        for model in models
    ]
    for row, output in enumerate(bank.outputs(waves, ["2", "0", "1"])):
        torch.testing.assert_close(output.cpu(), alone[(2, 0, 1)[row]][row], **OUTPUT)
    for expected, outputs in zip(alone, bank.ensemble(waves, bank.names), strict=True):
        for one, output in zip(expected, outputs, strict=True):
            torch.testing.assert_close(output.cpu(), one, **OUTPUT)


@pytest.mark.parametrize("expression", ["linear", "lora[1:]", "weighted-sum", "l-adapter"])
def test_a_step_on_cached_states_has_the_outputs_of_one_on_waves(
    build, noise, device, expression, tmp_path
):
    model = adapted(build, "hubert", expression).to(device)
    rows = [model.backbone.row(wave) for wave in noise(4000, 3100)]
    frozen = FrozenPart(find_cut(model), StateCache(tmp_path, 10**9, {}, {}), "float32")
    first = frozen.outputs(
        model, [BatchRow(row, None, row[1], f"{n:032}") for n, row in enumerate(rows)]
    )
    read = [frozen.cache.get(f"{n:032}") for n in range(2)]
    again = frozen.outputs(
        model, [BatchRow(None, torch.from_numpy(one), length, None) for one, length in read]
    )
    direct = FrozenPart(find_cut(model)).outputs(
        model, [BatchRow(row, None, row[1], None) for row in rows]
    )
    torch.testing.assert_close(first.values, direct.values, **OUTPUT)
    torch.testing.assert_close(again.values, first.values, **OUTPUT)


@pytest.mark.parametrize("cache", ["off", "float32"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_run_trains(backbone, corpus, tmp_path, device, recipe, precision, cache):
    if precision == "bfloat16" and device == "cuda" and not torch.cuda.is_bf16_supported():
        pytest.skip("this GPU has no bfloat16")
    config = TrainConfig(
        backbone=backbone,
        recipe=recipe,
        data=f"audiofolder:{corpus}",
        epochs=2,
        batch_size=4,
        lr=0.01,
        device=device,
        precision=precision,
        cache=cache,
        track="none",
    )
    losses = []
    result = train(config, tmp_path / "run", on_epoch=lambda epoch: losses.append(epoch.train_loss))
    assert len(losses) == 2
    assert all(map(math.isfinite, losses))
    assert result.test["accuracy"] >= 0
