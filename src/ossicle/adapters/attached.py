"""Adapters attached to a site, and how one after the other changes a tensor there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from ossicle.adapters.copies import Copies
from ossicle.adapters.gates import Gate
from ossicle.anatomy import Site
from ossicle.methods import Adapter

BASE: Final = ("", 0)


@dataclass(frozen=True, slots=True)
class Attached:
    """An adapter at a site.

    Attributes:
        adapter: The module.
        reads: The site of the layer whose input is its x; None: its own site.
        gate: Its gate, if it is a candidate of a mixture.
    """

    adapter: Adapter
    reads: Site | None = None
    gate: Gate | None = None

    @property
    def changes_input(self) -> bool:
        """Whether the adapter changes the site's input."""
        return type(self.adapter).before is not Adapter.before

    @property
    def entry(self) -> str | None:
        """The name of the entry that gives its x; None: the site's own."""
        return None if self.reads is None else self.reads.name

    def before(self, x: Any, mask: Tensor | None) -> Any:
        """Return what replaces the site's input."""
        adapter = self.adapter
        return adapter.before(x, mask) if adapter.reads_mask else adapter.before(x)

    def after(self, x: Any, y: Any, mask: Tensor | None) -> Any:
        """Return what replaces the site's output."""
        adapter = self.adapter
        return adapter(x, y, mask) if adapter.reads_mask else adapter(x, y)


class Changing:
    """The input or output of a site, while the adapters there change it.

    Attributes:
        copies: The copies that it consists of, in a mixture of whole layers.
    """

    def __init__(self, tensor: Any, copies: Copies | None, given: Copies | None = None) -> None:
        """Begin with a tensor.

        Args:
            tensor: It has the copies `given`.
            copies: The copies that adapters here act on.
            given: None: `copies`.
        """
        self.copies = copies
        self._whole = tensor
        self._parts: list[Tensor] | None = None
        if copies is not None and given is not None and given.groups != copies.groups:
            self._parts = given.parts(tensor, copies)
        self._own: dict[tuple[str, int], Tensor] = {}

    @property
    def tensor(self) -> Any:
        """The tensor after all changes so far."""
        if self._parts is not None:
            self._whole, self._parts = torch.cat(self._parts), None
        return self._whole

    def replace(self, tensor: Any) -> None:
        """Put the output of an adapter without a gate in its place."""
        self._whole, self._own = tensor, {}

    def mix(
        self,
        gate: Gate,
        change: Callable[..., Tensor],
        read: tuple[Tensor, ...],
        mask: Tensor | None,
    ) -> None:
        """Add the change of a candidate, scaled by its gate; or change its copy of the batch.

        Args:
            gate: Gate of the candidate.
            change: The candidate, which computes the tensor from `read`, the tensor and the mask.
            read: Further tensors that it reads.
            mask: Real frames.
        """
        if gate.is_of_whole_layers:
            self._change_copy(gate.index, change, read, mask)
            return
        y = self.tensor
        # all candidates of a site change the same tensor, the two placements of one in turn
        before = self._own.get(gate.candidate, self._own.setdefault(BASE, y))
        self._own[gate.candidate] = change(*read, before, mask)
        self._whole = y + gate.weight.to(y.dtype) * (self._own[gate.candidate] - before)

    def _change_copy(
        self,
        candidate: int,
        change: Callable[..., Tensor],
        read: tuple[Tensor, ...],
        mask: Tensor | None,
    ) -> None:
        copies = self.copies
        assert copies is not None, "candidates of whole layers act inside of the site 'layer'"
        parts = copies.split(self._whole) if self._parts is None else self._parts
        place = copies.position(candidate)
        own = [copies.split(one)[place] for one in read]
        real = None if mask is None else copies.split(mask)[place]
        changed = change(*own, parts[place], real)
        if changed is parts[place]:  # such as `skip`, or `before` of most adapters
            return
        parts[place] = changed
        self._parts, self._own, self.copies = parts, {}, copies.after([candidate])
