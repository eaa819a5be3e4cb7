"""Cost of a search step: five candidates that share what they have in common, against five layers.

    python benchmarks/search_step.py             HuBERT base, two clips of 4 s, 7 rounds
    python benchmarks/search_step.py --quick     try the code on a tiny model; nothing is stored

Candidates are skip, sequential, parallel, LoRA and BitFit, in all layers, in sizes like those of
Lin et al. 2024. A step is a forward and a backward pass to all adapters, gates and the head. The
step that the others are compared with runs the layer once for each candidate and adds up the
outputs, as the code of that paper does. The mixture of deltas runs each layer once. All variants
have equal weights and take turns on the same clips, in an order that rotates from round to round.
Each value is the ratio of processor time to that of the same round: median and quartiles. One torch
thread. The front end below the first layer runs once in every variant; ratios of the layers alone,
without it, are given too. The outputs and the gradients of gates of the mixture of deltas are
compared with those of whole layers, for adapters with random weights. Written to
`benchmarks/results/search-step.json`.
"""

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.adapters.model import AdaptedModel
from ossicle.anatomy import VALUES
from ossicle.backbones import Encoded, PartialForward, load_backbone
from ossicle.compute.turns import ratios, take_turns
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe
from speed.sizes import CLASSES, FULL, QUICK, RATE

RESULTS = Path(__file__).parent / "results" / "search-step.json"
TARGET = 0.6
CANDIDATES = (
    "skip",
    "bottleneck(width=32)@ffn",
    "bottleneck(insertion=parallel, position=before, width=32, reads=layer)@ffn",
    "lora(rank=8)@attn.q,attn.v",
    "bias",
)
PACKAGES = ("ossicle", "torch", "transformers")
Batch = tuple[Tensor, Tensor]


def mixture(gate: str) -> Recipe:
    """Return all candidates as one mixture."""
    placements = Recipe.parse(" + ".join(CANDIDATES)).placements
    return Recipe(*(replace(one, gate=gate) for one in placements))


def mixed_model(name: str, gate: str) -> AdaptedModel:
    """Return a backbone with a mixture, whose adapters have random weights."""
    backbone = load_backbone(name, device="cpu")
    model = AdaptedModel(backbone)
    model.add("mixture", mixture(gate), build_head("mean", backbone.anatomy, CLASSES))
    model.use("mixture")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for key, tensor in sorted(model.trainable().items()):
            if not key.startswith("gates/"):
                tensor += 0.02 * torch.randn(tensor.shape, generator=generator)
    return model.train()


def step_of(model: AdaptedModel, batch: Batch, target: Tensor) -> Callable[[], None]:
    """Return a step of a mixture."""
    return lambda: finish_step(model(*batch), target, model.trainable().values())


def finish_step(output: Tensor, target: Tensor, parameters: Any) -> None:
    """Run the backward pass, from no gradients."""
    for parameter in parameters:
        parameter.grad = None
    F.cross_entropy(output, target).backward()


class LayerByLayer:
    """A step that runs every layer once for each candidate, with the candidate alone."""

    def __init__(self, name: str, mixed: AdaptedModel) -> None:
        self.backbone = load_backbone(name, device="cpu")
        self.model = AdaptedModel(self.backbone)
        self.logits = [nn.Parameter(torch.zeros(len(CANDIDATES))) for _ in self.layers]
        self.head = build_head("mean", self.backbone.anatomy, CLASSES)
        self.head.load_state_dict(mixed.current.head.state_dict())  # type: ignore[union-attr]  # it has a head
        for number, text in enumerate(CANDIDATES[1:], start=1):  # skip: no set acts
            self.model.add(str(number), Recipe.parse(text))
            self._copy_weights(str(number), mixed)
        self.parameters = [*self.logits, *self.head.parameters()]
        for item in self.model.sets.values():
            self.parameters += list(item.requires_grad_().parameters())

    @property
    def layers(self) -> range:
        """Numbers of the layers."""
        return range(self.backbone.anatomy.num_layers)

    @torch.no_grad()
    def _copy_weights(self, name: str, mixed: AdaptedModel) -> None:
        for key, tensor in self.model.find(name).tensors(self.backbone).items():
            tensor.copy_(mixed.tensors()[f"{name}/{key.partition('/')[2]}"])

    def front(self, batch: Batch) -> PartialForward:
        """Return the input of the first layer."""
        self.model.act(())
        return self.backbone.advance(PartialForward(VALUES, *batch), 0)

    def encode(self, batch: Batch) -> Encoded:
        """Return the output of the backbone."""
        here = self.front(batch)
        for layer in self.layers:
            parts = []
            for number in range(len(CANDIDATES)):
                self.model.act([str(number)] if number else [])
                parts.append(self.backbone.advance(here, layer + 1))
            weights = self.logits[layer].softmax(0)
            hidden = sum(w * part.hidden for w, part in zip(weights, parts, strict=True))
            assert isinstance(hidden, Tensor)
            here = PartialForward(layer + 1, hidden, parts[0].lengths, parts[0].frame_mask)
        self.model.act(())
        return self.backbone.finish(here)

    def step(self, batch: Batch, target: Tensor) -> None:
        """Run forward and backward pass."""
        encoded = self.encode(batch)
        finish_step(self.head(encoded.hidden, encoded.frame_mask), target, self.parameters)


