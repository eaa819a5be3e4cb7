"""Whisper with its text decoder.

    mel frames -> encoder -> frames -.
    tokens -> embeddings, positions -+-> decoder layers -> norm -> embeddings^T -> logits

A decoder layer has self-attention over the tokens so far, cross-attention over the encoder's output
and a feed-forward block, each after its norm. The output layer is the table of token embeddings.

The depth of every site of the decoder is that of the backbone output, so with adapters in the
decoder alone, the encoder is frozen and its output can be cached.

Source: Radford et al. 2022, https://arxiv.org/abs/2212.04356.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Final, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ossicle.anatomy import Anatomy, Port, Site, layer_sites, module_site, region
from ossicle.backbones.whisper import EPS, Whisper

ENCODER: Final = "encoder."


@final
class WholeWhisper(Whisper):
    """Whisper's encoder, which has the decoder as its module `decoder`."""

    has_decoder: ClassVar[bool] = True
    weights_prefix: ClassVar[str] = ""
    top_modules: ClassVar[tuple[str, ...]] = ("encoder", "decoder")

    def model_class(self, config: Any) -> Any:  # noqa: ARG002 - see Family
        """Return the class of encoder and decoder, without an output layer."""
        from transformers.models.whisper.modeling_whisper import WhisperModel

        return WhisperModel

    def own_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings, which describe the decoder too."""
        return dict(settings)

    def assemble(self, model: Any) -> Any:
        """Return the encoder, with the decoder as a module of it."""
        encoder = model.encoder
        encoder.decoder = model.decoder
        encoder.decoder.layerdrop = 0.0  # an attribute instead of the configuration
        return encoder

    def encoder(self, model: Any) -> Any:
        """Return the encoder, as `assemble` does."""
        return self.assemble(model)

    def path_inside(self, path: str) -> str | None:
        """Return the path of a module, in the encoder or in the decoder."""
        if path.startswith("decoder."):
            return path
        return path.removeprefix(ENCODER) if path.startswith(ENCODER) else None

    def path_outside(self, path: str) -> str:
        """Return the path of a module, in the encoder or in the decoder."""
        return path if path.startswith("decoder.") else f"{ENCODER}{path}"

    def head_mask(
        self,
        model: Any,  # noqa: ARG002 - see Family
        hidden: Float[Tensor, "B T D"],
        lengths: Int[Tensor, " B"],  # noqa: ARG002 - see Family
    ) -> Bool[Tensor, "B T"]:
        """Return a mask of all frames: the decoder reads those of the silence after a wave too."""
        return hidden.new_ones(hidden.shape[:2], dtype=torch.bool)

    def describe(self, config: Any) -> Anatomy:
        """Return the sites of the encoder and of the decoder."""
        anatomy = super().describe(config)
        width, depth, count = config.d_model, anatomy.output_depth, config.decoder_layers
        facts = {"max_tokens": config.max_target_positions, "causal": True}
        sites = [
            site
            for layer in range(count)
            for site in layer_sites(
                layer,
                _modules(layer),
                (width, config.decoder_ffn_dim),
                EPS,
                can_grow=False,
                depth=depth,
                **facts,
            )
        ]
        enter = Port("decoder.layers.0", "input", keyword="hidden_states")
        leave = Port("decoder.layer_norm", "output")
        owned = ("decoder.layers", "decoder.layer_norm")
        norm = ("dec.norm.final", None, "decoder.layer_norm", (width, width), depth, EPS)
        sites += [
            module_site(*norm, **facts),
            Site("decoder", None, enter, leave, width, width, depth, owned, can_grow=True, **facts),
            region("dec.embed", ("decoder.embed_tokens",), depth),
        ]
        frames = self._window_frames(config)
        every = (*anatomy.sites, *(_over_frames(site, frames) for site in sites))
        return replace(anatomy, sites=every)


def _over_frames(site: Site, frames: int) -> Site:
    """Return a site of the decoder as it is: keys and values of cross-attention are of frames."""
    if site.name not in ("dec.cross.k", "dec.cross.v", "dec.cross.kv"):
        return site
    return replace(site, causal=False, max_tokens=frames)


def _modules(layer: int) -> dict[str, str | tuple[str, str]]:
    top = f"decoder.layers.{layer}"
    attention = {"dec.attn": f"{top}.self_attn", "dec.cross": f"{top}.encoder_attn"}
    return {
        **{f"{name}.{q}": f"{path}.{q}_proj" for name, path in attention.items() for q in "qkv"},
        **{f"{name}.o": f"{path}.out_proj" for name, path in attention.items()},
        **attention,
        "dec.ffn.in": f"{top}.fc1",
        "dec.ffn.out": f"{top}.fc2",
        "dec.ffn": (f"{top}.fc1", f"{top}.fc2"),
        "dec.norm.attn": f"{top}.self_attn_layer_norm",
        "dec.norm.cross": f"{top}.encoder_attn_layer_norm",
        "dec.norm.ffn": f"{top}.final_layer_norm",
        "dec.layer": top,
    }
