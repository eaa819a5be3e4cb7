"""The vocabulary of sites: the same names for every family, one line of meaning each.

Inner sites come before those around them; hooks that share a module follow this order.
"""

from typing import Final

CNN_SITES: Final[dict[str, str]] = {
    "cnn": "one layer of the CNN over the waveform, with its norm and non-linearity (speech "
    "models); its layers are counted apart",
}

LAYER_SITES: Final[dict[str, str]] = {
    "attn.q": "query projection of the self-attention",
    "attn.k": "key projection of the self-attention",
    "attn.v": "value projection of the self-attention",
    "attn.kv": "keys and values as the attention reads them, side by side; may grow longer",
    "attn.o": "output projection of the self-attention",
    "attn": "the self-attention with its output projection, before the residual is added",
    "conv": "the convolution module with its norm, before the residual is added (conformers)",
    "ffn1.in": "first linear of the first half-step feed-forward block (conformers)",
    "ffn1.act": "between its two linears",
    "ffn1.out": "its second linear",
    "ffn1": "the first half-step feed-forward block, before it is halved (conformers)",
    "ffn.in": "first linear of the feed-forward block; in a conformer, of the second",
    "ffn.act": "between the two linears: from before to after the non-linearity",
    "ffn.out": "second linear of the feed-forward block",
    "ffn": "the feed-forward block, before the residual is added (in a conformer: and halved)",
    "norm.attn": "the LayerNorm that belongs to the attention: before it (pre-norm) or after its "
    "residual (post-norm)",
    "norm.conv": "the LayerNorm before the convolution (conformers)",
    "norm.ffn1": "the LayerNorm before the first half-step feed-forward block (conformers)",
    "norm.ffn": "the LayerNorm that belongs to the feed-forward block, likewise",
    "norm.layer": "the LayerNorm that ends a layer (conformers)",
    "layer": "the whole transformer layer",
}

OUTER_SITES: Final[dict[str, str]] = {
    "norm.input": "the LayerNorm before the first layer (post-norm speech models)",
    "norm.final": "the LayerNorm after the last layer (pre-norm models)",
    "layers": "all layers at once: what enters each of them, and what the last one leaves to the "
    "head",
    "projection": "from the CNN's channels, or the mel bands, to the width of the transformer "
    "(speech models)",
    "encoder": "the transformer: from what enters it, with the positions that are added before, "
    "to what it leaves to the head; may grow longer inside",
    "transformer": "the projection and the transformer: from what the CNN made (speech models)",
    "features": "the CNN or the patch embedding; can only be trained in place",
    "backbone": "the whole model; can only be trained in place",
}

SITE_NAMES: Final[dict[str, str]] = CNN_SITES | LAYER_SITES | OUTER_SITES
