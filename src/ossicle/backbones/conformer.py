"""Sites of conformer layers: two half-step feed-forward blocks around attention and convolution.

    x = x + 1/2 ffn1(norm.ffn1(x));  x = x + attn(norm.attn(x));  x = x + conv(x)
    out = norm.layer(x + 1/2 ffn(norm.ffn(x)))

`ffn` is the second block, so that recipes for other families also fit conformers; the output of an
adapter at `ffn1` or `ffn` is halved with that of the block. A layer cannot lengthen its input,
because positions are computed once for all layers.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from ossicle.anatomy import Site, layer_sites


def conformer_sites(config: Any, layer: int, eps: float) -> list[Site]:
    """Return the sites of one layer whose LayerNorms have epsilon `eps`."""
    top = f"encoder.layers.{layer}"
    blocks = {"ffn1": f"{top}.ffn1", "ffn": f"{top}.ffn2"}
    modules = {
        **{f"attn.{short}": f"{top}.self_attn.linear_{short}" for short in "qkv"},
        "attn.o": f"{top}.self_attn.linear_out",
        "attn": f"{top}.self_attn",
        "conv": f"{top}.conv_module",
        **{f"{name}.in": f"{path}.intermediate_dense" for name, path in blocks.items()},
        **{f"{name}.out": f"{path}.output_dense" for name, path in blocks.items()},
        **blocks,
        "norm.attn": f"{top}.self_attn_layer_norm",
        "norm.conv": f"{top}.conv_module.layer_norm",
        "norm.ffn1": f"{top}.ffn1_layer_norm",
        "norm.ffn": f"{top}.ffn2_layer_norm",
        "norm.layer": f"{top}.final_layer_norm",
        "layer": top,
    }
    widths = config.hidden_size, config.intermediate_size
    return layer_sites(layer, modules, widths, eps, can_grow=False)


def positions(model: Any, hidden: Float[Tensor, "B T D"]) -> dict[str, Any]:
    """Return the relative positions for all layers, which depend on the length only."""
    embed = model.encoder.embed_positions
    return {"relative_position_embeddings": None if embed is None else embed(hidden)}
