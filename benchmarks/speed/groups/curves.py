"""How cost grows."""

import tempfile
from collections.abc import Mapping

from speed.bench import Action, Bench, Figures
from speed.ours import adapted, bank_of, our_step


def measure(bench: Bench) -> Figures:
    """Seconds as something grows, on HuBERT of 6 layers of 256; cached where it says so."""
    name, device, found = bench.sizes.small, bench.device, Figures()
    (clip,), four = bench.noise(2), bench.noise(*[2] * 4)

    def add(label: str, actions: Mapping[int, Action]) -> None:
        ratios = bench.ratios({str(size): action for size, action in actions.items()})
        found[label] = {size: ratio["seconds"] for size, ratio in ratios.items()}

    def from_waves(seconds: int) -> Action:
        return our_step(adapted(name, "lora", device), bench.noise(seconds, seconds), None)

    add("LoRA step, seconds of sound", {s: from_waves(s) for s in (1, 2, 4, 8, 16)})
    add(
        "LoRA step, layers adapted from the top, cached",
        {n: cached(bench, f"lora[{6 - n}:]", 2, 4) for n in (1, 2, 3, 4, 5, 6)},
    )
    banks = {k: bank_of(name, "lora", k, device) for k in (1, 2, 4, 8, 16, 32)}
    add(
        "members of an ensemble, one recording of 2 s",
        {k: lambda b=one: b.ensemble([clip], b.names) for k, one in banks.items()},
    )
    banks = {n: bank_of(name, "lora", n, device) for n in (1, 8, 64, 256)}
    add(
        "adapters resident, four requests of 2 s",
        {
            n: lambda b=one: b.outputs(four, [b.names[i % len(b)] for i in range(4)])
            for n, one in banks.items()
        },
    )
    add("recordings of an epoch, cached", {n: epoch(bench, n) for n in (16, 32, 64, 128)})
    return found


def cached(bench: Bench, recipe: str, count: int, seconds: int) -> Action:
    """Return a cached step; its folder is left until the process ends."""
    folder = tempfile.mkdtemp(prefix="ossicle-bench-")
    model = adapted(bench.sizes.small, recipe, bench.device)
    return our_step(model, bench.noise(*[seconds] * count), folder)


def epoch(bench: Bench, count: int) -> Action:
    """Return steps over recordings of 2 s, eight at a time, top third of layers, cached."""
    step = cached(bench, "lora[4:]", 8, 2)

    def run() -> None:
        for _ in range(count // 8):
            step()

    return run
