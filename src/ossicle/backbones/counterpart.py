"""The class of transformers that computes what a backbone with a linear head computes.

The classes of wav2vec 2.0 and similar models have these heads (D the backbone's width, C outputs):

    ForSequenceClassification     classifier(mean over frames of projector(frame))
    ForCTC                        lm_head(frame)
    ForAudioFrameClassification   classifier(frame)
    ForXVector                    feature_extractor([mean, deviation of tdnn(projector(frame))])

- A head without a projector gets the identity as projector, D wide.
- A projector before a layer on each frame is multiplied with it: lm_head = W P.
- The layers of ForXVector end with a ReLU. A linear map E(x) passes it as two halves, since
  x = relu(x) - relu(-x): projector = [E, -E], tdnn = identity over one frame,
  feature_extractor = [I, -I, 0, 0].
- Numbers that are standardised in training are scaled back by the last layer.

ASTForAudioClassification has dense(layernorm(mean of CLS and distillation token)).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn
from transformers import (
    MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING,
    MODEL_FOR_AUDIO_FRAME_CLASSIFICATION_MAPPING,
    MODEL_FOR_AUDIO_XVECTOR_MAPPING,
    MODEL_FOR_CTC_MAPPING,
)

from ossicle.errors import MergeError
from ossicle.head_form import HeadForm, OutputKind

Tensors: TypeAlias = dict[str, Tensor]
Made: TypeAlias = tuple[dict[str, Any], Tensors]
BLANK: Final = 0  # output number of the blank of CTC
SPACE: Final = "|"  # the space in the vocabulary of transformers' CTC tokenizers
AUTO: Final[Mapping[str, tuple[str, Any]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("classes", "tags", "numbers"),
            ("AutoModelForAudioClassification", MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING),
        ),
        "text": ("AutoModelForCTC", MODEL_FOR_CTC_MAPPING),
        "frame-tags": (
            "AutoModelForAudioFrameClassification",
            MODEL_FOR_AUDIO_FRAME_CLASSIFICATION_MAPPING,
        ),
        "embedding": ("AutoModelForAudioXVector", MODEL_FOR_AUDIO_XVECTOR_MAPPING),
    }
)
PROBLEMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "classes": "single_label_classification",
        "tags": "multi_label_classification",
        "frame-tags": "multi_label_classification",
        "numbers": "regression",
    }
)


@dataclass(frozen=True, slots=True)
class Counterpart:
    """A class of transformers, with what it needs besides the backbone.

    Attributes:
        auto: The `Auto...` class that loads it.
        model_class: The class.
        settings: Settings of its configuration.
        tensors: Weights of its head.
    """

    auto: str
    model_class: Any
    settings: dict[str, Any]
    tensors: Tensors


def counterpart_of(family: str, config: Any, form: HeadForm, outputs: OutputKind) -> Counterpart:
    """Return the class of a model like wav2vec 2.0.

    Args:
        family: Name of the family, for messages.
        config: Configuration of the backbone.
        form: The head.
        outputs: What its outputs mean.

    Raises:
        MergeError: transformers has none for this family, or none with this head.
    """
    auto, mapping = AUTO[outputs.kind]
    if type(config) not in mapping:
        raise MergeError(
            f"transformers has no {auto} for {family}; it has one for wav2vec2 and wavlm, among "
            "others. Keep the run, which `ossicle predict` uses as it is"
        )
    expected = "frames" if outputs.kind in ("text", "frame-tags") else "mean"
    if form.pooling != expected:
        raise MergeError(f"{auto} needs a head over '{expected}', and this one is '{form.pooling}'")
    make = {"text": _text, "frame-tags": _by_frame, "embedding": _embedding}
    settings, tensors = make.get(outputs.kind, _pooled)(config.hidden_size, form, outputs)
    if form.layer_logits is not None:
        if outputs.kind == "text":
            raise MergeError(
                f"{auto} has no weighted sum of layers, which this run was trained with; train "
                "without weighted-sum"
            )
        settings["use_weighted_layer_sum"] = True
        settings["tie_last_hidden_states"] = True  # transformers 5 else sums it before its norm
        tensors["layer_weights"] = form.layer_logits
    return Counterpart(auto, mapping[type(config)], settings, _detached(tensors))


def counterpart_of_tokens(config: Any, form: HeadForm, outputs: OutputKind) -> Counterpart | None:
    """Return AST's classifier; None if the head or what it answers is another.

    Args:
        config: Configuration of the backbone.
        form: The head.
        outputs: What its outputs mean.
    """
    is_pooled = outputs.kind in ("classes", "tags", "numbers")
    if form.norm is None or form.layer_logits is not None or not is_pooled:
        return None
    tensors = {
        **_linear("classifier.layernorm", form.norm.weight, form.norm.bias),
        **_linear("classifier.dense", *_in_units(form, outputs)),
    }
    auto, mapping = AUTO[outputs.kind]
    return Counterpart(auto, mapping[type(config)], _named(outputs), _detached(tensors))


def _detached(tensors: Tensors) -> Tensors:
    return {name: value.detach().float().contiguous() for name, value in tensors.items()}


def _in_units(form: HeadForm, outputs: OutputKind) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the last layer, which scales numbers back to their units."""
    weight, bias = _of(form.output)
    if outputs.kind == "numbers":
        deviations = torch.tensor(outputs.deviations).to(weight)
        weight = weight * deviations[:, None]
        bias = bias * deviations + torch.tensor(outputs.means).to(weight)
    return weight, bias


