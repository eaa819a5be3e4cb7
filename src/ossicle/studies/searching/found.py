"""What searches have found, from the facts of their outcomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label

NOTHING: Final = "–"  # a layer that an answer leaves as it is
ByLayer = Mapping[int, str]


@dataclass(frozen=True)
class Found:
    """One search with one strategy and seed.

    Attributes:
        strategy: The strategy, as it was asked for.
        repeat: Seed and fold, as text.
        measured: The answer, retrained from scratch and tested.
    """

    strategy: str
    repeat: str
    measured: Measured

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the package's docstring lists."""
        return self.measured.facts

    @property
    def is_control(self) -> bool:
        """Whether the strategy is a control."""
        return bool(self.facts["is_control"])

    @property
    def choice(self) -> ByLayer:
        """The candidate of each layer; empty if the answer is not a choice by layer."""
        return {int(layer): str(name) for layer, name in self.facts.get("choice", {}).items()}

    @property
    def candidates(self) -> list[str]:
        """Names of the candidates."""
        return [str(name) for name in self.facts.get("candidates", [])]

    @property
    def front(self) -> list[tuple[int, float, str]]:
        """Parameters, validation score and recipe of what was tried and is not dominated."""
        return [(int(size), float(score), str(r)) for size, score, r in self.facts.get("front", [])]

    @property
    def continued(self) -> Mapping[str, Any] | None:
        """The answer trained on from the searched weights."""
        found: Mapping[str, Any] | None = self.facts.get("continued")
        return found

    @property
    def gates(self) -> Float[np.ndarray, "E L K"] | None:
        """The gate of each candidate, by epoch and layer; None without gates."""
        epochs = self.facts.get("gates")
        if not epochs:
            return None
        layers = sorted(epochs[0], key=int)
        return np.array([[one[layer] for layer in layers] for one in epochs], dtype=float)

    def in_layer(self, layer: int) -> str:
        """Return the candidate of a layer."""
        return self.choice.get(layer, NOTHING)


def found_in(outcomes: Sequence[Outcome]) -> list[Found]:
    """Return the finished searches among outcomes, in their order."""
    return [
        Found(str(one.trial.labels["recipe"]), _repeat(one.trial.labels), one.measured)
        for one in outcomes
        if one.measured is not None and "strategy" in one.measured.facts
    ]


def by_strategy(found: Sequence[Found]) -> dict[str, list[Found]]:
    """Return searches by their strategy."""
    parts: dict[str, list[Found]] = {}
    for one in found:
        parts.setdefault(one.strategy, []).append(one)
    return parts


def _repeat(labels: Mapping[str, Label]) -> str:
    shown = [f"{name} {labels[name]}" for name in ("budget", "seed", "fold") if name in labels]
    return ", ".join(shown)
