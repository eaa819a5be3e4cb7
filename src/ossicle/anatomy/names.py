"""Names of all sites, shared by every family, with a one-line description each.

Inner sites come before the sites around them; hooks on the same module run in this order. Sites in
the layers of a text decoder begin with `dec.`.
"""

from typing import Final

CNN_SITES: Final[dict[str, str]] = {
    "cnn": "one layer of the CNN over the waveform, with its norm and activation (speech models); "
    "CNN layers have their own numbers",
}

LAYER_SITES: Final[dict[str, str]] = {
    "attn.q": "query projection of the self-attention",
    "attn.k": "key projection of the self-attention",
    "attn.v": "value projection of the self-attention",
    "attn.kv": "keys and values of the attention, concatenated; the sequence can get longer",
    "attn.o": "output projection of the self-attention",
    "attn": "the self-attention with its output projection, before the residual is added",
    "conv": "the convolution module with its norm, before the residual is added (conformers)",
    "ffn1.in": "first linear of the first half-step feed-forward block (conformers)",
    "ffn1.act": "activation of the first half-step feed-forward block (conformers)",
    "ffn1.out": "second linear of the first half-step feed-forward block (conformers)",
    "ffn1": "the first half-step feed-forward block, before it is halved (conformers)",
    "ffn.in": "first linear of the feed-forward block (conformers: of the second block)",
    "ffn.act": "activation of the feed-forward block, between its two linears",
    "ffn.out": "second linear of the feed-forward block",
    "ffn": "the feed-forward block, before the residual is added (conformers: before it is halved)",
    "norm.attn": "LayerNorm of the attention: before it (pre-norm) or after its residual "
    "(post-norm)",
    "norm.conv": "LayerNorm before the convolution module (conformers)",
    "norm.ffn1": "LayerNorm before the first half-step feed-forward block (conformers)",
    "norm.ffn": "LayerNorm of the feed-forward block: before it (pre-norm) or after its residual "
    "(post-norm)",
    "norm.layer": "LayerNorm at the end of a layer (conformers)",
    "layer": "the whole transformer layer",
}

DECODER: Final = "dec."  # begins the name of every site in a layer of the decoder

DECODER_SITES: Final[dict[str, str]] = {
    "dec.attn.q": "query projection of the decoder's self-attention",
    "dec.attn.k": "key projection of the decoder's self-attention",
    "dec.attn.v": "value projection of the decoder's self-attention",
    "dec.attn.kv": "keys and values of the decoder's self-attention, concatenated; the sequence "
    "can get longer",
    "dec.attn.o": "output projection of the decoder's self-attention",
    "dec.attn": "the decoder's self-attention with its output projection, before the residual is "
    "added",
    "dec.cross.q": "query projection of the cross-attention, over decoder tokens",
    "dec.cross.k": "key projection of the cross-attention, over encoder frames",
    "dec.cross.v": "value projection of the cross-attention, over encoder frames",
    "dec.cross.kv": "keys and values of the cross-attention, concatenated; the sequence can get "
    "longer",
    "dec.cross.o": "output projection of the cross-attention",
    "dec.cross": "the cross-attention with its output projection, before the residual is added",
    "dec.ffn.in": "first linear of the decoder's feed-forward block",
    "dec.ffn.act": "activation of the decoder's feed-forward block, between its two linears",
    "dec.ffn.out": "second linear of the decoder's feed-forward block",
    "dec.ffn": "the decoder's feed-forward block, before the residual is added",
    "dec.norm.attn": "LayerNorm of the decoder's self-attention",
    "dec.norm.cross": "LayerNorm of the cross-attention",
    "dec.norm.ffn": "LayerNorm of the decoder's feed-forward block",
    "dec.layer": "a whole layer of the decoder",
}

OUTER_SITES: Final[dict[str, str]] = {
    "norm.input": "LayerNorm before the first layer (post-norm speech models)",
    "norm.final": "LayerNorm after the last layer (pre-norm models)",
    "layers": "all layers together: the input of each layer and the output of the backbone",
    "norm.projection": "LayerNorm of the CNN features, or mel bands, before their projection "
    "(speech models)",
    "projection.linear": "the linear of the projection, after its LayerNorm (speech models)",
    "projection": "projection of the CNN features, or mel bands, to the width of the transformer "
    "(speech models)",
    "encoder": "all transformer layers, with the positional embedding before them; the sequence "
    "can get longer inside",
    "transformer": "the projection and all transformer layers (speech models); the sequence can "
    "get longer inside",
    "features": "the CNN or the patch embedding; can only be trained in place",
    "dec.norm.final": "LayerNorm after the last layer of the decoder",
    "dec.embed": "the token embeddings of the decoder, which are its output layer too; can only be "
    "trained in place",
    "decoder": "all layers of the decoder; the sequence can get longer inside",
    "backbone": "the whole model; can only be trained in place",
}

SITE_NAMES: Final[dict[str, str]] = CNN_SITES | LAYER_SITES | DECODER_SITES | OUTER_SITES


def is_in_decoder(name: str) -> bool:
    """Return whether a site is a part of the text decoder."""
    return name.startswith(DECODER) or name == "decoder"


def role_of(name: str) -> str:
    """Return what a site is in its layer: `attn.q` for `dec.attn.q` and for `dec.cross.q`."""
    inside = name.removeprefix(DECODER)
    first, *rest = inside.split(".")
    if first == "cross":
        return ".".join(("attn", *rest))
    return "norm.attn" if inside == "norm.cross" else inside
