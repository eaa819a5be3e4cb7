"""The parts of a speech model before its layers."""

import torch

from ossicle.backbones import fast, load_backbone
from speed.bench import Bench, Figures, labelled
from speed.theirs import batch

CLIPS = (  # label, field of Sizes, batch size, seconds
    ("base, 4 x 4 s", "base", 4, 4),
    ("base, 1 x 4 s", "base", 1, 4),
    ("large, 4 x 4 s", "large_cnn", 4, 4),
    ("large, 1 x 4 s", "large_cnn", 1, 4),
)


@torch.no_grad()
def measure(bench: Bench) -> Figures:
    """CNN and position embeddings alone, as a ratio to transformers' modules."""
    found: Figures = {}
    for label, size, count, seconds in CLIPS:
        backbone = load_backbone(getattr(bench.sizes, size))
        cnn = backbone.model.feature_extractor
        embed = backbone.model.encoder.pos_conv_embed
        waves = batch(bench.noise(*[seconds] * count), "cpu")
        frames = backbone.num_frames(waves.shape[1])
        hidden = torch.randn(count, frames, backbone.anatomy.width)
        ratios = bench.ratios(
            {
                "transformers": lambda c=cnn, w=waves: c(w),
                "ossicle": lambda c=cnn, w=waves: [fast.run_cnn(c, row) for row in w],
            }
        )
        found |= labelled(f"CNN, {label}", ratios)
        ratios = bench.ratios(
            {
                "transformers": lambda e=embed, h=hidden: e(h),
                "ossicle": lambda e=embed, h=hidden: fast.run_positions(e, h),
            }
        )
        found |= labelled(f"positions, {label}", ratios)
    return found
