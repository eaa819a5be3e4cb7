"""Several adapters in one call."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from speed.bench import Action, Bench, Figures, labelled
from speed.ours import adapted, bank_of, forward_pass
from speed.theirs import bare, batch, peft_bank


def measure(bench: Bench) -> Figures:
    """Five adapters on one recording, and eight requests to eight adapters: LoRA on HuBERT."""
    found: Figures = {}
    for size, name, depth in (
        ("base", bench.sizes.base, 12),
        ("6 layers of 256", bench.sizes.small, 6),
    ):
        top = depth - depth // 3
        for label, recipe, layers in (
            ("all layers", "lora", None),
            ("top third", f"lora[{top}:]", list(range(top, depth))),
        ):
            actions = five(bench, name, recipe, layers)
            found |= labelled(f"five, {label}, {size}", bench.ratios(actions))
        found |= labelled(f"eight requests, {size}", bench.ratios(eight(bench, name)))
    return found | labelled("unmerged, base, 2 x 4 s", unmerged(bench))


def one_by_one(model: Any, rows: Sequence[Tensor]) -> Action:
    """Return peft's forward passes of one row after the other, each with the next adapter."""

    @torch.no_grad()
    def run() -> None:
        for number, row in enumerate(rows):
            model.set_adapter(f"a{number}")
            model(input_values=row)

    return run


def by_name(model: Any, values: Tensor) -> Action:
    """Return peft's forward pass of a batch that names an adapter for each row."""
    names = [f"a{number}" for number in range(len(values))]
    return torch.no_grad()(lambda: model(input_values=values, adapter_names=names))


def five(bench: Bench, name: str, recipe: str, layers: Sequence[int] | None) -> dict[str, Action]:
    """Return the actions of five adapters on one recording of 4 s."""
    device, waves = bench.device, bench.noise(4)
    values = batch(waves, device)
    ours, theirs = bank_of(name, recipe, 5, device), peft_bank(name, layers, 5, device)
    return {
        "bare forward": bare(name, waves, device),
        "peft, one after the other": one_by_one(theirs, [values] * 5),
        "peft, adapter_names": by_name(theirs, values.expand(5, -1)),
        "ossicle": lambda: ours.ensemble(waves, ours.names),
    }


def eight(bench: Bench, name: str) -> dict[str, Action]:
    """Return the actions of eight recordings of 2 s, each for another of eight adapters."""
    device, waves = bench.device, bench.noise(*[2] * 8)
    values = batch(waves, device)
    ours, theirs = bank_of(name, "lora", 8, device), peft_bank(name, None, 8, device)
    return {
        "bare forward": bare(name, waves, device),
        "peft, one after the other": one_by_one(theirs, values.split(1)),
        "peft, adapter_names": by_name(theirs, values),
        "ossicle": lambda: ours.outputs(waves, ours.names),
    }


def unmerged(bench: Bench) -> Figures:
    """Return what one adapter that is not merged adds to a forward pass."""
    name, device, waves = bench.sizes.base, bench.device, bench.noise(4, 4)
    model = adapted(name, "lora", device).eval()
    given = tuple(part.to(device) for part in model.backbone.batch(waves))
    return bench.ratios(
        {
            "no adapter": forward_pass(name, waves, device),
            "one adapter": torch.no_grad()(lambda: model(*given)),
        }
    )
