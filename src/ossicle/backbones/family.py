"""What a family of backbones is: its sites, its quirks, its frames, a tiny random one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ossicle.anatomy import Anatomy


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a backbone makes of a batch.

    Attributes:
        hidden: Output of the last layer, after the final norm where there is one.
        frame_mask: True is real; padded frames are False.
    """

    hidden: Float[Tensor, "B T D"]
    frame_mask: Bool[Tensor, "B T"]


class Family(ABC):
    """One architecture. An instance holds no state.

    Attributes:
        name: The word for it in messages and saved adapters.
        model_type: `model_type` of its transformers configuration.
        named: Settings of true-size models, for `config:<name>`.
        extractor: Settings of the feature extractor of those models.
    """

    name: ClassVar[str]
    model_type: ClassVar[str]
    named: ClassVar[Mapping[str, Mapping[str, Any]]]
    extractor: ClassVar[Mapping[str, Any]]

    @abstractmethod
    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a model with this configuration.

        Raises:
            BackboneError: the configuration switches on a part that ossicle does not describe.
        """

    def prepare(self, model: nn.Module) -> None:  # noqa: B027 - most families need nothing
        """Change a loaded model so that every site is really called; most need nothing."""

    @abstractmethod
    def encode(
        self, model: Any, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]
    ) -> Encoded:
        """Run the model on a padded batch, so that padding does not change a row.

        Args:
            model: The transformers model.
            values: What `Backbone.values` made of each wave, padded with zeros.
            lengths: Real entries of each row of `values`.
        """

    @abstractmethod
    def min_samples(self, config: Any, extractor: Any) -> int:
        """Return the shortest wave, in samples at the backbone's rate, that makes a frame."""

    def max_samples(self, config: Any, extractor: Any) -> int | None:  # noqa: ARG002
        """Return the longest wave that the model takes whole; None: any length."""
        return None

    @abstractmethod
    def tiny(self) -> dict[str, Any]:
        """Return settings of a random model of a few thousand parameters, for tests."""
