"""Training steps of the common methods."""

import tempfile
from collections.abc import Mapping
from typing import Final

from speed.bench import Action, Bench, Figures
from speed.ours import adapted, our_step
from speed.theirs import bare, peft_model, peft_step, plain_step

LORA: Final = (  # label, layers for peft, recipe
    ("LoRA, all layers", None, "lora"),
    ("LoRA, top 4 of 12 layers", list(range(8, 12)), "lora[8:]"),
    ("LoRA, top layer", [11], "lora[11:]"),
)
FEATURES: Final = (("weighted sum", "weighted-sum"), ("linear probe", "linear"))


def measure(bench: Bench) -> Figures:
    """Training steps on HuBERT base, 2 x 4 s, as a ratio to transformers' bare forward pass."""
    name, waves, device = bench.sizes.base, bench.noise(4, 4), bench.device
    found: Figures = {}
    with tempfile.TemporaryDirectory() as folder:

        def both(recipe: str) -> dict[str, Action]:
            models = [adapted(name, recipe, device) for _ in range(2)]
            from_waves = our_step(models[0], waves, None)
            cached = our_step(models[1], waves, folder)
            return {"ossicle": from_waves, "ossicle, cached": cached}

        def add(label: str, variants: Mapping[str, Action]) -> None:
            ratios = bench.ratios({"bare forward": bare(name, waves, device), **variants})
            found.update({f"{label}: {k}": v for k, v in ratios.items() if k != "bare forward"})

        for label, layers, recipe in LORA:
            theirs = {
                variant: peft_step(peft_model(name, device, layers, freeze=freeze), waves, device)
                for variant, freeze in (("peft", False), ("peft, CNN frozen", True))
            }
            add(label, theirs | both(recipe))
        add("L-adapters", both("l-adapter"))
        for label, recipe in FEATURES:
            states = recipe == "weighted-sum"
            loop = plain_step(name, waves, device, states=states, freeze=False)
            add(label, {"frozen in a loop": loop, **both(recipe)})
        full = plain_step(name, waves, device, states=False, freeze=True, full=True)
        mine = our_step(adapted(name, "full@transformer", device), waves, folder)
        add("full, CNN frozen", {"transformers": full, "ossicle, cached": mine})
    return found
