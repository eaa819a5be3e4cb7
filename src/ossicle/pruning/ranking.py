"""Ways that rank units by their importance, and keep the most important ones.

The units with the most importance for a parameter are kept, as long as they fit: what is asked for
is a number of parameters, and an adapter with many of them must be worth more to be kept than one
with few. Units that a larger one would not leave room for are passed over.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.errors import RunError
from ossicle.pruning.units import Group, Units, units_of
from ossicle.pruning.unpruned import Unpruned
from ossicle.pruning.way import Choice, Gradients, Scored, Way
from ossicle.recipes.budget import parse_count
from ossicle.settings import Setting

UNIT: Final = Setting(
    "what is removed: ranks and widths within adapters, or whole adapters",
    "widths",
    ("widths", "adapters"),
)
SIZES: Final = {
    "to": Setting("parameters to keep, without the head, such as 100k", ""),
    "keep": Setting("share of the parameters to keep", 0.0, low=0, high=1),
}


class Ranking(Way):
    """A way that ranks units.

    Attributes:
        per_parameter: Whether the importance of a unit is divided by its parameters.
    """

    options: ClassVar[Mapping[str, Setting]] = {**SIZES, "unit": UNIT}
    per_parameter: ClassVar[bool] = True

    def __init__(self, **values: Any) -> None:
        """Keep the values of the settings.

        Raises:
            RunError: they name no size, or two, or a size that cannot be.
        """
        super().__init__(**values)
        to, keep = values["to"], values["keep"]
        if bool(to) == bool(keep):
            raise RunError(
                f"'{self.name}' needs the size of what is kept: to=N, a number of parameters such "
                f"as {self.name}(to=100k), or keep=X, a share such as {self.name}(keep=0.5)"
                + ("; give one of them" if to else "")
            )
        if to:
            parse_count(to)
        elif keep == 1:
            raise RunError("keep is 1, which removes nothing; choose a share below 1")

    def choose(self, unpruned: Unpruned, gradients: Gradients, seed: int) -> Choice:
        """Return the units with the most importance that fit."""
        self._check_mixtures(unpruned)
        units = units_of(unpruned, self.values.get("unit", "gates"))
        budget = self._budget(unpruned.parameters)
        return select(units, self.scores(units, gradients, seed), budget, self.per_parameter)

    @abstractmethod
    def scores(self, units: Units, gradients: Gradients, seed: int) -> Float[Tensor, " U"]:
        """Return the importance of each unit, from 0.

        Args:
            units: The units.
            gradients: Their gradients; only a way that needs them calls it.
            seed: Seed of random choices.
        """

    def mean_over_batches(
        self,
        units: Units,
        gradients: Gradients,
        of_batch: Callable[[Mapping[str, Tensor]], Float[Tensor, " U"]],
    ) -> Float[Tensor, " U"]:
        """Return the mean over the batches of what is computed for each unit.

        Args:
            units: The units.
            gradients: Their gradients.
            of_batch: Computes it from the gradient times the weight of every tensor, by key.
        """
        distances = units.distances()
        found = [
            of_batch({key: batch[key].cpu() * value for key, value in distances.items()})
            for batch in gradients()
        ]
        return torch.stack(found).mean(0)

    def _check_mixtures(self, unpruned: Unpruned) -> None:
        """Raise RunError if candidates compete, so that one cannot be removed by itself."""
        gates = {slot.gate.mixture for slot in unpruned.slots.values() if slot.gate is not None}
        if compete := sorted(gates - {"sigmoid"}):
            raise RunError(
                f"'{unpruned.recipe.label}' is a mixture of candidates that compete (gate="
                f"{compete[0]}), of which {self.name} cannot remove one by itself. Keep the best "
                "of each layer with argmax first, and prune the run that starts from it"
            )

    def _budget(self, parameters: int) -> int:
        """Return the number of parameters to keep.

        Raises:
            RunError: the adapter has no more than that.
        """
        if not self.values["to"]:
            return int(self.values["keep"] * parameters)
        budget = parse_count(self.values["to"])
        if budget >= parameters:
            raise RunError(
                f"the adapter has {parameters:,} parameters without the head, so there is nothing "
                f"to remove to get to {budget:,}; choose a smaller number"
            )
        return budget


def select(units: Units, scores: Float[Tensor, " U"], budget: int, per_parameter: bool) -> Choice:
    """Return the most important units that fit a number of parameters.

    Raises:
        RunError: not even the smallest unit fits.
    """
    unpruned = units.unpruned
    numbered = [(group, n) for group in units.groups for n in range(group.num_units)]
    share = [_cost(unpruned, group) / group.num_units for group, _ in numbered]
    values = [
        score / (size or 1) if per_parameter else score
        for score, size in zip(scores.tolist(), share, strict=True)
    ]
    order = sorted(range(len(numbered)), key=lambda unit: -values[unit])
    needed = _needed(numbered, order)
    always = set(unpruned.slots) - {slot for group in units.groups for slot in group.slots}
    total = unpruned.gates(always) + sum(unpruned.cost(slot) for slot in always)
    taken = dict.fromkeys(units.groups, 0)
    kept: set[int] = set()
    for unit in [*needed, *(one for one in order if one not in needed)]:
        group, _ = numbered[unit]
        more = _cost(unpruned, group, taken[group] + 1) - _cost(unpruned, group, taken[group])
        if total + more <= budget or unit in needed:
            total, taken[group] = total + more, taken[group] + 1
            kept.add(unit)
    _check(units, budget, total, bool(kept))
    scored = [
        Scored(
            slots=group.slots,
            channel=None if group.size is None else channel,
            importance=scores[unit].item(),
            parameters=share[unit],
            kept=unit in kept,
        )
        for unit, (group, channel) in enumerate(numbered)
    ]
    return Choice(kept=_kept(unpruned, always, scored), units=tuple(scored))


def _needed(numbered: list[tuple[Group, int]], order: list[int]) -> set[int]:
    """Return the best unit of each group that must keep one."""
    best: dict[Group, int] = {}
    for unit in order:
        group, _ = numbered[unit]
        if group.needed:
            best.setdefault(group, unit)
    return set(best.values())


def _cost(unpruned: Unpruned, group: Group, units: int | None = None) -> int:
    """Return the parameters of a group with some of its units; None: with all.

    A gate that weighs several groups counts in each of them, so never too little is removed.
    """
    if units == 0:
        return 0
    size = units if group.size is not None else None
    return unpruned.gates(group.slots) + sum(unpruned.cost(slot, size) for slot in group.slots)


def _check(units: Units, budget: int, total: int, some: bool) -> None:
    """Raise RunError unless something is kept, and what is kept fits.

    Args:
        units: The units.
        budget: The most parameters.
        total: Those of what is kept.
        some: Whether a unit is kept.
    """
    if some and total <= budget:
        return
    smallest = total if some else total + min(_cost(units.unpruned, g, 1) for g in units.groups)
    raise RunError(
        f"'{units.unpruned.recipe.label}' cannot be pruned to {budget:,} of its "
        f"{units.unpruned.parameters:,} parameters: the least that is left has {smallest:,}. "
        "Choose a larger number"
    )


def _kept(
    unpruned: Unpruned, always: set[str], scored: list[Scored]
) -> dict[str, list[int] | None]:
    """Return the channels that are kept of each slot, in the order of the slots."""
    found: dict[str, list[int] | None] = dict.fromkeys(always)
    for unit in scored:
        for slot in unit.slots if unit.kept else ():
            if unit.channel is None:
                found[slot] = None
            else:
                channels = found.setdefault(slot, [])
                assert channels is not None, "a slot has channels, or is a unit"
                channels.append(unit.channel)
    return {slot: found[slot] for slot in unpruned.slots if slot in found}
