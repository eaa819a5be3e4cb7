"""The interface of a strategy: what to train next, and what its answer is.

A search is a sequence of waves. A strategy sees the results of all earlier waves and proposes the
trainings of the next one, until it proposes none; then it answers with one adapter. What it sees
are metrics on validation recordings, never on test recordings. It depends on nothing but the
problem and these results, so a search that was killed is repeated from what has finished.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeAlias

from ossicle.backbones import Backbone
from ossicle.recipes.recipe import Recipe
from ossicle.settings import Setting
from ossicle.training.config import TrainConfig

Kind: TypeAlias = Literal["train", "bilevel", "probe"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A recipe that a layer can have.

    Attributes:
        name: As it was given, such as `lora`; `skip` is a layer without an adapter.
        recipe: The recipe, with its sizes fitted to the budget in all layers; without placements
            for `skip`.
    """

    name: str
    recipe: Recipe


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is searched for.

    Attributes:
        config: Settings of every training, with task and number of epochs; the recipe is not used.
        candidates: The recipes to choose from, two or more.
        backbone: The backbone, on the meta device: for counts of parameters alone.
        budget: Most parameters that the answer may train, without the head.
        metric: The validation metric that is to be best.
        lower_is_better: Whether it is an error rate or the like.
        trials: Number of full trainings that a strategy may cost.
        seed: Seed of every random choice.
        epoch_steps: Steps of the optimiser in an epoch.
    """

    config: TrainConfig
    candidates: tuple[Candidate, ...]
    backbone: Backbone
    budget: int
    metric: str
    lower_is_better: bool
    trials: int
    seed: int
    epoch_steps: int

    @property
    def layers(self) -> int:
        """Number of layers of the backbone."""
        return self.backbone.anatomy.num_layers

    @property
    def most_epochs(self) -> int:
        """Number of trained epochs that a strategy may cost."""
        return self.trials * self.config.num_epochs

    def candidate(self, name: str) -> Candidate:
        """Return the candidate of a name."""
        return next(one for one in self.candidates if one.name == name)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A training that a strategy asks for.

    Attributes:
        config: Its settings.
        kind: `train`: an ordinary training, without a test. `bilevel`: a training of gates and
            adapters in turn. `probe`: no training; the importance of layers.
        settings: Settings of the kind.
        facts: What the strategy wants to know again with the result.
    """

    config: TrainConfig
    kind: Kind = "train"
    settings: Mapping[str, str | int | float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The result of a proposal.

    Attributes:
        proposal: The proposal.
        score: The validation metric of the best epoch, so that higher is better; None: it failed.
        parameters: Trained parameters without the head.
        epochs: Epochs trained, which is its cost.
        facts: What the kind has found, such as the gates of each layer after each epoch.
        reason: Why it failed.
    """

    proposal: Proposal
    score: float | None
    parameters: int = 0
    epochs: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a strategy has found.

    Attributes:
        config: Settings of the training from scratch that the answer stands for, recipe included.
        start: The proposal whose trained parameters the answer can continue from; None: there are
            none.
        facts: What the report shows, such as the gates, or the importance of layers.
    """

    config: TrainConfig
    start: Proposal | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class Strategy(ABC):
    """A way to search. One file each in this package.

    Attributes:
        name: Its name in `--strategy`.
        about: What it does, in one sentence.
        source: The publication; empty without one.
        options: Its settings in `name(setting=value)`.
        is_control: Whether every search reports it beside the strategy that was asked for.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    source: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Setting]] = {}
    is_control: ClassVar[bool] = False

    def __init__(self, problem: Problem, **values: Any) -> None:
        """Keep the problem and the values of the settings.

        Raises:
            SearchError: the strategy cannot search for this.
        """
        self.problem, self.values = problem, values

    @abstractmethod
    def propose(self, tried: Sequence[Tried]) -> list[Proposal]:
        """Return the next wave, given the results of all earlier ones; empty: it is done."""

    @abstractmethod
    def answer(self, tried: Sequence[Tried]) -> Answer:
        """Return what was found.

        Raises:
            SearchError: nothing that was tried has a result.
        """
