"""The cache on disk."""

import tempfile
import time
from pathlib import Path

import numpy as np

from ossicle.backbones import load_backbone
from ossicle.frozen.cache import StateCache
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import states_bytes
from speed.bench import Bench, Figures, spread
from speed.ours import adapted
from speed.sizes import RATE

HOUR = [10 * RATE] * 360  # samples of each recording
CUTS = (
    ("input of layer 0", "lora"),
    ("output of layer 7", "lora[8:]"),
    ("all states", "l-adapter"),
    ("pooled states", "weighted-sum"),
)


def measure(bench: Bench) -> Figures:
    """Size of the cache for an hour of sound, and its speed of reading and writing."""
    backbone, found = load_backbone(bench.sizes.base), Figures()
    for label, recipe in CUTS:
        cut = find_cut(adapted(bench.sizes.base, recipe, "cpu"))
        found[f"{label}: MB an hour in float16"] = states_bytes(backbone, cut, HOUR) / 2 / 1e6
    return found | rates(bench)


def rates(bench: Bench) -> Figures:
    """Return gigabytes a second of writing and reading states of 10 s."""
    states = np.random.default_rng(0).normal(size=(1, 499, 768)).astype(np.float16)
    count = 5 if bench.quick else 200
    found: dict[str, list[float]] = {"write": [], "read": []}
    with tempfile.TemporaryDirectory() as folder:
        cache = StateCache(Path(folder), 10**12, {}, {})
        for _ in range(bench.rounds):
            begun = time.perf_counter()
            for number in range(count):
                cache.put(f"{number:032}", states, 1)
            middle = time.perf_counter()
            for number in range(count):
                cache.get(f"{number:032}")
            found["write"].append(count * states.nbytes / 1e9 / (middle - begun))
            found["read"].append(count * states.nbytes / 1e9 / (time.perf_counter() - middle))
    return {f"{what}: GB a second, warm": spread(values) for what, values in found.items()}
