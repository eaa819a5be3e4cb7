"""AST on short clips, and its filter bank."""

from ossicle.backbones import load_backbone
from speed.bench import Bench, Figures, labelled
from speed.ours import forward_pass
from speed.sizes import RATE, with_option


def measure(bench: Bench) -> Figures:
    """AST base on a clip at its own length, as a ratio to the clip padded to 1024 mel frames."""
    name, device = bench.sizes.ast, bench.device
    found: Figures = {}
    for seconds in (5, 1):
        waves = bench.noise(seconds)
        actions = {
            "padded": forward_pass(name, waves, device),
            "own length": forward_pass(with_option(name, "length=own"), waves, device),
        }
        found |= labelled(f"{seconds} s", bench.ratios(actions))
    backbone = load_backbone(name)
    (wave,) = bench.noise(10)
    ratios = bench.ratios(
        {
            "transformers": lambda: backbone.extractor(
                wave, sampling_rate=RATE, return_tensors="np"
            ),
            "ossicle": lambda: backbone.row(wave),
        }
    )
    return found | labelled("filter bank of 10 s", ratios)
