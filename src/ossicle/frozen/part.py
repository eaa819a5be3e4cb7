"""The frozen part of a run: computed once per recording if its outputs are cached.

With `--cache auto` they are cached if all of this holds:

    there is more than one epoch
    training recordings are not augmented: each changed waveform would need states of its own
    the frozen part costs time: it contains a CNN or a layer
    the states of all recordings in float32 take at most half of the free disk space, and at most
    the size limit of the cache

Random crops are never cached.
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
from ossicle.adapters.slots import Slot, in_place_tensors
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
    encode_from_cut,
    find_cut,
    frozen_below,
    run_to_cut,
    runs_in_batches,
)
from ossicle.frozen.weights import weights_digest
from ossicle.heads import Outputs
from ossicle.writing import Text

CACHES: Final = ("auto", "off", "float32", "float16")
PROBE_S: Final = 1.0
NO_TEXT: Final = Text()


@dataclass(slots=True)
class BatchRow:
    """One row of a batch: its model input, or its states at the cut if they are cached.

    Attributes:
        model_input: The input with its number of real entries; None if the states are cached.
        states: The states at the cut; None if they are not computed yet.
        length: Real entries of the model input.
        key: The key of the states in the cache; None: they are not kept.
        text: What is written about it, for a head that runs a text decoder.
    """

    model_input: Row | None
    states: Tensor | None
    length: int
    key: str | None
    text: Text = NO_TEXT

    @classmethod
    def of(cls, model_input: Row, key: str | None = None, text: Text = NO_TEXT) -> "BatchRow":
        """Return a row whose states are not computed yet."""
        return cls(model_input, None, model_input[1], key, text)


def text_of(utterance: Utterance) -> Text:
    """Return what is written about an utterance."""
    return Text(utterance.label, utterance.prompt)


@dataclass
class FrozenPart:
    """The part of the model below a cut, with the cache of its outputs.

    Attributes:
        cut: The end of the frozen part.
        cache: The cache of its outputs; None: they are computed every time.
        numbers: Number format in the cache: float32 or float16.
        contents: A hash of each recording's sound, by key.
        why: The reason for caching, or for not caching.
        computed: Rows that were computed.
        read: Rows that were read from the cache.
        finish: The compiled rest of the forward pass; None: not compiled.
    """

    cut: Cut
    cache: StateCache | None = None
    numbers: str = "float32"
    contents: Mapping[str, str] = field(default_factory=dict)
    why: str = "no cache was requested"
    computed: int = 0
    read: int = 0
    finish: Callable[[PartialForward], Encoded] | None = None

    def find(
        self, utterance: Utterance, span: tuple[int, int]
    ) -> tuple[str | None, BatchRow | None]:
        """Return the key of a piece, None without a cache, and its states if they are cached.

        Args:
            utterance: The recording.
            span: First sample of the piece, and one past its last.
        """
        if self.cache is None or utterance.key not in self.contents:
            return None, None
        key = digest(self.contents[utterance.key], *span)
        found = self.cache.get(key)
        if found is None:
            return key, None
        states, length = found
        row = BatchRow(None, torch.from_numpy(states).float(), length, key, text_of(utterance))
        return key, row

    def outputs(self, model: AdaptedModel, rows: Sequence[BatchRow]) -> Outputs:
        """Return the outputs of a batch as `AdaptedModel.outputs` does; cache new states."""
        return model.apply_head(self.encoded(model, rows), [row.text for row in rows])

    def encoded(self, model: AdaptedModel, rows: Sequence[BatchRow]) -> Encoded:
        """Return the frames that the head reads for a batch; cache new states."""
        new = [row for row in rows if row.states is None]
        inputs = [row.model_input for row in new if row.model_input is not None]
        self.computed += len(new)
        self.read += len(rows) - len(new)
        kept = self.cache is not None and any(row.key is not None for row in new)
        if len(new) == len(rows) and not kept and runs_in_batches(model.backbone):
            partial = advance_to_cut(model.backbone, inputs, self.cut)
            return (self.finish or model.backbone.finish)(partial)
        for row, states in zip(new, run_to_cut(model.backbone, inputs, self.cut), strict=True):
            row.states = self._keep(row, states)
        known = [row.states for row in rows if row.states is not None]
        lengths = [row.length for row in rows]
        return encode_from_cut(model.backbone, known, lengths, self.cut, self.finish)

    def _keep(self, row: BatchRow, states: Tensor) -> Tensor:
        """Cache the states and return them as they will be read, so that all epochs are equal."""
        if self.cache is None or row.key is None:
            return states
        kept = as_numbers(states.cpu().numpy(), self.numbers)
        self.cache.put(row.key, kept, row.length)
        return torch.from_numpy(kept).float().to(states.device)

    def to_dict(self, backbone: Backbone) -> dict[str, Any]:
        """Return the use of the cache, for the metrics of a run."""
        about = {
            "cut": self.cut.describe(backbone),
            "kept": self.numbers if self.cache else None,
            "why": self.why,
            "computed": self.computed,
            "read": self.read,
        }
        if self.cache is not None and self.cache.damaged:
            about["damaged"] = self.cache.damaged
        if self.cache is not None and self.cache.fault:
            about["fault"] = self.cache.fault
        return about


def check_cache(cache: str) -> None:
    """Raise RunError unless the setting is one of `CACHES`."""
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
    weights: str | None = None,
) -> FrozenPart:
    """Return the frozen part of the active sets, with a cache if requested or if it saves time.

    Args:
        model: The model before training.
        sizes: Samples of every recording.
        contents: A hash of each recording's sound, by key.
        cache: `auto`, `off`, `float32` or `float16`.
        epochs: Number of epochs.
        augmented: Whether training recordings are augmented.
        precision: Number format of the forward pass.
        weights: `weights_digest` of the backbone; None: it is computed if it is needed.

    Raises:
        RunError: the setting is unknown, or a requested cache cannot be written.
    """
    check_cache(cache)
    cut, backbone = find_cut(model), model.backbone
    if cache == "off":
        return FrozenPart(cut, why="--cache off")
    if augmented:
        return FrozenPart(cut, why="--augment changes the waveforms from epoch to epoch")
    numbers = "float32" if cache == "auto" else cache
    if cache == "auto" and (reason := _reason_not_to_cache(backbone, cut, sizes, epochs)):
        return FrozenPart(cut, why=reason)
    facts = {
        "weights": weights or weights_digest(backbone),
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
        facts["adapters"] = adapters_digest(adapters, backbone)
    try:
        about = {"backbone": backbone.name, "cut": cut.describe(backbone)}
        states = StateCache(cache_folder(), cache_limit(), facts, about)
    except RunError as error:
        if cache != "auto":
            raise
        return FrozenPart(cut, why=str(error))
    why = "it saves time" if cache == "auto" else f"--cache {cache}"
    return FrozenPart(cut, states, numbers, contents, why)


def _reason_not_to_cache(
    backbone: Backbone, cut: Cut, sizes: Sequence[int], epochs: int
) -> str | None:
    """Return why a cache would save no time or does not fit; None: it saves time and fits."""
    if epochs < 2:
        return "a single epoch reads every recording once"
    has_cnn = "cnn" in backbone.anatomy.site_names
    if cut.depth == VALUES or (cut.depth == FEATURES and not has_cnn):
        return "the frozen part costs no time"
    needed, half_free = states_bytes(backbone, cut, sizes), free_bytes(cache_folder()) // 2
    limits = ((cache_limit(), "the limit of the cache is"), (half_free, "half of the free disk is"))
    for most, what in limits:
        if needed > most:
            half = "; --cache float16 would fit" if needed <= 2 * most else ""
            return f"it would take {needed / GB:.1f} GB, and {what} {most / GB:.1f} GB{half}"
    return None


def states_bytes(backbone: Backbone, cut: Cut, sizes: Sequence[int]) -> int:
    """Return the size of all states in float32, estimated from a second of noise."""
    longest = backbone.max_samples or backbone.sample_rate
    # shorter than a window: what is padded to one shows by its number of frames
    probe = max(min(int(PROBE_S * backbone.sample_rate), longest // 2), backbone.min_samples)
    wave = np.random.default_rng(0).normal(0, 0.1, probe).astype(np.float32)
    (states,) = run_to_cut(backbone, [backbone.row(wave)], cut)
    of_one = states.numel() * states.element_size()
    if cut.summary or states.shape[1] != backbone.num_frames(probe):  # as many for every piece
        return of_one * len(sizes)
    frames = sum(backbone.num_frames(size) for size in sizes)
    return of_one * frames // backbone.num_frames(probe)


def adapters_digest(slots: Sequence[Slot], backbone: Backbone) -> str:
    """Return a hash of adapters: their placements, sites and tensors.

    What was trained in place, and is frozen now, is hashed as it is in the backbone.
    """
    hashed = hashlib.blake2b(digest_size=16)
    for slot in slots:
        hashed.update(f"{slot.key} {slot.placement} {slot.reads}".encode())
        tensors: dict[str, Any] = {**in_place_tensors(backbone, [slot])}
        tensors |= slot.adapter.state_dict() if slot.adapter is not None else {}
        if slot.gate is not None:
            tensors |= {"gate": slot.gate.logits}
        for name, tensor in tensors.items():
            hashed.update(f"{name} {tuple(tensor.shape)}".encode())
            hashed.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return hashed.hexdigest()
