"""Candidates of several placements, skip, and gates that are computed in another way."""

import pytest
import torch

from kinds import attached, shake
from ossicle.adapters.check import attach
from ossicle.adapters.saving import load, save
from ossicle.errors import RecipeMismatch
from ossicle.recipes.mixtures import mixtures
from ossicle.recipes.recipe import Recipe

BOTH = "lora(rank=2, gate=layers:both) + bottleneck(width=4, gate=layers:both)@ffn[0]"
TEXT = f"{BOTH} + skip(gate=layers) + scale(gate=layers)@layer[1]"


def test_placements_of_one_name_are_one_candidate():
    found = mixtures(Recipe.parse(TEXT), 2)
    assert found == {
        ("layers", 0): {"both": [0, 1], "3. skip": [2]},
        ("layers", 1): {"both": [0], "3. skip": [2], "4. scale@layer[1]": [3]},
    }


@pytest.mark.parametrize("suffix", [".json", ".toml"])
def test_the_name_of_a_candidate_is_kept_in_text_and_files(tmp_path, suffix):
    recipe = Recipe.parse(TEXT)
    assert Recipe.parse(str(recipe)) == recipe
    recipe.write(tmp_path / f"recipe{suffix}")
    assert Recipe.read(tmp_path / f"recipe{suffix}") == recipe


@pytest.mark.parametrize("gate", ["softmax", "sigmoid", "layers"])
@pytest.mark.parametrize("second", ["bottleneck(width=4, gate=G:a)@ffn", "norm(gate=G:a)@norm.ffn"])
@torch.no_grad()
def test_a_candidate_that_has_the_whole_weight_acts_as_its_placements_do(
    build, noise, gate, second
):
    """Two placements of it at one site, or at several, act one after the other."""
    text = f"skip(gate=G) + bias(gate=G:a)@ffn,norm.ffn + {second}".replace("G", gate)
    model = attached(build("hubert"), Recipe.parse(text)).eval()
    shake(model)
    model.current.gates.relaxation = lambda logits, _: torch.tensor([0.0, 1.0]).to(logits)
    alone = Recipe.parse(
        f"bias@ffn,norm.ffn + {second.replace(', gate=G:a', '')}".replace("(gate=G:a)", "")
    )
    expected = attach(build("hubert"), alone).eval()
    for key, tensor in expected.tensors().items():
        number, rest = key.split("/", 1)
        tensor.copy_(model.tensors()[f"{int(number) + 1}/{rest}"])
    inputs = model.backbone.batch(noise(4000, 3000))
    found, wanted = model.encode(*inputs), expected.encode(*inputs)
    real = wanted.frame_mask
    torch.testing.assert_close(found.hidden[real], wanted.hidden[real], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_skip_alone_leaves_the_backbone_as_it_is_and_is_saved(build, noise, tmp_path):
    model = attached(build("hubert"), Recipe.parse(TEXT)).eval()
    shake(model)
    inputs = model.backbone.batch(noise(4000, 4000))
    save(model, tmp_path)
    assert torch.equal(load(tmp_path, build("hubert"))(*inputs), model(*inputs))
    model.current.gates.relaxation = lambda logits, _: torch.eye(len(logits))[1]
    plain = build("hubert")(*inputs).hidden
    torch.testing.assert_close(model.encode(*inputs).hidden, plain, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_relaxation_gets_logits_and_layer_and_may_have_any_sum(build, noise):
    recipe = Recipe.parse("skip(gate=layers) + scale(gate=layers)@layer")
    model = attached(build("hubert"), recipe).eval()
    inputs = model.backbone.batch(noise(4000, 4000))
    gates = {0: (0.5, 0.5), 1: (2.0, 1.0)}  # of equal layers: the last one counts three times
    seen = []

    def relaxed(logits, layer):
        seen.append((logits.tolist(), layer))
        return torch.tensor(gates[layer])

    model.current.gates.relaxation = relaxed
    plain = build("hubert")(*inputs).hidden
    found = model.encode(*inputs).hidden
    torch.testing.assert_close(found, 3 * plain, rtol=1e-5, atol=1e-5)
    assert set(map(str, seen)) == {"([0.0, 0.0], 0)", "([0.0, 0.0], 1)"}


@pytest.mark.parametrize("text", ["skip", "lora + skip@ffn"])
def test_skip_outside_a_mixture_is_refused(build, text):
    with pytest.raises(RecipeMismatch, match=r"write skip\(gate=layers\), or leave it out"):
        attach(build("hubert"), Recipe.parse(text))
