"""Forward passes and training steps of transformers and peft."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel

from ossicle.backbones import NAMED
from speed.bench import Action, Wave
from speed.ours import training_step
from speed.sizes import CLASSES

LORA_TARGETS = ["q_proj", "v_proj"]


def stock(name: str, device: str) -> Any:
    """Return transformers' own model as released, for one of ossicle's `config:` names."""
    short, _, query = name.removeprefix("config:").partition("?")
    family, settings = NAMED[short]
    changed = {key: int(value) for key, value in (p.split("=") for p in query.split("&") if p)}
    config = AutoConfig.for_model(family.model_type, **{**settings, **changed})
    return family.encoder(AutoModel.from_config(config)).eval().to(device)


def batch(waves: Sequence[Wave], device: str) -> Tensor:
    """Return waves of one length as a tensor: (B, N)."""
    return torch.from_numpy(np.stack(waves)).to(device)


def bare(name: str, waves: Sequence[Wave], device: str) -> Action:
    """Return transformers' forward pass without gradients."""
    model, values = stock(name, device), batch(waves, device)
    return torch.no_grad()(lambda: model(values))


def freeze_cnn(model: Any) -> None:
    """Freeze the CNN of a speech model as transformers' `freeze_feature_encoder` does.

    That method exists on models with a head only; without it, transformers' training mode asks for
    a gradient of the CNN's input.
    """
    model.feature_extractor._freeze_parameters()  # no public way on a model without a head


def peft_model(
    name: str, device: str, layers: Sequence[int] | None, *, freeze: bool, model: Any = None
) -> Any:
    """Return peft's LoRA of rank 8 at q and v on transformers' model.

    Args:
        name: Name of the model.
        device: Device to run on.
        layers: Layers to adapt; None: all.
        freeze: Also freeze the CNN with `freeze_cnn`.
        model: A model to wrap instead of a new one.
    """
    from peft import LoraConfig, get_peft_model

    model = stock(name, device) if model is None else model
    if freeze:
        freeze_cnn(model)
    config = LoraConfig(r=8, target_modules=LORA_TARGETS, layers_to_transform=layers)
    return get_peft_model(model, config)


def peft_step(
    model: Any, waves: Sequence[Wave], device: str, dtype: torch.dtype | None = None
) -> Action:
    """Return a step of a peft model in training mode, as peft's documentation shows it."""
    model.train()
    head = nn.Linear(model.config.hidden_size, CLASSES, device=device)
    values = batch(waves, device)
    parameters = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())

    def outputs() -> Tensor:
        logits: Tensor = head(model(input_values=values).last_hidden_state.mean(dim=1))
        return logits

    return training_step(outputs, parameters, dtype)


def peft_bank(name: str, layers: Sequence[int] | None, count: int, device: str) -> Any:
    """Return peft's model with several adapters."""
    from peft import LoraConfig

    model = peft_model(name, device, layers, freeze=True)
    config = LoraConfig(r=8, target_modules=LORA_TARGETS, layers_to_transform=layers)
    for number in range(count):
        model.add_adapter(f"a{number}", config)
    return model.eval()


def plain_step(
    name: str, waves: Sequence[Wave], device: str, *, states: bool, freeze: bool, full: bool = False
) -> Action:
    """Return a step on transformers' model with every parameter frozen in a loop, or none.

    Args:
        name: Name of the model.
        waves: Waveforms of equal length.
        device: Device to run on.
        states: Use a weighted sum of all hidden states, with trainable weights, not the last one.
        freeze: Call `freeze_cnn`.
        full: Train every other parameter.
    """
    model = stock(name, device).train()
    for parameter in model.parameters():
        parameter.requires_grad_(full)
    if freeze:
        freeze_cnn(model)
    head = nn.Linear(model.config.hidden_size, CLASSES, device=device)
    weights = nn.Parameter(torch.zeros(model.config.num_hidden_layers + 1, device=device))
    values = batch(waves, device)

    def outputs() -> Tensor:
        found = model(input_values=values, output_hidden_states=states)
        hidden = found.last_hidden_state
        if states:
            stacked = torch.stack(found.hidden_states)  # LayerDrop, as released, leaves some out
            shares = weights[: len(stacked)].softmax(0)
            hidden = (shares[:, None, None, None] * stacked).sum(dim=0)
        logits: Tensor = head(hidden.mean(dim=1))
        return logits

    trained = [p for p in model.parameters() if p.requires_grad] + list(head.parameters())
    return training_step(outputs, [*trained, weights] if states else trained, None)
