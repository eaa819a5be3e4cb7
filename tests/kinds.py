"""Every family as a tiny backbone; those that come post- and pre-norm, as both."""

from typing import Any

from transformers import AutoConfig

from ossicle.backbones import FAMILIES, Backbone, random_backbone

PRE_NORM = {"do_stable_layer_norm": True, "feat_extract_norm": "layer"}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    kind: (name, changed)
    for name, family in FAMILIES.items()
    for kind, changed in ((name, {}), (f"{name}-pre-norm", PRE_NORM))
    if not changed or hasattr(AutoConfig.for_model(family.model_type), "do_stable_layer_norm")
}


def tiny_backbone(
    kind: str,
    *,
    seed: int = 0,
    weights: bool = True,
    stochastic: bool = False,
    **changed: Any,
) -> Backbone:
    """Return a random backbone of a kind, with changed settings."""
    name, form = KINDS[kind]
    configured = {**FAMILIES[name].tiny(), **form, **changed}
    return random_backbone(
        FAMILIES[name], configured, "tiny", seed=seed, weights=weights, stochastic=stochastic
    )
