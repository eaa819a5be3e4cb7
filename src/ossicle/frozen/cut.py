"""The frozen prefix of a recipe: found, run by itself, and gone on from.

    values -> features -> layer 0 -> ... -> layer k-1 | layer k -> ... -> final norm -> head
              nothing trains, nothing is random       cut       the rest

What comes out of the prefix is the same in every epoch, for every seed, and for every recipe with
the same cut, so it is worth keeping. Where nothing in the backbone trains and the head reads no
more than a mean, that mean is all there is to keep.
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

# What the model takes for one wave, (N,) or (T, M), and how much of it is real. Rows differ in N.
Row = tuple[Float[Tensor, "..."], int]


@dataclass(frozen=True, slots=True)
class Cut:
    """Where the frozen prefix ends.

    Attributes:
        depth: The last depth that nothing changes: see `ossicle.anatomy.site`.
        keep: Whether what enters every layer below is read above, too.
        summary: What the head needs of the frames, one of `ossicle.heads.SUMMARIES`; None: all.
    """

    depth: int
    keep: bool = False
    summary: str | None = None

    def describe(self, backbone: Backbone) -> str:
        """Return what is at the cut, in words."""
        what = {
            VALUES: "what the model takes",
            FEATURES: "what the front end makes",
            backbone.anatomy.num_layers: "what leaves the last layer",
            backbone.anatomy.output_depth: "what leaves the backbone",
        }.get(self.depth, f"what enters layer {self.depth}")
        below = " and every layer below" if self.keep and self.depth > 0 else ""
        return f"{what}{below}" + (f", {SUMMARIES[self.summary].words}" if self.summary else "")


def find_cut(model: AdaptedModel, *, below_adapters: bool = False) -> Cut:
    """Return the deepest point below which nothing trains and nothing is random.

    Frozen adapters may be below it, and are then run as a part of the backbone.

    Args:
        model: Its active sets count.
        below_adapters: Keep below frozen adapters too, because they depend on the row.
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
    """Return whether a slot acts from one layer to another, so that no cut may lie between."""
    return slot.site.exit == END or slot.placement.method.changes_length


def frozen_below(model: AdaptedModel, cut: Cut) -> list[Slot]:
    """Return the active adapters that are a part of what is run to the cut."""
    return [slot for slot in model.active_slots if slot.site.depth < cut.depth]


@torch.no_grad()
def run_to_cut(backbone: Backbone, rows: Sequence[Row], cut: Cut) -> list[Float[Tensor, "..."]]:
    """Return the states of each row, (S, T, ...): S of them, the last at the cut."""
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
    """Return what the frozen prefix makes of states at one cut up to a deeper one."""
    if len(states) > 1 and not runs_in_batches(backbone):
        pairs = zip(states, lengths, strict=True)
        return [made for one, size in pairs for made in run_on(backbone, [one], [size], cut, to)]
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
    """Return what the head needs of the states of a row."""
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
        model: With the sets active that the cut was found for.
        states: From `run_to_cut`, of each row.
        lengths: Real entries of the values of each row.
        cut: Where they were taken.
        finish: From `AdaptedModel.compiled_finish`; None: `Backbone.finish` as it is.
    """
    partial = pad_at_cut(model.backbone, states, lengths, cut)
    return model.apply_head((finish or model.backbone.finish)(partial))


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
