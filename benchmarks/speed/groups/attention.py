"""WavLM's attention."""

from typing import Any

import torch
from torch import Tensor

from ossicle.backbones import load_backbone
from speed.bench import Bench, Figures, labelled
from speed.theirs import stock


def measure(bench: Bench) -> Figures:
    """WavLM base with transformers' attention and with ossicle's, forward and backward."""
    found: Figures = {}
    name, device = bench.sizes.wavlm, bench.device
    for label, count, seconds in (("2 x 4 s", 2, 4), ("1 x 12 s", 1, 12)):
        models = {"transformers": stock(name, device)}
        models["ossicle"] = load_backbone(name, device=device).model
        layers = {key: model.requires_grad_(False).encoder.layers for key, model in models.items()}
        frames = int(50 * bench.duration_s(seconds)) - 1
        width = models["transformers"].config.hidden_size
        hidden = torch.randn(count, frames, width, device=device)
        with torch.no_grad():
            ratios = bench.ratios(
                {key: lambda s=some, h=hidden: through(s, h) for key, some in layers.items()}
            )
        found |= labelled(f"layers forward, {label}", ratios)
        ratios = bench.ratios(
            {key: lambda s=some, h=hidden: there_and_back(s, h) for key, some in layers.items()}
        )
        found |= labelled(f"forward and backward, {label}", ratios)
    return found


def through(layers: Any, hidden: Tensor) -> Tensor:
    """Return the output of WavLM's layers, which hand on the bias of their positions."""
    bias = None
    for layer in layers:
        hidden, bias = layer(hidden, position_bias=bias)
    return hidden


def there_and_back(layers: Any, hidden: Tensor) -> None:
    """Run the layers forward and backward to their input."""
    through(layers, hidden.clone().requires_grad_(True)).sum().backward()
