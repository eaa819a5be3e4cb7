"""Count the LoRA tensors that receive a gradient, in ossicle and in peft, on the same model.

    python benchmarks/gradients.py --backbone config:wavlm-base

`up` starts at zero and hides the gradient of `down`, so every tensor is first filled with noise.
"""

import argparse
from collections.abc import Iterable

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from ossicle.adapters.check import attach
from ossicle.backbones import load_backbone
from ossicle.backbones.families import NAMED
from ossicle.recipes.recipe import Recipe


def with_gradient(output: torch.Tensor, tensors: Iterable[nn.Parameter]) -> str:
    """Return how many of the tensors receive a gradient that is not zero."""
    tensors = list(tensors)
    gradients = torch.autograd.grad(output.square().sum(), tensors, allow_unused=True)
    reached = sum(gradient is not None and bool(gradient.any()) for gradient in gradients)
    return f"{reached} of {len(tensors)} tensors receive a gradient"


def shake(tensors: Iterable[nn.Parameter]) -> None:
    """Fill the tensors with noise."""
    with torch.no_grad():
        for tensor in tensors:
            tensor.normal_(std=0.1)


def main() -> None:
    """Attach both, one after the other, and print what each reaches."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--backbone", default="config:wavlm-base", help=f"config: {', '.join(NAMED)}"
    )
    options = parser.parse_args()
    torch.manual_seed(0)
    wave = np.random.default_rng(0).standard_normal(16000, dtype=np.float32) * 0.1

    model = attach(load_backbone(options.backbone), Recipe.parse("lora"))
    tensors = list(model.trainable().values())
    shake(tensors)
    hidden = model.encode(*model.backbone.batch([wave])).hidden
    print(f"ossicle  {with_gradient(hidden, tensors)}")

    backbone = load_backbone(options.backbone)
    stock = type(backbone.model)(backbone.model.config)  # unprepared, as transformers makes it
    theirs = get_peft_model(stock, LoraConfig(r=8, target_modules=["q_proj", "v_proj"])).eval()
    tensors = [p for p in theirs.parameters() if p.requires_grad]
    shake(tensors)
    hidden = theirs(input_values=backbone.batch([wave])[0]).last_hidden_state
    if not hidden.requires_grad:
        print(f"peft     0 of {len(tensors)} tensors receive a gradient")
    else:
        print(f"peft     {with_gradient(hidden, tensors)}")


if __name__ == "__main__":
    main()
