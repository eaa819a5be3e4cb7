"""Interface of a backbone family: sites, forward pass in steps, lengths, a tiny model for tests."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import MODEL_MAPPING

from ossicle.anatomy import Anatomy
from ossicle.backbones.attention import ForwardState
from ossicle.backbones.counterpart import Counterpart
from ossicle.errors import BackboneError, MergeError
from ossicle.head_form import HeadForm, OutputKind

KEEP: Final = (
    "Keep the run, which `ossicle predict` uses as it is, or train on a backbone over waveforms, "
    "such as wavlm"
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Output of a backbone for a batch.

    Attributes:
        hidden: Output of the last layer, after the final norm if there is one; or the output of an
            adapter at `layers`.
        frame_mask: Mask, True for real frames, False for padding.
    """

    hidden: Float[Tensor, "B T D"]
    frame_mask: Bool[Tensor, "B T"]


@dataclass(frozen=True, slots=True)
class PartialForward:
    """A forward pass stopped at a depth, so that it can be stored and resumed.

    Attributes:
        depth: Depth it has reached, see `ossicle.anatomy.site`.
        hidden: Hidden states at that depth.
        lengths: Real entries of each row of the model input.
        frame_mask: Mask, True for real frames; None: all frames are real.
        layer_inputs: Inputs of layers 0, 1, ... so far; empty if they were not kept.
    """

    depth: int
    hidden: Float[Tensor, "B ..."]
    lengths: Int[Tensor, " B"]
    frame_mask: Bool[Tensor, "B T"] | None = None
    layer_inputs: tuple[Float[Tensor, "..."], ...] = ()


