"""The interface of a relaxation: gates from logits, while a mixture is searched."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.search.candidates import SKIP
from ossicle.settings import Setting


@dataclass(frozen=True, slots=True)
class Choices:
    """What a layer can have.

    Attributes:
        names: Names of the candidates, in the order of their logits.
        counts: Parameters that each of them trains in the layer.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def skip(self) -> int | None:
        """Position of the candidate without an adapter; None: the layer must have one."""
        return self.names.index(SKIP) if SKIP in self.names else None


@dataclass(frozen=True, slots=True)
class Moment:
    """A step of a search, which decides all random draws in it.

    Attributes:
        seed: Seed of the run.
        step: Number of the iteration, from 0.
        turn: 0: the gates are trained; 1: the weights.
        progress: Part of all iterations that is over, from 0 to 1.
    """

    seed: int
    step: int
    turn: int
    progress: float


class Relaxation(ABC):
    """Computes the gates of a mixture during a search. One file each in this package.

    During a step they are those of the publication, with one random draw for the whole step. Else,
    on validation recordings, the gate of the chosen candidate is 1 and the others are 0.

    Attributes:
        name: Its name, which is that of the strategy.
        options: Its settings; those of `ossicle.search.bilevel.options` with its own defaults, too.
    """

    name: ClassVar[str]
    options: ClassVar[Mapping[str, Setting]]

    def __init__(self, layers: Mapping[int, Choices], values: Mapping[str, Any]) -> None:
        """Keep the candidates of each layer, and the values of the settings.

        Raises:
            SearchError: these candidates cannot be searched in this way.
        """
        self.layers, self.values = dict(layers), dict(values)
        self._moment: Moment | None = None
        self._chosen: dict[int, int] = {}

    def begin(self, moment: Moment, logits: Mapping[int, Tensor]) -> None:  # noqa: ARG002 - of some
        """Begin a step, with the logits of every layer before it."""
        self._moment = moment

    def end(self, logits: Mapping[int, Tensor]) -> None:
        """End the steps of an epoch: the gates are those of the chosen candidates."""
        self._moment, self._chosen = None, self.chosen(logits)

    def __call__(self, logits: Float[Tensor, " K"], layer: int) -> Float[Tensor, " K"]:
        """Return the gates of a layer."""
        if self._moment is None:
            return torch.zeros_like(logits).index_fill(
                0, torch.tensor([self._chosen.get(layer, 0)], device=logits.device), 1.0
            )
        return self.gates(logits, layer, self._moment)

    @abstractmethod
    def gates(self, logits: Float[Tensor, " K"], layer: int, moment: Moment) -> Float[Tensor, " K"]:
        """Return the gates of a layer in a step."""

    @abstractmethod
    def strengths(self, logits: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return the gates (K,) of all layers without noise, by which candidates are chosen."""

    def penalty(self, logits: Mapping[int, Tensor]) -> Tensor | None:  # noqa: ARG002 - of some
        """Return what is added to the loss of the gates; None: nothing."""
        return None

    def chosen(self, logits: Mapping[int, Tensor]) -> dict[int, int]:
        """Return the position of the chosen candidate of each layer: the largest gate."""
        return {layer: int(one.argmax()) for layer, one in self.strengths(logits).items()}


def random_numbers(moment: Moment, layer: int) -> np.random.Generator:
    """Return the generator of the draws for a layer in a step."""
    return np.random.default_rng([moment.seed, moment.step, moment.turn, layer])


def gumbel(logits: Float[Tensor, " K"], layer: int, moment: Moment) -> Float[Tensor, " K"]:
    """Return the Gumbel noise of a layer in a step."""
    drawn = random_numbers(moment, layer).gumbel(size=len(logits))
    return torch.from_numpy(drawn).to(logits)
