"""The head of a transformers model as a head of ossicle.

    projector, classifier     classifier(mean of projector(frames))                  superb, mean
    classifier.layernorm, .dense   dense(layernorm(mean of CLS and distillation))    ast
    lm_head                   lm_head(frame)                                         frames

The projector of a classifier is linear, so one that is not as wide as that of `superb` is
multiplied with the classifier: `mean`.

A part that the adapter does not hold is taken from the checkpoint of the backbone. If it is not
there either, transformers draws it at random each time that the model is loaded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import torch
from safetensors import safe_open
from torch import Tensor, nn

from ossicle.anatomy import Anatomy
from ossicle.backbones import Backbone
from ossicle.backbones.family import Family
from ossicle.errors import AdapterFileError, listing
from ossicle.heads import Head, build_head
from ossicle.heads.head import PROJECTOR_WIDTH

Parts = dict[str, Tensor]
CLASSIFIER: Final = ("projector.weight", "projector.bias", "classifier.weight", "classifier.bias")
TOKENS: Final = tuple(
    f"classifier.{part}.{name}" for part in ("layernorm", "dense") for name in ("weight", "bias")
)
CTC: Final = ("lm_head.weight", "lm_head.bias")
PARTS: Final = ("projector.", "classifier.", "lm_head.")


@dataclass(frozen=True, slots=True)
class ReadHead:
    """A head that was read from a file.

    Attributes:
        head: The head; None: there is none, or it is incomplete.
        notices: Why it is left out.
    """

    head: Head | None = None
    notices: list[str] = field(default_factory=list)


def read_head(
    parts: Mapping[str, Tensor], deltas: Mapping[str, Tensor], backbone: Backbone
) -> ReadHead:
    """Return the head of an adapter.

    Args:
        parts: Parameters of the head in the adapter.
        deltas: LoRA of its linear layers: what is added to their weights, by path.
        backbone: The backbone; its checkpoint may hold the rest of the head.

    Raises:
        AdapterFileError: parameters do not fit each other.
    """
    if not parts and not deltas:
        return ReadHead()
    whole = {**_of_checkpoint(backbone), **parts}
    lacking = [path for path in deltas if f"{path}.weight" not in whole]
    if lacking:
        return ReadHead(notices=[_incomplete(lacking)])
    for path, delta in deltas.items():
        whole[f"{path}.weight"] = whole[f"{path}.weight"] + delta
    if all(name in whole for name in CTC) and any(name.startswith("lm_head") for name in parts):
        return ReadHead(_filled("frames", backbone.anatomy, _renamed(whole, CTC, ("linear",))))
    if all(name in whole for name in TOKENS):
        named = _renamed(whole, TOKENS, ("norm", "linear"))
        return ReadHead(_filled("ast", backbone.anatomy, named))
    if all(name in whole for name in CLASSIFIER):
        return _classifier(whole, backbone)
    held = {name.partition(".")[0] for name in (*parts, *(f"{path}." for path in deltas))}
    if held == {"classifier"}:
        return ReadHead(notices=[_incomplete(["projector"])])
    return ReadHead(
        notices=[
            f"the head is left out: ossicle has no equal of {listing(sorted(held))}. The adapter "
            "is imported without it"
        ]
    )


def _classifier(whole: Parts, backbone: Backbone) -> ReadHead:
    if type(backbone.family).head_mask is not Family.head_mask:
        return ReadHead(
            notices=[
                f"the head is left out: {backbone.family.no_counterpart}. The adapter is imported "
                "without it"
            ]
        )
    first, offset, weight, bias = (whole[name] for name in CLASSIFIER)
    if len(first) == PROJECTOR_WIDTH:
        named = _renamed(whole, CLASSIFIER, ("projector", "linear"))
        return ReadHead(_filled("superb", backbone.anatomy, named))
    if weight.shape[1:] != first.shape[:1]:
        raise AdapterFileError(
            f"the classifier reads {weight.shape[-1]} channels, and the projector before it has "
            f"{len(first)}; the adapter was trained on another checkpoint than '{backbone.name}'"
        )
    product = weight.double() @ first.double()
    shift = weight.double() @ offset.double() + bias.double()
    named = {"linear.weight": product.float(), "linear.bias": shift.float()}
    return ReadHead(_filled("mean", backbone.anatomy, named))


def _incomplete(lacking: list[str]) -> str:
    return (
        f"the head is incomplete and is left out: neither the adapter nor the checkpoint holds "
        f"{listing(lacking)}, which transformers then draws at random each time the model is "
        "loaded, so that the answers of this adapter differ from one loading to the next in peft "
        "too. Train it again with modules_to_save=['projector', 'classifier']"
    )


def _renamed(whole: Parts, names: tuple[str, ...], to: tuple[str, ...]) -> Parts:
    """Return parameters, two for each module, under the names of other modules."""
    new = [f"{module}.{name}" for module in to for name in ("weight", "bias")]
    return {other: whole[name] for name, other in zip(names, new, strict=True)}


@torch.no_grad()
def _filled(name: str, anatomy: Anatomy, tensors: Parts) -> Head:
    """Return a head with these parameters."""
    head = build_head(name, anatomy, len(tensors["linear.bias"]))
    own: dict[str, nn.Parameter] = dict(head.named_parameters())
    for key, parameter in own.items():
        if tuple(tensors[key].shape) != tuple(parameter.shape):
            raise AdapterFileError(
                f"a parameter of the head has shape {list(tensors[key].shape)}, and a backbone of "
                f"width {anatomy.width} needs {list(parameter.shape)}. Name the backbone that the "
                "adapter was trained on with --backbone"
            )
        parameter.copy_(tensors[key])
    return head.eval()


def _of_checkpoint(backbone: Backbone) -> Parts:
    """Return the parameters of a head in the checkpoint of a backbone."""
    found: Parts = {}
    for file in backbone.weight_files:
        with safe_open(file.path, framework="pt") as opened:
            for key in opened.keys():  # noqa: SIM118 - a safetensors file is no mapping
                if key.startswith(PARTS):
                    found[key] = opened.get_tensor(key).float()
    return found
