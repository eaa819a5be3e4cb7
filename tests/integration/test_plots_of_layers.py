"""Heat maps of what adapters have learnt about layers, from saved adapters."""

import pytest
import torch

from made import outcome
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save
from ossicle.errors import AdapterFileError
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from ossicle.studies.plots.layers import layer_weights


@pytest.fixture
def saved(build, tmp_path):
    """Function that saves an adapter of a recipe with given tensors, and returns its folder."""

    def write(recipe: str, **tensors: list[float]):
        backbone, parsed = build("hubert"), Recipe.parse(recipe)
        head = build_head("mean", parsed.seen_by_head(backbone.anatomy), 2)
        model = attach(backbone, parsed, head)
        with torch.no_grad():
            for key, values in tensors.items():
                model.tensors()[key].copy_(torch.tensor(values))
        folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        save(model, folder)
        return folder

    return write


def test_weights_of_states_are_the_softmax_and_means_over_repeats(saved):
    logits = [[0.0, 1.0, 2.0], [1.0, 0.0, -1.0]]
    found = [
        outcome(
            "lora+ws",
            0.5,
            labels={"seed": seed},
            folder=saved("lora + weighted-sum", **{"1/-/layers/weights": one}),
        )
        for seed, one in enumerate(logits)
    ]
    found.append(outcome("l", 0.5, folder=saved("l-adapter", **{"0/-/layers/mix": [0.0, 3.0]})))
    (figure,) = layer_weights(found)
    (trace,) = figure.traces
    assert (trace["y"], trace["x"]) == (["lora+ws", "l"], ["0", "1", "2"])
    expected = torch.tensor(logits).softmax(1).mean(0)
    torch.testing.assert_close(torch.tensor(trace["z"][0]), expected)
    assert trace["z"][1][0] is None  # the input of layer 0 is not read
    torch.testing.assert_close(torch.tensor(trace["z"][1][1:]), torch.tensor([0.0, 3.0]).softmax(0))
    assert trace["text"][1] == ["", "0.047", "0.953"]


def test_gates_are_those_of_each_candidate_in_its_layers(saved):
    folder = saved(
        "lora(gate=softmax) + bottleneck(gate=softmax)@ffn + scale(gate=softmax)@layer[1]",
        **{"gates/softmax.0": [0.0, 1.0], "gates/softmax.1": [0.0, 1.0, 2.0]},
    )
    (figure,) = layer_weights([outcome("mixture", 0.5, folder=folder)])
    (trace,) = figure.traces
    assert figure.name == "gates"
    assert trace["y"] == [
        "mixture: 1. lora",
        "mixture: 2. bottleneck",
        "mixture: 3. scale@layer[1]",
    ]
    first, second = torch.tensor([0.0, 1.0]).softmax(0), torch.tensor([0.0, 1.0, 2.0]).softmax(0)
    found = [[x if x is None else pytest.approx(x, abs=1e-6) for x in row] for row in trace["z"]]
    assert found == [
        [first[0].item(), second[0].item()],
        [first[1].item(), second[1].item()],
        [None, second[2].item()],
    ]


def test_gates_that_do_not_compete_are_sigmoids(saved):
    folder = saved("lora(gate=sigmoid)", **{"gates/sigmoid.0": [0.0], "gates/sigmoid.1": [2.0]})
    (figure,) = layer_weights([outcome("lora", 0.5, folder=folder)])
    assert figure.traces[0]["z"] == [[0.5, pytest.approx(0.8808, abs=1e-4)]]


def test_the_gain_of_a_weighted_gate_is_the_mean_over_channels(saved):
    folder = saved("gate(scale=3)[1]", **{"0/1/layer/gate": 32 * [0.0] + 32 * [2.0]})
    (figure,) = layer_weights([outcome("gate", 0.5, folder=folder)])
    assert figure.name == "gains"
    assert figure.traces[0]["z"] == [[None, pytest.approx(3 * (0.5 + 0.8808) / 2, abs=1e-4)]]


def test_adapters_without_weights_of_layers_have_no_figure_and_damaged_ones_are_named(saved):
    folder = saved("lora")
    assert layer_weights([outcome("lora", 0.5, folder=folder)]) == []
    (folder / "adapter.safetensors").write_bytes(b"damaged")
    with pytest.raises(AdapterFileError, match="damaged"):
        layer_weights([outcome("lora", 0.5, folder=folder)])
