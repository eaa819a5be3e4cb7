"""The frozen forward pass of several architectures."""

from typing import Final

import torch

from ossicle.backbones import load_backbone
from speed.bench import Bench, Figures, labelled
from speed.ours import forward_pass, in_precision
from speed.theirs import bare, stock

CLIPS: Final = {  # field of Sizes, durations in seconds
    "HuBERT base, 4 x 4 s": ("base", (4, 4, 4, 4)),
    "HuBERT base, 1 x 4 s": ("base", (4,)),
    "WavLM large CNN, 4 x 4 s": ("large_cnn", (4, 4, 4, 4)),
    "HuBERT of 6 layers of 256, 4 x 4 s": ("small", (4, 4, 4, 4)),
    "AST base, 1 x 10 s": ("ast", (10,)),
}
# With these, glibc keeps large blocks instead of returning them and asking for them again.
KEEP_MEMORY: Final = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296"


def measure(bench: Bench) -> Figures:
    """The frozen forward pass: transformers', ossicle's, and ossicle's without shortcuts.

    Each size runs in a process of its own: the cost of memory depends on what ran before.
    """
    found: Figures = {}
    for label in CLIPS:
        found |= labelled(label, bench.child("forward", label))
    return found


def with_kept_memory(bench: Bench) -> Figures:
    """The group `forward` again with glibc keeping its memory: how much was page faults."""
    return bench.child("forward", GLIBC_TUNABLES=KEEP_MEMORY)


def one_size(bench: Bench, label: str) -> Figures:
    """Return the ratios of one architecture and batch."""
    size, seconds = CLIPS[label]
    name, device, waves = getattr(bench.sizes, size), bench.device, bench.noise(*seconds)
    if size == "ast":
        model, values = stock(name, device), load_backbone(name).batch(waves)[0].to(device)
        theirs = torch.no_grad()(lambda: model(values))
    else:
        theirs = bare(name, waves, device)
    ours = forward_pass(name, waves, device)
    return bench.ratios(
        {
            "transformers": theirs,
            "ossicle": ours,
            "ossicle, --no-fast": forward_pass(name, waves, device, fast=False),
            "ossicle, bfloat16": in_precision(
                forward_pass(name, waves, device), device, torch.bfloat16
            ),
        }
    )
