"""Batches of clips of unequal length."""

from collections.abc import Sequence

import numpy as np
import torch

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import load_backbone
from ossicle.data import bucketed, bucketed_by_length
from ossicle.frozen.cut import find_cut, run_to_cut
from speed.bench import Bench, Figures
from speed.sizes import RATE
from speed.theirs import stock

Plan = Sequence[Sequence[int]]  # the clips of each batch


def measure(bench: Bench) -> Figures:
    """A pass over 24 clips of 1 to 10 s, most of them short, on HuBERT of 6 layers of 256."""
    rng = np.random.default_rng(0)
    seconds = np.clip(rng.lognormal(0.7, 0.6, 24), 1, 10)
    name, device = bench.sizes.small, bench.device
    waves = bench.noise(*seconds)
    sizes = [len(wave) for wave in waves]
    model, backbone = stock(name, device), load_backbone(name, device=device)
    shuffled = rng.permutation(24).reshape(-1, 8).tolist()

    @torch.no_grad()
    def theirs(plan: Plan) -> None:
        for batch in plan:
            longest = max(sizes[i] for i in batch)
            values = torch.zeros(len(batch), longest, device=device)
            for row, i in enumerate(batch):
                values[row, : sizes[i]] = torch.from_numpy(waves[i])
            lengths = torch.tensor([sizes[i] for i in batch], device=device)
            mask = (torch.arange(longest, device=device) < lengths[:, None]).long()
            model(values, attention_mask=mask)

    @torch.no_grad()
    def mine(plan: Plan) -> None:
        for batch in plan:
            backbone(*(part.to(device) for part in backbone.batch([waves[i] for i in batch])))

    cut = find_cut(AdaptedModel(backbone))
    buckets = bucketed(sizes, 8, seed=0, epoch=0)
    budget = bucketed_by_length(sizes, int(bench.duration_s(24) * RATE), seed=0, epoch=0)
    rows = [backbone.row(wave) for wave in waves]
    return bench.ratios(
        {
            "transformers, random batches of 8": lambda: theirs(shuffled),
            "transformers, buckets of like length": lambda: theirs(buckets),
            "ossicle, buckets of like length": lambda: mine(buckets),
            "ossicle, 24 s a batch": lambda: mine(budget),
            "ossicle, the frozen part as in training": lambda: run_to_cut(backbone, rows, cut),
        }
    )