class Family(ABC):
    """One architecture. Instances are stateless.

    Attributes:
        name: Name in messages and saved adapters.
        model_type: `model_type` of its transformers configuration.
        named: Settings of released models, for `config:<name>`.
        extractor: Settings of the feature extractor of those models.
        weights_prefix: Prefix of the weights of the part that ossicle runs; empty: the whole model.
        top_modules: Top-level modules of that part. In a checkpoint without a prefix, all other
            weights belong to a task head.
        layers_path: Path of the list of layers in that part.
        has_decoder: Whether ossicle runs its text decoder too.
        no_counterpart: Why no class of transformers computes the same as a model with a head.
        variant: Setting that tells apart backbones with equal weights but different adapters.
        uncalled: Sites whose module the code of transformers reads the weights of and never calls,
            so that wrappers around it, such as those of peft, change nothing there.
    """

    name: ClassVar[str]
    model_type: ClassVar[str]
    named: ClassVar[Mapping[str, Mapping[str, Any]]]
    extractor: ClassVar[Mapping[str, Any]]
    weights_prefix: ClassVar[str] = ""
    top_modules: ClassVar[tuple[str, ...]]
    has_decoder: ClassVar[bool] = False
    no_counterpart: ClassVar[str] = "transformers has no class with a head of this family"
    variant: str = ""
    layers_path: ClassVar[str]
    uncalled: ClassVar[tuple[str, ...]] = ()

    def of_length(self, length: str, extractor: Any) -> "Family":  # noqa: ARG002 - for those that pad
        """Return the family for an option `length`, for those that pad to a fixed length.

        Args:
            length: What the user wrote.
            extractor: Feature extractor of the model.

        Raises:
            BackboneError: it has no such length; the message says which it has.
        """
        raise BackboneError(
            f"{self.name} processes every recording at its own length and has no such option. "
            "Leave it out"
        )

    @abstractmethod
    def describe(self, config: Any) -> Anatomy:
        """Return the sites of a model with this configuration.

        Raises:
            BackboneError: the configuration switches on a part that ossicle does not describe.
        """

    def model_class(self, config: Any) -> Any:
        """Return the transformers class of the part that ossicle runs."""
        return MODEL_MAPPING[type(config)]

    def own_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return settings of a random model without what this family would not run."""
        return dict(settings)

    def must_agree(self, config: Any, extractor: Any) -> list[tuple[str, object, str, object]]:
        """Return settings of feature extractor and model that must be equal.

        Returns:
            Rows of: extractor setting, its value, configuration setting, its value.
        """
        shared = ((key, getattr(extractor, key, None)) for key in ("num_mel_bins", "max_length"))
        return [
            (key, value, key, getattr(config, key)) for key, value in shared if value is not None
        ]

    def assemble(self, model: Any) -> Any:
        """Return the module that ossicle runs, of a model of `model_class`: for most, all of it."""
        return model

    def encoder(self, model: Any) -> Any:
        """Return the module that ossicle runs, of a whole model: for most families, all of it."""
        return model.get_submodule(self.weights_prefix.rstrip("."))

    def renamed(self, path: str) -> str:
        """Return the path of a module in today's transformers, given one in any version."""
        return path

    def path_inside(self, path: str) -> str | None:
        """Return the path of a module in what ossicle runs; None: it is not a part of that.

        Args:
            path: Its path in transformers' model, without a task head around it.
        """
        prefix = self.weights_prefix
        return path.removeprefix(prefix) if path.startswith(prefix) else None

    def path_outside(self, path: str) -> str:
        """Return the path of a module in transformers' model: the inverse of `path_inside`."""
        return f"{self.weights_prefix}{path}"

    def prepare(self, model: Any, state: ForwardState) -> None:  # noqa: B027 - most families need nothing
        """Patch a loaded model so that every site is called and padding does not change a row.

        Args:
            model: The transformers model; its attention modules already have `forward_state`.
            state: State of this backbone's forward passes.
        """

    def values(
        self, extractor: Any, wave: NDArray[np.float32]
    ) -> tuple[Float[Tensor, "N ..."], int]:
        """Return the model input of one wave, time first, and how many of its entries are real."""
        output = extractor(wave, sampling_rate=extractor.sampling_rate, return_tensors="np")
        row = torch.as_tensor(np.asarray(output["input_values"][0], dtype=np.float32))
        return row, len(row)

    def front_end(self, extractor: Any) -> nn.Module:  # noqa: ARG002 - for families without it
        """Return a module that computes `values` of a padded batch, for a graph that is exported.

        It maps waves (B, N) and their lengths (B,) to the model input and the lengths of its rows:
        see `ossicle.backbones.front_ends`.

        Raises:
            BackboneError: the family computes its model input in another way.
        """
        raise BackboneError(
            f"the model input of {self.name} is computed outside of torch, so a graph cannot "
            "compute it from a waveform; define front_end for the family"
        )

    def features(
        self,
        model: Any,  # noqa: ARG002 - the default is for inputs that are features already
        values: Float[Tensor, "B ..."],
        lengths: Int[Tensor, " B"],  # noqa: ARG002 - as above
        state: ForwardState,  # noqa: ARG002 - as above
    ) -> Float[Tensor, "B T C"]:
        """Run the front end on a padded batch; padding must not change a row.

        Args:
            model: The transformers model.
            values: Model input, padded with zeros.
            lengths: Real entries of each row of `values`.
            state: State in which to set `frame_mask`, unless all frames are real.
        """
        return values

    @abstractmethod
    def embed(
        self, model: Any, features: Float[Tensor, "B T C"], state: ForwardState
    ) -> Float[Tensor, "B S D"]:
        """Return the input of the first layer."""

    def layer_kwargs(
        self,
        model: Any,  # noqa: ARG002 - most layers take hidden states only
        hidden: Float[Tensor, "B T D"],  # noqa: ARG002 - as above
        state: ForwardState,  # noqa: ARG002 - as above
    ) -> dict[str, Any]:
        """Return further keyword arguments for every layer."""
        return {}

    def run_layer(
        self, layer: Any, hidden: Float[Tensor, "B T D"], layer_kwargs: dict[str, Any]
    ) -> Float[Tensor, "B S D"]:
        """Run one layer; attention takes the frame mask from the forward state."""
        output: Tensor = layer(hidden, attention_mask=None, **layer_kwargs)
        return output

    def finish(
        self,
        model: Any,  # noqa: ARG002 - post-norm models end with the last layer
        hidden: Float[Tensor, "B T D"],
    ) -> Float[Tensor, "B T D"]:
        """Return the backbone output, given the output of the last layer."""
        return hidden

    def head_mask(
        self,
        model: Any,  # noqa: ARG002 - most families mask padding before their layers
        hidden: Float[Tensor, "B T D"],
        lengths: Int[Tensor, " B"],  # noqa: ARG002 - as above
    ) -> Bool[Tensor, "B T"]:
        """Return the mask of frames for the head, if the model itself treats all as real."""
        return hidden.new_ones(hidden.shape[:2], dtype=torch.bool)

    def counterpart(
        self,
        config: Any,  # noqa: ARG002 - most families have classes with linear heads
        form: HeadForm,  # noqa: ARG002 - as above
        outputs: OutputKind,  # noqa: ARG002 - as above
    ) -> Counterpart:
        """Return the class of transformers that computes the same as a model with this head.

        Args:
            config: Configuration of the model.
            form: The head.
            outputs: What its outputs mean.

        Raises:
            MergeError: there is none; the message says why.
        """
        raise MergeError(f"{self.no_counterpart}. {KEEP}")

    @abstractmethod
    def min_samples(self, config: Any, extractor: Any) -> int:
        """Return the samples, at the backbone's rate, of the shortest wave that gives a frame."""

    @abstractmethod
    def num_frames(self, config: Any, extractor: Any, num_samples: int) -> int:
        """Return the number of real frames of a wave of that length."""

    def max_samples(self, config: Any, extractor: Any) -> int | None:  # noqa: ARG002 - most have no limit
        """Return the samples of the longest wave that the model reads whole; None: no limit."""
        return None

    def frame_rate(self, config: Any, extractor: Any) -> float:
        """Return the frames per second; 0 if every wave has the same number of frames."""
        rate = extractor.sampling_rate
        short, long = (self.num_frames(config, extractor, s * rate) for s in (5, 15))
        return (long - short) / 10

    @abstractmethod
    def tiny(self) -> dict[str, Any]:
        """Return settings of a random model of a few thousand parameters, for tests."""