def _pooled(width: int, form: HeadForm, outputs: OutputKind) -> Made:
    """Return a projector and a classifier of the mean."""
    tensors = {
        **_linear("projector", *_projector(width, form)),
        **_linear("classifier", *_in_units(form, outputs)),
    }
    size = len(tensors["projector.bias"])
    return {"classifier_proj_size": size, **_named(outputs)}, tensors


def _text(width: int, form: HeadForm, outputs: OutputKind) -> Made:
    """Return the output layer of CTC; its vocabulary is the blank and the units."""
    del width
    if SPACE in outputs.names and not outputs.separator:
        raise MergeError(
            f"the texts of this run have the character '{SPACE}', which the tokenizers of "
            "transformers read as a space. Train on texts without it"
        )
    settings = {
        "vocab_size": len(outputs.names) + 1,
        "pad_token_id": BLANK,  # the blank in transformers' loss and in its tokenizers
        "ctc_loss_reduction": "mean",
    }
    return settings, _linear("lm_head", *_composed(form))


def _by_frame(width: int, form: HeadForm, outputs: OutputKind) -> Made:
    """Return the classifier of each frame."""
    del width
    return _named(outputs), _linear("classifier", *_composed(form))


def _embedding(width: int, form: HeadForm, outputs: OutputKind) -> Made:
    """Return the layers of an x-vector that leave the mean of the projected frames as it is."""
    weight, bias = _projector(width, form)
    size = len(bias)
    one, both = torch.eye(size), torch.eye(2 * size)
    tensors = {
        **_linear("projector", torch.cat((weight, -weight)), torch.cat((bias, -bias))),
        **_linear("tdnn.0.kernel", both, torch.zeros(2 * size)),
        **_linear(
            "feature_extractor",
            torch.cat((one, -one, torch.zeros(size, 2 * size)), dim=1),
            torch.zeros(size),
        ),
        **_linear("classifier", one, torch.zeros(size)),
        "objective.weight": form.output.weight.T,  # the training speakers, of its loss alone
    }
    settings = {
        "tdnn_dim": [2 * size],
        "tdnn_kernel": [1],
        "tdnn_dilation": [1],
        "xvector_output_dim": size,
        **_named(outputs),
    }
    return settings, tensors


def _projector(width: int, form: HeadForm) -> tuple[Tensor, Tensor]:
    """Return weight and bias of the projector: the identity where the head has none."""
    if form.projector is None:
        return torch.eye(width), torch.zeros(width)
    return _of(form.projector)


def _composed(form: HeadForm) -> tuple[Tensor, Tensor]:
    """Return weight and bias of output(projector(frame)) as one linear map, computed in float64."""
    weight, bias = _of(form.output)
    if form.projector is None:
        return weight, bias
    first, offset = (tensor.double() for tensor in _of(form.projector))
    return weight.double() @ first, weight.double() @ offset + bias


def _of(linear: nn.Linear) -> tuple[Tensor, Tensor]:
    return linear.weight, linear.bias


def _linear(name: str, weight: Tensor, bias: Tensor) -> Tensors:
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _named(outputs: OutputKind) -> dict[str, Any]:
    """Return names of outputs, and how pipelines turn outputs into scores."""
    named = {
        "id2label": dict(enumerate(outputs.names)),
        "label2id": {name: number for number, name in enumerate(outputs.names)},
    }
    return named | {"problem_type": PROBLEMS[outputs.kind]} if outputs.kind in PROBLEMS else named
