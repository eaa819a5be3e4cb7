"""What a head computes and what its outputs mean, in terms that other libraries share.

Heads state their form and tasks the kind of their outputs; backbone families say which class of
transformers computes the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from jaxtyping import Float
from torch import Tensor, nn

Kind: TypeAlias = Literal["classes", "tags", "numbers", "frame-tags", "text", "embedding"]


@dataclass(frozen=True, slots=True)
class HeadForm:
    """A head of linear layers: output(norm(pool(projector(frame)))).

    Attributes:
        pooling: `mean` over the frames of a recording, its first token (`cls`), the mean of its
            first two (`cls-distillation`), or `frames` for an output for each frame.
        projector: Linear map of each frame; None: the identity.
        output: Linear map of what is pooled; its rows are the outputs. In an embedding, the
            vectors of the training speakers, which are not applied.
        layer_logits: Logits of the softmax by which the states of all layers are summed before the
            head; None: it reads the output of the backbone.
        norm: Norm of what is pooled; None: the identity.
    """

    pooling: Literal["mean", "cls", "cls-distillation", "frames"]
    projector: nn.Linear | None
    output: nn.Linear
    layer_logits: Float[Tensor, " L"] | None = None
    norm: nn.LayerNorm | None = None


@dataclass(frozen=True, slots=True)
class OutputKind:
    """What the outputs of a task mean.

    Attributes:
        kind: One class of several (`classes`), any number of tags (`tags`), numbers, tags of each
            frame (`frame-tags`), a text by CTC whose output 0 is the blank (`text`), or an
            embedding whose cosine compares speakers (`embedding`).
        names: Name of each output. Of a text, its units without the blank.
        separator: What is between the units of a text.
        means: What is added to each number, after it is multiplied by its deviation.
        deviations: What each number is multiplied by.
    """

    kind: Kind
    names: Sequence[str]
    separator: str = ""
    means: Sequence[float] = ()
    deviations: Sequence[float] = ()
