"""The cut: run the frozen part of a forward pass by itself, and continue from its output.

    values -> features -> layer 0 -> ... -> layer k-1 | layer k -> ... -> final norm -> head
              nothing trains, nothing is random       cut       the rest

The output of the frozen part is the same in every epoch, for every seed, and for every recipe with
the same cut, so it can be cached. If nothing in the backbone trains and the head reads only the
mean over time, that mean is all that has to be cached.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import Slot
from ossicle.anatomy import END, FEATURES, VALUES
from ossicle.backbones import Backbone, Encoded, PartialForward
from ossicle.heads import SUMMARIES, Outputs

# Model input of one recording, (N,) or (T, M), and its number of real entries. Rows differ in N.
Row = tuple[Float[Tensor, "..."], int]


@dataclass(frozen=True, slots=True)
class Cut:
    """The end of the frozen part.

    Attributes:
        depth: Depth of the cut: see `ossicle.anatomy.site`.
        keep: Whether the inputs of all layers below the cut are read above it.
        summary: The summary of the frames that the head reads, one of `ossicle.heads.SUMMARIES`;
            None: all frames.
    """

    depth: int
    keep: bool = False
    summary: str | None = None

    def describe(self, backbone: Backbone) -> str:
        """Return the tensor at the cut in words, e.g. "input of layer 6"."""
        what = {
            VALUES: "model input",
            FEATURES: "features of the front end",
            backbone.anatomy.num_layers: "output of the last layer",
            backbone.anatomy.output_depth: "backbone output",
        }.get(self.depth, f"input of layer {self.depth}")
        below = " and of every layer below" if self.keep and self.depth > 0 else ""
        return f"{what}{below}" + (f", {SUMMARIES[self.summary].words}" if self.summary else "")


def find_cut(model: AdaptedModel, *, below_adapters: bool = False) -> Cut:
    """Return the deepest cut below which nothing trains and nothing is random.

    Frozen adapters below it are run as a part of the backbone.

    Args:
        model: The model, with the sets active that will be run.
        below_adapters: Stay below frozen adapters too, because they differ from row to row.
    """
    backbone, slots = model.backbone, model.active_slots
    limits = [
        slot.site.depth
        for slot in slots
        if below_adapters or model.trains(slot) or _spans_layers(slot)
    ]
    depth = min([backbone.anatomy.output_depth, *limits])
    if backbone.stochastic:  # dropout and SpecAugment act behind the front end
        depth = min(depth, FEATURES)
    readers = [slot.adapter for slot in slots if isinstance(slot.site.entry, tuple)]
    summary = None
    if depth == backbone.anatomy.output_depth and model.head is not None:
        summary = model.head.summary
        average = summary == "mean" and all(
            one is not None and one.commutes_with_mean for one in readers
        )
        summary = summary if average or not readers else None
    return Cut(depth, bool(readers), summary)


def runs_in_batches(backbone: Backbone) -> bool:
    """Return whether the frozen part runs on a padded batch: everywhere but on a CPU.

    On a CPU it runs row by row, which no padding slows down and which gives a row the same bits
    whatever the other rows are.
    """
    return next(backbone.parameters()).device.type != "cpu"


def _spans_layers(slot: Slot) -> bool:
    """Return whether the adapter acts across layers, so that no cut is possible within it."""
    return slot.site.exit == END or slot.placement.method.changes_length


def frozen_below(model: AdaptedModel, cut: Cut) -> list[Slot]:
    """Return the active adapters in the frozen part."""
    return [slot for slot in model.active_slots if slot.site.depth < cut.depth]


@torch.no_grad()
def run_to_cut(backbone: Backbone, rows: Sequence[Row], cut: Cut) -> list[Float[Tensor, "..."]]:
    """Return the states of each row, (S, T, ...): S tensors, the last one at the cut."""
    if not rows or cut.depth == VALUES:
        return [values[None] for values, _ in rows]
    if len(rows) > 1 and not runs_in_batches(backbone):
        return [state for row in rows for state in run_to_cut(backbone, [row], cut)]
    return _split(backbone, advance_to_cut(backbone, rows, cut), cut)


@torch.no_grad()
def advance_to_cut(backbone: Backbone, rows: Sequence[Row], cut: Cut) -> PartialForward:
    """Return the rows as one padded batch at the cut, its states in float32."""
    device = next(backbone.parameters()).device
    values, lengths = (part.to(device) for part in backbone.collate(rows))
    partial = backbone.advance(PartialForward(VALUES, values, lengths), cut.depth, keep=cut.keep)
    inputs = tuple(states.float() for states in partial.layer_inputs)
    return replace(partial, hidden=partial.hidden.float(), layer_inputs=inputs)


@torch.no_grad()
def run_on(
    backbone: Backbone,
    states: Sequence[Float[Tensor, "..."]],
    lengths: Sequence[int],
    cut: Cut,
    to: Cut,
) -> list[Float[Tensor, "..."]]:
    """Return the states at a deeper cut, from those at an earlier one."""
    if len(states) > 1 and not runs_in_batches(backbone):
        pairs = zip(states, lengths, strict=True)
        return [deep for one, size in pairs for deep in run_on(backbone, [one], [size], cut, to)]
    partial = backbone.advance(pad_at_cut(backbone, states, lengths, cut), to.depth, keep=to.keep)
    return _split(backbone, partial, to)


def _split(backbone: Backbone, partial: PartialForward, cut: Cut) -> list[Float[Tensor, "..."]]:
    """Return the real frames of each row of a batch at a cut."""
    states = torch.stack((*partial.layer_inputs, partial.hidden), dim=1).float()  # (B, S, T, D)
    mask = partial.frame_mask
    if mask is None and cut.depth == backbone.anatomy.output_depth:
        mask = backbone.head_mask(partial)
    if mask is None:
        return [summarised(state, cut) for state in states]
    return [summarised(state[:, real], cut) for state, real in zip(states, mask, strict=True)]


def summarised(state: Float[Tensor, "..."], cut: Cut) -> Float[Tensor, "..."]:
    """Return the states of a row, reduced to the summary that the head reads."""
    return state if cut.summary is None else SUMMARIES[cut.summary].of(state)


def run_from_cut(
    model: AdaptedModel,
    states: Sequence[Float[Tensor, "..."]],
    lengths: Sequence[int],
    cut: Cut,
    finish: Callable[[PartialForward], Encoded] | None = None,
) -> Outputs:
    """Return the outputs of rows, as `AdaptedModel.outputs` does, from their states.

    Args:
        model: The model, with the same active sets as in `find_cut`.
        states: States of each row from `run_to_cut`.
        lengths: Real entries of the model input of each row.
        cut: The cut that the states belong to.
        finish: The result of `AdaptedModel.compiled_finish`; None: `Backbone.finish`.
    """
    return model.apply_head(encode_from_cut(model.backbone, states, lengths, cut, finish))


def encode_from_cut(
    backbone: Backbone,
    states: Sequence[Float[Tensor, "..."]],
    lengths: Sequence[int],
    cut: Cut,
    finish: Callable[[PartialForward], Encoded] | None = None,
) -> Encoded:
    """Return the frames of rows that the head reads, from their states: see `run_from_cut`."""
    return (finish or backbone.finish)(pad_at_cut(backbone, states, lengths, cut))


def pad_at_cut(
    backbone: Backbone,
    states: Sequence[Float[Tensor, "..."]],
    lengths: Sequence[int],
    cut: Cut,
) -> PartialForward:
    """Return the rows as a padded batch at the cut."""
    device = next(backbone.parameters()).device
    sizes: Int[Tensor, " B"] = torch.tensor([state.shape[1] for state in states], device=device)
    times = [state.transpose(0, 1).to(device) for state in states]  # (T, S, ...)
    padded = nn.utils.rnn.pad_sequence(times, batch_first=True).transpose(1, 2)  # (B, S, T, ...)
    is_ragged = bool((sizes != padded.shape[2]).any())
    mask = None
    if cut.depth != VALUES and (is_ragged or cut.depth == backbone.anatomy.output_depth):
        mask = torch.arange(padded.shape[2], device=device) < sizes[:, None]
    *below, hidden = padded.unbind(1)
    real = torch.tensor(lengths, device=device)
    return PartialForward(cut.depth, hidden.contiguous(), real, mask, tuple(below))
