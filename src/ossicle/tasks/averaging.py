"""Averaging of outputs: logits whose probabilities are the mean over several outputs.

These functions combine the windows of a long recording and the members of an ensemble. The result
is logits like the output of a single model, so decoders need no special case.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ossicle.errors import RunError


def stacked(outputs: Sequence[Tensor]) -> Float[Tensor, "M ..."]:
    """Return outputs of several members for one recording as one tensor.

    Raises:
        RunError: they have different numbers of frames, or of values in a frame.
    """
    shapes = sorted({tuple(output.shape) for output in outputs})
    if len(shapes) > 1:
        sizes = ", ".join(" x ".join(map(str, shape)) for shape in shapes)
        raise RunError(
            f"the members' outputs for one recording have different shapes ({sizes}) and cannot be "
            "averaged. Use members with the same labels, and for a task with an output for each "
            "frame, with backbones of the same frame rate"
        )
    return torch.stack(list(outputs))


def mean_of_softmax(logits: Float[Tensor, "M ... C"]) -> Float[Tensor, "... C"]:
    """Return the logarithm of the mean over M of the class probabilities."""
    return torch.logsumexp(logits.log_softmax(dim=-1), dim=0) - math.log(len(logits))


def mean_of_sigmoid(logits: Float[Tensor, "M ..."]) -> Float[Tensor, "..."]:
    """Return the logit of the mean over M of the probabilities, each from a sigmoid.

        ln(p / (1 - p)) = ln sum_m sigmoid(x_m) - ln sum_m sigmoid(-x_m)

    Finite for logits of any size.
    """
    present = torch.logsumexp(F.logsigmoid(logits), dim=0)
    return present - torch.logsumexp(F.logsigmoid(-logits), dim=0)
