"""A loaded backbone: a frozen model with its sites and feature extractor."""

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ossicle.anatomy import FEATURES, VALUES, Port, Site
from ossicle.backbones.attention import ATTENTION, ForwardState, HookPoint, checkpoint_contexts
from ossicle.backbones.checkpoint import save_whole
from ossicle.backbones.decoder import Decoder
from ossicle.backbones.family import Encoded, Family, PartialForward
from ossicle.backbones.headed import save_headed
from ossicle.backbones.source import Source
from ossicle.backbones.tokens import Tokens
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.files import FileState
from ossicle.head_form import HeadForm, OutputKind
from ossicle.writing import Writing

BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)

FINGERPRINT_VALUES = 64
# Sites that are younger than the runs whose backbones must still be recognised.
NOT_HASHED = ("norm.projection", "projection.linear")


class Backbone(nn.Module):
    """A frozen transformers model, prepared for adapters.

    Attributes:
        name: Name it was loaded by: a shipped name, hub id, folder, or `config:<name>`.
        family: Its model family.
        model: The transformers model.
        anatomy: Its sites.
        stochastic: Whether dropout and SpecAugment of the backbone are active in training.
        fingerprint: Short hash of the weights as loaded, to tell checkpoints apart; empty on the
            meta device.
        weight_files: State of its weight files before they were read; empty for random weights, and
            where one could not be looked at.
        decoder: Its text decoder; None if it has none, or was loaded without it.
        adapted: Whether an AdaptedModel has attached adapters to it.
        state: The state of its forward passes.
    """

    def __init__(
        self,
        name: str,
        family: Family,
        model: Any,
        extractor: Any,
        *,
        decoder: Decoder | None = None,
        stochastic: bool = False,
    ) -> None:
        super().__init__()
        self.name = name
        self.family = family
        self.model = model
        self.extractor = extractor
        self.decoder = decoder
        self.stochastic = stochastic
        self.weight_files: tuple[FileState, ...] = ()
        self.adapted = False
        self.anatomy = family.describe(model.config)
        self.forward_state = ForwardState()
        self._prepare()
        self.requires_grad_(requires_grad=False)
        self.eval()
        counted_only = any(parameter.is_meta for parameter in self.parameters())
        self.fingerprint = "" if counted_only else self._fingerprint()

    @property
    def tokens(self) -> Tokens | None:
        """The tokenizer of its text decoder; None without one."""
        return None if self.decoder is None else self.decoder.tokens

    @property
    def sample_rate(self) -> int:
        """Sample rate of the model input, in Hz."""
        rate: int = self.extractor.sampling_rate
        return rate

    @property
    def min_samples(self) -> int:
        """Samples of the shortest wave that gives a frame."""
        return self.family.min_samples(self.model.config, self.extractor)

    @property
    def max_samples(self) -> int | None:
        """Samples of the longest wave that the model reads whole; None: no limit."""
        return self.family.max_samples(self.model.config, self.extractor)

    def num_frames(self, num_samples: int) -> int:
        """Return the number of real frames of a wave of that length."""
        return self.family.num_frames(self.model.config, self.extractor, num_samples)

    @property
    def frame_rate(self) -> float:
        """Frames per second; 0 if every wave has the same number of frames."""
        return self.family.frame_rate(self.model.config, self.extractor)

    def values(self, wave: NDArray[np.float32]) -> Float[Tensor, "..."]:
        """Return the model input of one wave (N,): samples, or mel frames.

        Normalisation and mel settings are those of the checkpoint's feature extractor.
        """
        return self.family.values(self.extractor, wave)[0]

    def batch(
        self, waves: Sequence[NDArray[np.float32]]
    ) -> tuple[Float[Tensor, "B ..."], Int[Tensor, " B"]]:
        """Return the model input of several waves, padded with zeros, and their lengths."""
        return self.collate([self.row(wave) for wave in waves])

    def row(self, wave: NDArray[np.float32]) -> tuple[Float[Tensor, "N ..."], int]:
        """Return the model input of one wave and how many of its entries are real."""
        return self.family.values(self.extractor, wave)

    def collate(
        self, rows: Sequence[tuple[Float[Tensor, "..."], int]]
    ) -> tuple[Float[Tensor, "B ..."], Int[Tensor, " B"]]:
        """Pad rows with zeros to one batch; return it with their lengths."""
        lengths = torch.tensor([length for _, length in rows])
        return nn.utils.rnn.pad_sequence([row for row, _ in rows], batch_first=True), lengths

    def forward(self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]) -> Encoded:
        """Return the frames of a padded batch; padding does not change a row."""
        return self.finish(PartialForward(VALUES, values, lengths))

    def advance(self, partial: PartialForward, depth: int, *, keep: bool = False) -> PartialForward:
        """Continue a forward pass up to a depth, at most that of the output.

        A forward pass that was stopped, stored and resumed gives the same result as one that was
        not.

        Args:
            partial: The forward pass so far.
            depth: Depth to stop at, see `ossicle.anatomy.site`.
            keep: Whether to keep the input of every layer.
        """
        try:
            return self._run(partial, depth, keep=keep)
        finally:
            self.forward_state.clear()

    def finish(self, partial: PartialForward) -> Encoded:
        """Finish a forward pass and return the input of the head."""
        try:
            out = self._run(partial, self.anatomy.output_depth)
            hidden = self.model.end(out.hidden)
            mask = self.forward_state.frame_mask
            if mask is None:
                mask = self.family.head_mask(self.model, hidden, partial.lengths)
            return Encoded(hidden, mask)
        finally:
            self.forward_state.clear()

    def head_mask(self, partial: PartialForward) -> Bool[Tensor, "B T"]:
        """Return the mask of frames that a head may read, for a finished forward pass."""
        if partial.frame_mask is not None:
            return partial.frame_mask
        return self.family.head_mask(self.model, partial.hidden, partial.lengths)

    def _run(self, partial: PartialForward, depth: int, *, keep: bool = False) -> PartialForward:
        family, model, state = self.family, self.model, self.forward_state
        hidden, here, layer_inputs = partial.hidden, partial.depth, list(partial.layer_inputs)
        state.frame_mask, state.layer_inputs = partial.frame_mask, partial.layer_inputs
        layers = model.get_submodule(family.layers_path)
        if here == VALUES < depth:
            hidden, here = family.features(model, hidden, partial.lengths, state), FEATURES
        if here == FEATURES < depth:
            hidden, here = family.embed(model, hidden, state), 0
        if here < min(depth, len(layers)):
            layer_kwargs = family.layer_kwargs(model, hidden, state)
            for layer in layers[here : min(depth, len(layers))]:
                if keep:
                    layer_inputs.append(hidden)
                hidden, here = family.run_layer(layer, hidden, layer_kwargs), here + 1
        if here == len(layers) < depth:
            hidden, here = family.finish(model, hidden), here + 1
        return PartialForward(here, hidden, partial.lengths, state.frame_mask, tuple(layer_inputs))

    def state_of(self, site: Site) -> ForwardState:
        """Return the state of the forward passes of the part that a site belongs to."""
        if self.decoder is None or not site.in_decoder:
            return self.forward_state
        over_frames = site.name in ("dec.cross.k", "dec.cross.v", "dec.cross.kv")
        return self.decoder.cross_state if over_frames else self.decoder.state

    def checkpoint_layers(self) -> None:
        """Turn on gradient checkpointing in every layer.

        Less memory for about a third more time. Forward passes without gradients do not change.
        """
        text = () if self.decoder is None else (self.decoder.state, self.decoder.cross_state)
        for site in (one for one in self.anatomy.sites if one.role == "layer"):
            layer: Any = self.model.get_submodule(site.owned_modules[0])
            layer.forward_states = text if site.in_decoder else (self.forward_state,)
            # A bound method on the instance: a deep copy gets one bound to the copied module.
            layer.forward = MethodType(_checkpointed, layer)

    def save(
        self, folder: Path | str, writing: Writing | None = None, source: Source | None = None
    ) -> None:
        """Save the model and its feature extractor in the hub's layout, e.g. after merging.

        The saved configuration has LayerDrop off, and SpecAugment off unless `stochastic`.

        Args:
            folder: Folder to write to.
            writing: What texts its decoder is to write with transformers' `generate`.
            source: Files of the original model, for further settings of its decoder.
        """
        if self.decoder is not None:
            how = writing or Writing()
            save_whole(self.model, self.extractor, self.decoder, Path(folder), how, source)
            return
        part = self.family.weights_prefix
        tensors = {f"{part}{name}": value for name, value in self.model.state_dict().items()}
        with quiet_transformers():
            self.model.save_pretrained(folder, state_dict=tensors)
            self.extractor.save_pretrained(folder)

    def save_with_head(self, folder: Path | str, form: HeadForm, outputs: OutputKind) -> str:
        """Save the model with a head as a class of transformers; return the `Auto...` class.

        Args:
            folder: Folder to write to.
            form: The head.
            outputs: What its outputs mean.

        Raises:
            MergeError: no class of transformers computes the same.
        """
        found = self.family.counterpart(self.model.config, form, outputs)
        save_headed(self.model, self.extractor, found, outputs, Path(folder))
        return found.auto

    def train(self, mode: bool = True) -> "Backbone":
        """Stay in evaluation mode, so that frozen parts are deterministic, unless `stochastic`."""
        super().train(mode and self.stochastic)
        self.hold_statistics()
        return self

    def hold_statistics(self) -> None:
        """Keep batch norms in evaluation mode, because running statistics are not saved."""
        for module in self.modules():
            if isinstance(module, BATCH_NORMS):
                module.eval()

    def _prepare(self) -> None:
        """Give every attention module the state and a hook point; then call `Family.prepare`."""
        # private: set_attn_implementation refuses a WavLM, with a warning
        self.model.config._attn_implementation = ATTENTION
        for site in self.anatomy.sites:
            if site.role == "attn.kv":
                assert isinstance(site.entry, Port), "keys and values have one entry"
                attention: Any = self.model.get_submodule(site.entry.module.removesuffix(".kv"))
                attention.forward_state, attention.kv = self.state_of(site), HookPoint()
        self.model.end = HookPoint()
        self.family.prepare(self.model, self.forward_state)

    def _fingerprint(self) -> str:
        """Return a hash of the first weights of every module that a site owns.

        Hashed in half precision and in the order of sites, which is fast and does not change with
        the dtype or with module names. `NOT_HASHED` keeps it what it was in earlier versions.
        """
        digest = hashlib.blake2b(digest_size=8, person=self.family.variant.encode())
        hashed = (site for site in self.anatomy.sites if site.entry and site.name not in NOT_HASHED)
        paths = (path for site in hashed for path in site.owned_modules)
        for path in dict.fromkeys(paths):
            for value in self.model.get_submodule(path).parameters(recurse=False):
                head = value.detach().flatten()[:FINGERPRINT_VALUES].cpu().half()
                digest.update(head.numpy().tobytes())
        return digest.hexdigest()


def _checkpointed(layer: Any, *args: Any, **kwargs: Any) -> Any:
    """Run the layer's own forward, with recomputation in the backward pass."""
    plain = MethodType(type(layer).forward, layer)
    if not torch.is_grad_enabled():
        return plain(*args, **kwargs)
    contexts = partial(checkpoint_contexts, layer.forward_states)
    return checkpoint(plain, *args, use_reentrant=False, context_fn=contexts, **kwargs)
