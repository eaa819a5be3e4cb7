"""Memory of a process that trains."""

import os
import tempfile
from pathlib import Path

from speed.bench import Action, Bench, Figures, Wave
from speed.ours import adapted, fill_cache, open_cache, step_on_rows
from speed.theirs import bare, peft_model, peft_step

VARIANTS = (
    "bare forward",
    "peft",
    "peft, CNN frozen",
    "ossicle",
    "ossicle, cached",
    "ossicle, cached, layers checkpointed",
    "ossicle, top 4 layers, cached",
)


def measure(bench: Bench) -> Figures:
    """Peak memory of a LoRA step on HuBERT base, 4 x 4 s: a process for each variant."""
    return {variant: bench.child("memory", variant) for variant in VARIANTS}


def peak(bench: Bench, variant: str) -> Figures:
    """Return MB of this process once it has loaded a model, and at the peak of two steps."""
    name, waves, device = bench.sizes.base, bench.noise(4, 4, 4, 4), bench.device
    with tempfile.TemporaryDirectory() as folder:
        if variant == "bare forward":
            action = bare(name, waves, device)
        elif variant.startswith("peft"):
            model = peft_model(name, device, None, freeze="frozen" in variant)
            action = peft_step(model, waves, device)
        else:
            action = our_variant(variant, name, waves, folder, device)
        Path("/proc/self/clear_refs").write_text("5")  # reset the peak, which was of loading
        before = resident("VmRSS")
        action()
        action()
        return {"loaded": before, "peak": resident("VmHWM")}


def our_variant(variant: str, name: str, waves: list[Wave], folder: str, device: str) -> Action:
    """Return ossicle's step of that label."""
    model = adapted(name, "lora[8:]" if "top" in variant else "lora", device)
    if "checkpointed" in variant:
        model.backbone.checkpoint_layers()
    cache = None
    if "cached" in variant:
        if not (child := os.fork()):  # another process writes, as in an earlier epoch
            fill_cache(model, waves, folder)
            os._exit(0)
        os.waitpid(child, 0)
        cache = open_cache(model, folder)
    return step_on_rows(model, [model.backbone.row(wave) for wave in waves], cache)


def resident(field: str) -> float:
    """Return the memory of this process in MB: VmRSS now, VmHWM at its peak.

    `ru_maxrss` is unsuitable: it begins with the memory of the process that started this one.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    (kilobytes,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(kilobytes) / 1024
