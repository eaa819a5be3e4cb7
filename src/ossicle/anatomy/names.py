"""The vocabulary of sites: the same names for every family, one line of meaning each."""

from typing import Final

LAYER_SITES: Final[dict[str, str]] = {
    "attn.q": "query projection of the self-attention",
    "attn.k": "key projection of the self-attention",
    "attn.v": "value projection of the self-attention",
    "attn.o": "output projection of the self-attention",
    "attn": "the self-attention with its output projection, before the residual is added",
    "ffn.in": "first linear of the feed-forward block",
    "ffn.act": "between the two linears: from before to after the non-linearity",
    "ffn.out": "second linear of the feed-forward block",
    "ffn": "the feed-forward block, before the residual is added",
    "norm.attn": "the LayerNorm that belongs to the attention: before it (pre-norm) or after its "
    "residual (post-norm)",
    "norm.ffn": "the LayerNorm that belongs to the feed-forward block, likewise",
    "layer": "the whole transformer layer",
}

OUTER_SITES: Final[dict[str, str]] = {
    "norm.input": "the LayerNorm before the first layer (post-norm speech models)",
    "norm.final": "the LayerNorm after the last layer (pre-norm models)",
    "projection": "from the CNN's channels to the width of the transformer (speech models)",
    "features": "the CNN or the patch embedding; can only be trained in place",
    "encoder": "the transformer with what stands before its first layer; only in place",
    "backbone": "the whole model; can only be trained in place",
}

SITE_NAMES: Final[dict[str, str]] = LAYER_SITES | OUTER_SITES
