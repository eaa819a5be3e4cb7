"""The frozen part of a run: computed for every recording, and where it pays only once.

With `--cache auto` it is kept where all of this holds:

    there is more than one epoch
    training recordings are not augmented: a changed wave has states of its own
    something that costs time is frozen: a CNN, or a layer
    all states in float32 take at most half of the free disk, and no more than the cache may hold

Pieces that are cropped at random are never kept.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final

import numpy as np
import soundfile
import torch
from torch import Tensor

from ossicle import __version__
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import Slot
from ossicle.anatomy import FEATURES, VALUES
from ossicle.backbones import Backbone, Encoded, PartialForward
from ossicle.data import Utterance
from ossicle.errors import RunError, did_you_mean
from ossicle.frozen.cache import (
    GB,
    StateCache,
    as_numbers,
    cache_folder,
    cache_limit,
    digest,
    free_bytes,
)
from ossicle.frozen.cut import (
    Cut,
    Row,
    advance_to_cut,
    find_cut,
    frozen_below,
    run_from_cut,
    run_to_cut,
    runs_in_batches,
)
from ossicle.heads import Outputs

CACHES: Final = ("auto", "off", "float32", "float16")
PROBE_S: Final = 1.0


@dataclass(slots=True)
class Example:
    """One row of a batch: its model input, or its states at the cut where they are cached.

    Attributes:
        row: The model input; None where the states are known.
        states: The states at the cut; None where they are not computed yet.
        length: Real entries of the model input.
        key: The key of the states in the cache; None: they are not kept.
    """

    row: Row | None
    states: Tensor | None
    length: int
    key: str | None


@dataclass
class FrozenPart:
    """What is frozen below a cut, and where its results are kept.

    Attributes:
        cut: Where it ends.
        store: Where the states of recordings are kept; None: they are computed each time.
        numbers: float32 or float16: how they are kept.
        contents: A hash of each recording's sound, by key.
        why: Why they are kept, or why not.
        computed: Rows that passed through the frozen part.
        read: Rows that did not have to.
        finish: What runs above the cut, where it is compiled.
    """

    cut: Cut
    store: StateCache | None = None
    numbers: str = "float32"
    contents: Mapping[str, str] = field(default_factory=dict)
    why: str = "nothing was said about a cache"
    computed: int = 0
    read: int = 0
    finish: Callable[[PartialForward], Encoded] | None = None

    def find(
        self, utterance: Utterance, span: tuple[int, int]
    ) -> tuple[str | None, Example | None]:
        """Return the key of a piece, None where there is no store, and its states if they are kept.

        Args:
            utterance: The recording.
            span: First sample of the piece and one past its last.
        """
        if self.store is None or utterance.key not in self.contents:
            return None, None
        key = digest(self.contents[utterance.key], *span)
        found = self.store.get(key)
        if found is None:
            return key, None
        states, length = found
        return key, Example(None, torch.from_numpy(states).float(), length, key)

    def outputs(self, model: AdaptedModel, examples: Sequence[Example]) -> Outputs:
        """Return the outputs of a batch, as `AdaptedModel.outputs` does; keep new states."""
        new = [one for one in examples if one.states is None]
        rows = [one.row for one in new if one.row is not None]
        self.computed += len(new)
        self.read += len(examples) - len(new)
        kept = self.store is not None and any(one.key is not None for one in new)
        if len(new) == len(examples) and not kept and runs_in_batches(model.backbone):
            partial = advance_to_cut(model.backbone, rows, self.cut)
            return model.apply_head((self.finish or model.backbone.finish)(partial))
        for one, states in zip(new, run_to_cut(model.backbone, rows, self.cut), strict=True):
            one.states = self._keep(one, states)
        known = [one.states for one in examples if one.states is not None]
        lengths = [one.length for one in examples]
        return run_from_cut(model, known, lengths, self.cut, self.finish)

    def _keep(self, example: Example, states: Tensor) -> Tensor:
        """Return the states as they will be read: rounded in the first epoch as in the others."""
        if self.store is None or example.key is None:
            return states
        kept = as_numbers(states.cpu().numpy(), self.numbers)
        self.store.put(example.key, kept, example.length)
        return torch.from_numpy(kept).float().to(states.device)

    def to_dict(self, backbone: Backbone) -> dict[str, Any]:
        """Return what happened, for the metrics of a run."""
        about = {
            "cut": self.cut.describe(backbone),
            "kept": self.numbers if self.store else None,
            "why": self.why,
            "computed": self.computed,
            "read": self.read,
        }
        if self.store is not None and self.store.damaged:
            about["damaged"] = self.store.damaged
        if self.store is not None and self.store.fault:
            about["fault"] = self.store.fault
        return about


def check_cache(cache: str) -> None:
    """Raise unless the setting is known.

    Raises:
        RunError: it is not.
    """
    if cache not in CACHES:
        raise RunError(f"cache is '{cache}'; use {', '.join(CACHES)}.{did_you_mean(cache, CACHES)}")


def open_frozen_part(
    model: AdaptedModel,
    sizes: Sequence[int],
    contents: Mapping[str, str],
    *,
    cache: str,
    epochs: int,
    augmented: bool,
    precision: str,
) -> FrozenPart:
    """Return the frozen part of the active sets, with a store where `cache` asks for it or it pays.

    Args:
        model: Before any training.
        sizes: Samples of every recording.
        contents: A hash of each recording's sound, by key.
        cache: `auto`, `off`, `float32` or `float16`.
        epochs: Of the run.
        augmented: Whether training waves are changed.
        precision: In which the forward pass computes.

    Raises:
        RunError: the setting is unknown, or a cache was asked for and cannot be written to.
    """
    check_cache(cache)
    cut, backbone = find_cut(model), model.backbone
    if cache == "off":
        return FrozenPart(cut, why="--cache off")
    if augmented:
        return FrozenPart(cut, why="--augment changes the waves, so nothing stays the same")
    numbers = "float32" if cache == "auto" else cache
    if cache == "auto":
        against = _against(backbone, cut, sizes, epochs)
        if against:
            return FrozenPart(cut, why=against)
    facts = {
        "weights": weights_digest(backbone),
        "depth": cut.depth,
        "keep": cut.keep,
        "summary": cut.summary,
        "numbers": numbers,
        "computed in": precision,
        "device": next(backbone.parameters()).device.type,
        "fast": backbone.forward_state.fast,
        "sample_rate": backbone.sample_rate,
        "decoding": f"libsndfile {soundfile.__libsndfile_version__}, "
        f"soxr {metadata.version('soxr')}",
        "versions": f"ossicle {__version__}, torch {torch.__version__}, "
        f"transformers {metadata.version('transformers')}",
    }
    if adapters := frozen_below(model, cut):
        facts["adapters"] = adapters_digest(adapters)
    try:
        about = {"backbone": backbone.name, "cut": cut.describe(backbone)}
        store = StateCache(cache_folder(), cache_limit(), facts, about)
    except RunError as error:
        if cache != "auto":
            raise
        return FrozenPart(cut, why=str(error))
    why = "it pays" if cache == "auto" else f"--cache {cache}"
    return FrozenPart(cut, store, numbers, contents, why)


def _against(backbone: Backbone, cut: Cut, sizes: Sequence[int], epochs: int) -> str | None:
    """Return why a cache would not pay; None: it would."""
    if epochs < 2:
        return "one epoch reads every recording once"
    has_cnn = "cnn" in backbone.anatomy.site_names
    if cut.depth == VALUES or (cut.depth == FEATURES and not has_cnn):
        return "nothing that costs time is frozen"
    needed, half_free = states_bytes(backbone, cut, sizes), free_bytes(cache_folder()) // 2
    for most, what in ((cache_limit(), "the cache may hold"), (half_free, "half of the disk is")):
        if needed > most:
            half = "; --cache float16 would fit" if needed <= 2 * most else ""
            return f"it would take {needed / GB:.1f} GB, and {what} {most / GB:.1f} GB{half}"
    return None


def states_bytes(backbone: Backbone, cut: Cut, sizes: Sequence[int]) -> int:
    """Return the bytes that the states of recordings take in float32, from those of some noise."""
    probe = max(int(PROBE_S * backbone.sample_rate), backbone.min_samples)
    wave = np.random.default_rng(0).normal(0, 0.1, probe).astype(np.float32)
    (states,) = run_to_cut(backbone, [backbone.row(wave)], cut)
    of_one = states.numel() * states.element_size()
    if cut.summary or states.shape[1] != backbone.num_frames(probe):  # as many for every piece
        return of_one * len(sizes)
    frames = sum(backbone.num_frames(size) for size in sizes)
    return of_one * frames // backbone.num_frames(probe)


def adapters_digest(slots: Sequence[Slot]) -> str:
    """Return a hash of frozen adapters: what they are, where, and all their tensors."""
    hashed = hashlib.blake2b(digest_size=16)
    for slot in slots:
        hashed.update(f"{slot.key} {slot.placement} {slot.reads}".encode())
        tensors = slot.adapter.state_dict() if slot.adapter is not None else {}
        if slot.gate is not None:
            tensors |= {"gate": slot.gate.logits}
        for name, tensor in tensors.items():
            hashed.update(f"{name} {tuple(tensor.shape)}".encode())
            hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return hashed.hexdigest()


def weights_digest(backbone: Backbone) -> str:
    """Return a hash of all weights and of all settings of the model and its feature extractor."""
    hashed = hashlib.blake2b(digest_size=16, person=backbone.family.variant.encode())
    for name, tensor in backbone.model.state_dict().items():
        hashed.update(f"{name} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    for settings in (backbone.model.config, backbone.extractor):
        hashed.update(settings.to_json_string().encode())
    return hashed.hexdigest()
