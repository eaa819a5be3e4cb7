"""Sets of presets that a publication compares, by name. Text only, as the presets."""

from collections.abc import Sequence
from typing import Final

from ossicle.recipes.presets import PRESETS


def _ast(*names: str) -> tuple[str, ...]:
    return tuple(f"ast/{name}" for name in names)


SETS: Final[dict[str, tuple[str, ...]]] = {
    "ast/table-1": (
        *_ast("full", "linear", "bitfit", "spt-300", "dpt-25", "prefix-24"),
        *_ast("pf-par", "pf-seq", "hou-par", "hou-seq"),
        *_ast("convpass-pf-par", "convpass-pf-seq", "convpass-hou-par", "convpass-hou-seq"),
        *_ast("lora-qv"),
    ),
    "ast/table-2": _ast("dpt-25", "lora-qv", "pf-par", "convpass-pf-par"),
    "ast/table-3": (
        *_ast("ffn-after", "ffn-seq-before", "ffn-par-before"),
        *_ast("mhsa-after", "mhsa-seq-before", "mhsa-par-before"),
    ),
    "ast/table-4": _ast("lora-q", "lora-qk", "lora-qv", "lora-qkvo"),
    "ast/table-5": (
        *_ast("pf-seq", "pf-par", "pf-seq-x2", "pf-par-x2"),
        *_ast("hou-seq", "hou-par", "hou-mixed", "hydra-ffn"),
    ),
    "ast/table-6": _ast("lora-x2", "adapter+lora", "adapter+dpt-25", "adapter+dpt-14+lora"),
    "ast/table-7": _ast("ffn-after", "seq-no-residual", "ffn-par-before", "par-residual"),
    "elp/parts": ("elp/elp", "elp/le", "elp/lp", "elp/ep", "elp/l", "elp/e"),
    "ser/all": tuple(name for name in PRESETS if name.startswith("ser/")),
}


def expand_sets(recipes: Sequence[str]) -> tuple[str, ...]:
    """Return the recipes with each name of a set replaced by the presets of the set."""
    return tuple(one for name in recipes for one in SETS.get(name.strip(), (name.strip(),)))
