"""Profile of cached training steps, and the speed of matrix products and convolutions.

    python -W ignore benchmarks/profile_step.py

HuBERT base, 2 x 4 s, one thread: the fraction of the time of each operator, the speed of the matrix
products among them, and that of a plain product and of each convolution of transformers' CNN.
"""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from speed.bench import Bench
from speed.ours import adapted, our_step
from speed.sizes import FULL
from speed.theirs import stock

PRODUCTS = ("aten::mm", "aten::addmm")
RECIPES = ("lora", "l-adapter", "full@transformer")


def rate(action: Callable[[], Any], flops: float) -> float:
    """Return GFLOP/s of the fastest of nine calls."""
    action()
    times = []
    for _ in range(9):
        begun = time.process_time()
        action()
        times.append(time.process_time() - begun)
    return flops / min(times) / 1e9


def step(recipe: str) -> None:
    """Print the profile of one cached step."""
    with tempfile.TemporaryDirectory() as folder:
        run = our_step(adapted(FULL.base, recipe, "cpu"), Bench().noise(4, 4), folder)
        run()
        run()
        with profile(activities=[ProfilerActivity.CPU], with_flops=True) as seen:
            run()
    events = sorted(seen.key_averages(), key=lambda event: -event.self_cpu_time_total)
    total = sum(event.self_cpu_time_total for event in events)
    products = [event for event in events if event.key in PRODUCTS]
    spent, flops = (sum(getattr(e, k) for e in products) for k in ("self_cpu_time_total", "flops"))
    print(
        f"{recipe}: {total / 1e3:.0f} ms; matrix products {spent / total:.0%} of it, "
        f"{flops / 1e9:.1f} GFLOP at {flops / spent / 1e3:.0f} GFLOP/s"
    )
    for event in events[:6]:
        print(f"  {event.key:<45} {event.self_cpu_time_total / total:.0%}")


@torch.no_grad()
def rates() -> None:
    """Print the rates of a plain product and of the convolutions of the CNN on one clip of 4 s."""
    one, other = torch.randn(796, 768), torch.randn(768, 3072)
    print(f"a plain product: {rate(lambda: one @ other, 2 * 796 * 768 * 3072):.0f} GFLOP/s")
    hidden = torch.randn(1, 512, 12_799)
    for layer in stock(FULL.base, "cpu").feature_extractor.conv_layers[1:]:
        made = layer.conv(hidden)
        flops = 2 * 512 * layer.conv.kernel_size[0] * made.numel()
        found = rate(lambda conv=layer.conv, given=hidden: conv(given), flops)
        print(f"  convolution of {hidden.shape[2]} frames: {found:.0f} GFLOP/s")
        hidden = made


if __name__ == "__main__":
    torch.set_num_threads(1)
    rates()
    for name in RECIPES:
        step(name)