def above(seconds: Sequence[float], front: Sequence[float]) -> list[float]:
    """Return the seconds of each round without those of the front end."""
    return [whole - part for whole, part in zip(seconds, front, strict=True)]


def gate_gradients(model: AdaptedModel) -> Tensor:
    """Return the gradients of all gates, layer by layer."""
    gates = [p.grad for key, p in model.trainable().items() if key.startswith("gates/")]
    return torch.cat([gradient for gradient in gates if gradient is not None])


def compare(one: AdaptedModel, other: AdaptedModel, batch: Batch, target: Tensor) -> dict[str, Any]:
    """Return how far outputs and gradients of gates differ, relative to those of the first."""
    hidden, gradients = [], []
    for model in (one, other):
        with torch.no_grad():
            encoded = model.encode(*batch)
        hidden.append(encoded.hidden[encoded.frame_mask])
        step_of(model, batch, target)()
        gradients.append(gate_gradients(model))
    away = [float((b - a).norm() / a.norm()) for a, b in (hidden, gradients)]
    angle = float(F.cosine_similarity(*gradients, dim=0))
    return {"output": away[0], "gate gradient": away[1], "cosine of gate gradients": angle}


def measure(name: str, seconds: float, rounds: int) -> dict[str, Any]:
    """Return the cost of each variant, and the differences between them."""
    whole, deltas = mixed_model(name, "layers"), mixed_model(name, "softmax")
    unshared = mixed_model(name, "layers")
    for tap in unshared.taps:
        tap.apart.clear()
    naive = LayerByLayer(name, whole)
    generator = np.random.default_rng(0)
    waves = [generator.normal(0, 0.1, int(seconds * RATE)).astype(np.float32) for _ in range(2)]
    batch, target = naive.backbone.batch(waves), torch.arange(2) % CLASSES
    with torch.no_grad():
        expected, found = naive.encode(batch), whole.encode(*batch)
        error = float((found.hidden - expected.hidden).abs().max())
    actions = {
        "every candidate's layer": lambda: naive.step(batch, target),
        "whole layers, nothing shared": step_of(unshared, batch, target),
        "whole layers": step_of(whole, batch, target),
        "deltas": step_of(deltas, batch, target),
        "front end alone": lambda: naive.front(batch),
    }
    measured = take_turns(actions, rounds, "cpu")
    front = measured.pop("front end alone")
    reference = measured["every candidate's layer"]
    layers = {label: above(values, front) for label, values in measured.items()}
    of_layers = layers["every candidate's layer"]
    return {
        "cost": {label: asdict(ratios(values, reference)) for label, values in measured.items()},
        "cost of the layers alone": {
            label: asdict(ratios(values, of_layers)) for label, values in layers.items()
        },
        "largest error of whole layers": error,
        "deltas against whole layers": compare(whole, deltas, batch, target),
    }


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    name, rounds, seconds = (QUICK.base, 2, 1.0) if given.quick else (FULL.base, given.rounds, 4.0)
    results = measure(name, seconds, rounds)
    print(json.dumps(results, indent=1), flush=True)
    about = {
        "candidates": CANDIDATES,
        "clips": f"2 of {seconds:g} s",
        "rounds": rounds,
        "target": TARGET,
        "device": platform.processor() or platform.machine(),
        "versions": {package: metadata.version(package) for package in PACKAGES},
    }
    if not given.quick:
        RESULTS.write_text(json.dumps(about | {"results": results}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
