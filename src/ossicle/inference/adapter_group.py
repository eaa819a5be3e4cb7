"""All adapter sets of a bank with the same recipe and the same head, and how they share a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ossicle.adapters.adapter_set import AdapterSet
from ossicle.backbones import Encoded
from ossicle.frozen.cut import Cut
from ossicle.heads import Head
from ossicle.inference.stack import Route, Stack
from ossicle.writing import Text


class Request(NamedTuple):
    """What is wanted of a row of a batch.

    Attributes:
        row: Number of the row.
        name: Name of the adapter.
        reads: The output of the adapter's head, or `Head.embedding`.
    """

    row: int
    name: str
    reads: Literal["output", "embedding"] = "output"


@dataclass
class AdapterGroup:
    """All adapter sets with the same recipe and the same head.

    Attributes:
        name: Name of the adapter set that represents the group in the model.
        adapter_set: That set; its adapters are `StackedAdapter`s.
        head: The head, without values, on the meta device.
        shapes: Shape of each tensor, by key.
        cut: End of the frozen part.
        alone: Whether the group needs batches without rows of other groups.
        stack: The tensors of all sets.
        places: Index of each set in the stack, by name.
        free: Indices that removed sets have left.
        configured: How the task of a set tells the head what it does, by the name of the set.
    """

    name: str
    adapter_set: AdapterSet
    head: Head
    shapes: dict[str, torch.Size]
    cut: Cut
    alone: bool
    stack: Stack
    places: dict[str, int] = field(default_factory=dict)
    free: list[int] = field(default_factory=list)
    configured: dict[str, Callable[[Head], None]] = field(default_factory=dict)

    def route_to(self, rows: Sequence[int], asked: "Sequence[Asked]", device: torch.device) -> None:
        """Route rows of a batch to their sets; rows of a set are adjacent."""
        places = [asked[row].place for row in rows]
        self.stack.route = route_of(places, rows, len(asked), device)

    def embeddings(self, encoded: Encoded) -> list[Tensor]:
        """Return the embedding of each routed row, in the order of the route."""
        hidden, mask = encoded.hidden, encoded.frame_mask
        return list(self.stack.call("head/", _Embedding(self.head), hidden, mask).flatten(0, 1))

    def head_outputs(self, encoded: Encoded) -> list[Tensor]:
        """Return the output of the head for each routed row, in the order of the route."""
        hidden, mask = encoded.hidden, encoded.frame_mask
        made = self.stack.call("head/", self.head, hidden, mask).flatten(0, 1)
        if not self.head.by_frame:
            return list(made)
        route = self.stack.route
        assert route is not None
        masks = route.pick(mask).flatten(0, 1)
        return [row[real] for row, real in zip(made, masks, strict=True)]

    def written(
        self, encoded: Encoded, rows: Sequence[int], asked: "Sequence[Asked]"
    ) -> list[Tensor]:
        """Return what the text decoder writes about these rows of a batch, one set at a time.

        Generation groups rows in its own way and repeats them for beams, so that rows of several
        sets cannot share it; the output of the encoder is that of the batch.
        """
        found: dict[int, Tensor] = {}
        device = encoded.hidden.device
        for name in dict.fromkeys(asked[row].name for row in rows):
            own = [row for row in rows if asked[row].name == name]
            self.stack.route = Route(torch.tensor([self.places[name]], device=device))
            if name in self.configured:
                self.configured[name](self.head)
            texts = [asked[row].text for row in own]
            made = self.head.answers(encoded.hidden[own], encoded.frame_mask[own], texts)
            found |= zip(own, made.rows(), strict=True)
        return [found[row] for row in rows]


@dataclass(frozen=True, slots=True)
class Asked:
    """One row of a batch and the set that processes it.

    Attributes:
        name: Name of the set.
        group: Its group.
        text: What is written about the row.
        reads: The output of the head, or the embedding.
    """

    name: str
    group: AdapterGroup
    text: Text
    reads: Literal["output", "embedding"] = "output"

    @property
    def place(self) -> int:
        """Index of the set in the stack."""
        return self.group.places[self.name]


def route_of(places: Sequence[int], rows: Sequence[int], total: int, device: torch.device) -> Route:
    """Return the route of rows, given the place of each row's set; rows of a set are adjacent."""
    members = list(dict.fromkeys(places))
    counts = {places.count(place) for place in members}
    chosen = members if len(counts) == 1 else places  # unequal numbers of rows: one row per member
    every = None if len(rows) == total else torch.tensor(rows, device=device)
    return Route(torch.tensor(chosen, device=device), every)


class _Embedding(nn.Module):
    """A module whose forward is the embedding of a head, for `Stack.call`."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.inside = head

    def forward(self, hidden: Tensor, frame_mask: Tensor) -> Tensor:
        made: Tensor = self.inside.embedding(hidden, frame_mask)
        return made
