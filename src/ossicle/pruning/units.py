"""Units: what is kept or removed as one, whole adapters or channels within them.

    adapters  each adapter: a placement at a site in a layer
    widths    each channel of an adapter with a size: a rank, a channel of a bottleneck, a token
    gates     all adapters that share a gate: those of a candidate in a layer

Methods that must have one size in a recipe (`prompt` and `deep-prompt`) lose the same channels.
Some adapters are needed: those at `layers`, which compute the input of the head, keep at least a
channel, and prompts stay where deep prompts take their place.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from ossicle.errors import RunError
from ossicle.pruning.axes import by_channel
from ossicle.pruning.unpruned import Unpruned


@dataclass(frozen=True)
class Group:
    """Adapters that are kept or removed together, whole or channel by channel.

    Attributes:
        slots: Their slots.
        size: Number of channels, each of which is a unit; None: they are one unit as they are.
        needed: Whether a channel must be kept.
    """

    slots: tuple[str, ...]
    size: int | None = None
    needed: bool = False

    @property
    def num_units(self) -> int:
        """The number of units."""
        return 1 if self.size is None else self.size


class Units:
    """The units of an adapter, numbered group by group.

    Attributes:
        unpruned: The adapter.
        groups: The groups.
    """

    def __init__(self, unpruned: Unpruned, groups: Iterable[Group]) -> None:
        self.unpruned, self.groups = unpruned, tuple(groups)

    def sums(self, values: Mapping[str, Tensor]) -> Tensor:  # (U,)
        """Return the sum over all numbers of each unit.

        Args:
            values: A tensor for each tensor of the adapter, by key.
        """
        parts = []
        for group in self.groups:
            total = torch.zeros(group.num_units, dtype=torch.float64)
            for slot in group.slots:
                own = self.unpruned.of(values, slot)
                if group.size is None:
                    total += sum(value.detach().double().sum().cpu() for value in own.values())
                else:
                    total += by_channel(own, self.unpruned.axes[slot], group.size)
            parts.append(total)
        return torch.cat(parts)

    def distances(self) -> dict[str, Tensor]:
        """Return how far each number is from that with which an adapter changes nothing."""
        found = {}
        for key, slot in self.unpruned.slots.items():
            neutral = slot.placement.method.neutral
            for name, value in self.unpruned.of(self.unpruned.tensors, key).items():
                found[f"{key}/{name}"] = value - neutral.get(name, 0.0)
        return found


def units_of(unpruned: Unpruned, kind: str) -> Units:
    """Return the units of a kind.

    Raises:
        RunError: there are none.
    """
    units = Units(unpruned, KINDS[kind](unpruned))
    if not any(not group.needed or group.num_units > 1 for group in units.groups):
        raise RunError(_NONE[kind].format(unpruned.recipe.label))
    return units


def _adapters(unpruned: Unpruned) -> list[Group]:
    leaders = _leaders(unpruned)
    return [
        Group((key,))
        for key, slot in unpruned.slots.items()
        if slot.site.name != "layers" and slot.placement.method.name not in leaders
    ]


def _widths(unpruned: Unpruned) -> list[Group]:
    leaders, groups = _leaders(unpruned), dict[str, list[str]]()
    for key in unpruned.sizes:
        method = unpruned.slots[key].placement.method
        leader = method.sized_with or (method.name if method.name in leaders else key)
        groups.setdefault(leader, []).append(key)
    return [
        Group(
            tuple(keys),
            unpruned.sizes[keys[0]],
            needed=unpruned.slots[keys[0]].site.name == "layers",
        )
        for keys in groups.values()
    ]


def _gates(unpruned: Unpruned) -> list[Group]:
    groups: dict[tuple[str, int, int], list[str]] = {}
    for key, slot in unpruned.slots.items():
        if slot.gate is not None:
            place = (slot.gate.mixture, slot.gate.layer, slot.gate.index)
            groups.setdefault(place, []).append(key)
    return [Group(tuple(keys)) for keys in groups.values()]


def _leaders(unpruned: Unpruned) -> set[str]:
    """Return the methods whose size others of the recipe must have."""
    followed = {one.method.sized_with for one in unpruned.recipe.placements}
    return {name for name in followed if name is not None}


KINDS: Final[dict[str, Callable[[Unpruned], list[Group]]]] = {
    "adapters": _adapters,
    "widths": _widths,
    "gates": _gates,
}
_NONE: Final = {
    "adapters": "no adapter of '{}' can be removed: those that there are compute the input of the "
    "head. Use unit=widths",
    "widths": "no method of '{}' has a rank, width or length that could be smaller. Use "
    "unit=adapters, which removes whole adapters",
    "gates": "'{}' has no sigmoid gates. Train a run with some, such as "
    "--recipe 'lora(gate=sigmoid) + bottleneck(gate=sigmoid)', or prune by taylor or another way",
}
