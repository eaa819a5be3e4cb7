"""What a family of backbones is: its sites, its quirks, its frames, a tiny random one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from ossicle.anatomy import Anatomy
from ossicle.backbones.flow import Flow


@dataclass(frozen=True, slots=True)
class Encoded:
    """What a backbone makes of a batch.

    Attributes:
        hidden: What the transformer leaves to the head: the output of the last layer, after the
            final norm where there is one, or what an adapter at `layers` made of all of them.
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
        part: How the names of the weights begin of the part that hears; empty: all of them.
    """

    name: ClassVar[str]
    model_type: ClassVar[str]
    named: ClassVar[Mapping[str, Mapping[str, Any]]]
    extractor: ClassVar[Mapping[str, Any]]
    part: ClassVar[str] = ""

    @abstractmethod
    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a model with this configuration.

        Raises:
            BackboneError: the configuration switches on a part that ossicle does not describe.
        """

    def encoder(self, model: Any) -> Any:
        """Return the part of a loaded model that hears; the whole of it, for most."""
        return model.get_submodule(self.part.rstrip("."))

    def prepare(self, model: Any, flow: Flow) -> None:  # noqa: B027 - most families need nothing
        """Change a loaded model so that every site is really called and no row sees its padding.

        Args:
            model: The transformers model, whose attentions have their flow already.
            flow: The state of the forward passes of this backbone.
        """

    def values(
        self, extractor: Any, wave: NDArray[np.float32]
    ) -> tuple[Float[Tensor, "N ..."], int]:
        """Return what the model takes for one wave, time first, and how much of it is real."""
        made = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="np")
        row = torch.as_tensor(np.asarray(made["input_values"][0], dtype=np.float32))
        return row, len(row)

    @abstractmethod
    def encode(
        self, model: Any, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"], flow: Flow
    ) -> Encoded:
        """Run the model on a padded batch, so that padding does not change a row.

        Args:
            model: The transformers model.
            values: What `values` made of each wave, padded with zeros.
            lengths: Real entries of each row of `values`.
            flow: Is told which frames are real before the transformer runs, and says so after it.
        """

    @abstractmethod
    def min_samples(self, config: Any, extractor: Any) -> int:
        """Return the shortest wave, in samples at the backbone's rate, that makes a frame."""

    @abstractmethod
    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:
        """Return how many real frames a wave of that length makes."""

    def max_samples(self, config: Any, extractor: Any) -> int | None:  # noqa: ARG002
        """Return the longest wave that the model takes whole; None: any length."""
        return None

    @abstractmethod
    def tiny(self) -> dict[str, Any]:
        """Return settings of a random model of a few thousand parameters, for tests."""
