"""The interface of a way to prune: what of a trained adapter is kept."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, TypeAlias

from torch import Tensor

from ossicle.pruning.unpruned import Kept, Unpruned
from ossicle.settings import Setting

Gradients: TypeAlias = Callable[[], Iterator[Mapping[str, Tensor]]]
"""Yields the gradients of the loss of each batch of training recordings, by key."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The importance of a unit: of an adapter, or of one of its channels.

    Attributes:
        slots: The slots it belongs to.
        channel: Number of the channel; None: the whole adapter.
        importance: Its importance.
        parameters: Parameters that it has.
        kept: Whether it is kept.
    """

    slots: tuple[str, ...]
    channel: int | None
    importance: float
    parameters: float
    kept: bool


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What a way to prune keeps.

    Attributes:
        kept: The channels that are kept of each slot, or None for all of an adapter.
        keeps_gates: Whether what is left stays weighted by its gates.
        units: The importance of each unit.
    """

    kept: Kept
    keeps_gates: bool = True
    units: tuple[Scored, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "kept": {k: None if some is None else list(some) for k, some in self.kept.items()},
            "keeps_gates": self.keeps_gates,
            "units": [asdict(unit) | {"slots": list(unit.slots)} for unit in self.units],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the choice that `to_dict` described, in which there may be other entries."""
        units = (Scored(**{**unit, "slots": tuple(unit["slots"])}) for unit in data["units"])
        return cls(kept=data["kept"], keeps_gates=data["keeps_gates"], units=tuple(units))


class Way(ABC):
    """A way to prune. One file each in this package.

    Attributes:
        name: Its name in `--prune`.
        about: What it keeps, in one sentence.
        source: The publication; empty without one.
        options: Its settings in `name(setting=value)`.
        needs_gradients: Whether it reads training recordings.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Setting]] = {}
    needs_gradients: ClassVar[bool] = False

    def __init__(self, **values: Any) -> None:
        """Keep the values of the settings.

        Raises:
            RunError: they do not go together.
        """
        self.values = values

    @abstractmethod
    def choose(self, unpruned: Unpruned, gradients: Gradients, seed: int) -> Choice:
        """Return what is kept.

        Args:
            unpruned: The adapter.
            gradients: Its gradients; only a way that needs them calls it.
            seed: Seed of random choices.

        Raises:
            RunError: nothing of it can be pruned in this way, or it cannot be that small.
        """
