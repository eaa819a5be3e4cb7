"""Loading adapters into a live model, and switching between them."""

import itertools
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from ossicle.adapters.saving import save
from ossicle.backbones import load_backbone
from ossicle.inference import AdapterBank
from speed.bench import Action, Bench, Figures, labelled
from speed.ours import adapted
from speed.theirs import peft_model


def measure(bench: Bench) -> Figures:
    """Loading a LoRA into a live HuBERT base, as a ratio to copying its tensors; switching."""
    name, device, found = bench.sizes.base, bench.device, Figures()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours", Path(folder) / "peft"
        model = adapted(name, "lora", device)
        save(model, ours)
        other = peft_model(name, device, None, freeze=True)
        other.save_pretrained(theirs)
        own = list(model.trainable().items())

        @torch.no_grad()
        def copy() -> None:
            tensors = load_file(ours / "adapter.safetensors", device=device)
            for key, parameter in own:
                parameter.copy_(tensors[key])

        bank, numbers = AdapterBank(load_backbone(name, device=device)), itertools.count()
        bank.load("first", ours)

        def load_ours() -> None:
            bank.load(f"a{next(numbers)}", ours)

        def load_peft() -> None:
            other.load_adapter(theirs, f"b{next(numbers)}")

        for resident in (0, 3 if bench.quick else 50):
            while len(bank) < resident:
                load_ours()
            while len(other.peft_config) < resident:
                load_peft()
            actions = {"raw copy": copy, "ossicle": load_ours, "peft": load_peft}
            label = "load, 50 resident" if resident else "load, the first few"
            found |= labelled(label, bench.ratios(actions, rounds=5))
            actions = switching(bank, other)
            label = f"switch, {50 if resident else 8} resident"
            found |= labelled(label, bench.ratios(actions, rounds=9))
    return found


def switching(bank: AdapterBank, other: Any) -> dict[str, Action]:
    """Return what makes another adapter act on either model."""
    names, turns = list(other.peft_config), itertools.count()

    def switch() -> None:
        other.set_adapter(names[1 + next(turns) % 3])

    def use() -> None:
        bank._model.act(("group 0",) if next(turns) % 2 else ())

    return {"peft": switch, "ossicle": use}
