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
from transformers import MODEL_MAPPING

from ossicle.anatomy import Anatomy
from ossicle.backbones.attention import ForwardState


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


@dataclass(frozen=True, slots=True)
class PartialForward:
    """A batch on its way through a backbone.

    Attributes:
        depth: How far it has come: see `ossicle.anatomy.site`.
        hidden: Its state there.
        lengths: Real entries of each row of the values it began as.
        frame_mask: True is real; None: every frame is.
        below: What entered the layers 0, 1, ... so far; empty where it was not kept.
    """

    depth: int
    hidden: Float[Tensor, "B ..."]
    lengths: Int[Tensor, " B"]
    frame_mask: Bool[Tensor, "B T"] | None = None
    layer_inputs: tuple[Float[Tensor, "..."], ...] = ()


class Family(ABC):
    """One architecture. An instance holds no state.

    Attributes:
        name: The word for it in messages and saved adapters.
        model_type: `model_type` of its transformers configuration.
        named: Settings of true-size models, for `config:<name>`.
        extractor: Settings of the feature extractor of those models.
        part: How the names of the weights begin of the part that hears; empty: all of them.
        inside: How the names of the weights of that part begin, up to the first dot. In a
            checkpoint without a prefix, whatever begins otherwise belongs to a head.
        stack: Path of the layers in that part.
        variant: What tells backbones with the same weights apart whose adapters differ.
    """

    name: ClassVar[str]
    model_type: ClassVar[str]
    named: ClassVar[Mapping[str, Mapping[str, Any]]]
    extractor: ClassVar[Mapping[str, Any]]
    weights_prefix: ClassVar[str] = ""
    top_modules: ClassVar[tuple[str, ...]]
    variant: str = ""
    layers_path: ClassVar[str]

    @abstractmethod
    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a model with this configuration.

        Raises:
            BackboneError: the configuration switches on a part that ossicle does not describe.
        """

    def model_class(self, config: Any) -> Any:
        """Return the transformers class of the part that hears."""
        return MODEL_MAPPING[type(config)]

    def must_agree(self, config: Any, extractor: Any) -> list[tuple[str, object, str, object]]:
        """Return what a feature extractor gives and a model reads, which must be equal.

        Returns:
            Rows of a setting of the extractor, its value, one of the configuration, its value.
        """
        shared = ((key, getattr(extractor, key, None)) for key in ("num_mel_bins", "max_length"))
        return [
            (key, value, key, getattr(config, key)) for key, value in shared if value is not None
        ]

    def encoder(self, model: Any) -> Any:
        """Return the part of a loaded model that hears; the whole of it, for most."""
        return model.get_submodule(self.weights_prefix.rstrip("."))

    def prepare(self, model: Any, state: ForwardState) -> None:  # noqa: B027 - most families need nothing
        """Change a loaded model so that every site is really called and no row sees its padding.

        Args:
            model: The transformers model, whose attentions have their state already.
            state: The state of the forward passes of this backbone.
        """

    def values(
        self, extractor: Any, wave: NDArray[np.float32]
    ) -> tuple[Float[Tensor, "N ..."], int]:
        """Return what the model takes for one wave, time first, and how much of it is real."""
        made = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="np")
        row = torch.as_tensor(np.asarray(made["input_values"][0], dtype=np.float32))
        return row, len(row)

    def features(
        self,
        model: Any,  # noqa: ARG002 - where the values are a filter bank's there is nothing to run
        values: Float[Tensor, "B ..."],
        lengths: Int[Tensor, " B"],  # noqa: ARG002 - likewise
        state: ForwardState,  # noqa: ARG002 - likewise
    ) -> Float[Tensor, "B T C"]:
        """Run the front end on a padded batch, so that padding does not change a row.

        Args:
            model: The transformers model.
            values: What `values` made of each wave, padded with zeros.
            lengths: Real entries of each row of `values`.
            state: Is told which frames are real, where not all are.
        """
        return values

    @abstractmethod
    def embed(
        self, model: Any, features: Float[Tensor, "B T C"], state: ForwardState
    ) -> Float[Tensor, "B S D"]:
        """Return what enters the first layer."""

    def layer_kwargs(
        self,
        model: Any,  # noqa: ARG002 - most layers are given frames alone
        hidden: Float[Tensor, "B T D"],  # noqa: ARG002 - likewise
        state: ForwardState,  # noqa: ARG002 - likewise
    ) -> dict[str, Any]:
        """Return what every layer is given beside its frames."""
        return {}

    def run_layer(
        self, layer: Any, hidden: Float[Tensor, "B T D"], layer_kwargs: dict[str, Any]
    ) -> Float[Tensor, "B S D"]:
        """Run a layer; the mask of the frames is in the state."""
        made: Tensor = layer(hidden, attention_mask=None, **layer_kwargs)
        return made

    def finish(
        self,
        model: Any,  # noqa: ARG002 - post-norm models have nothing behind the last layer
        hidden: Float[Tensor, "B T D"],
    ) -> Float[Tensor, "B T D"]:
        """Return what leaves the model, of what leaves the last layer."""
        return hidden

    def head_mask(
        self,
        model: Any,  # noqa: ARG002 - most families keep silence out before their layers
        hidden: Float[Tensor, "B T D"],
        lengths: Int[Tensor, " B"],  # noqa: ARG002 - likewise
    ) -> Bool[Tensor, "B T"]:
        """Return the frames that a head may read, where all were real inside the model."""
        return hidden.new_ones(hidden.shape[:2], dtype=torch.bool)

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
