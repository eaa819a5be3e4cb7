"""Averaging of outputs: logits whose probabilities are the mean over several outputs.

    choice             arithmetic mean of the probabilities
    choice, by frame   geometric mean of the probabilities: the mean of their logarithms
    presence           arithmetic mean of the probabilities
    number             mean of the values

A text of CTC has a probability that is a product over frames, hence the mean of logarithms there.
These functions combine the windows of a long recording and the members of an ensemble. The result
is logits like the output of a single model, so decoders need no special case.
"""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from ossicle.errors import RunError
from ossicle.tasks.answer import Answer, blocks

Mean = Callable[[Tensor, Tensor], Tensor]


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


def mean_of_answers(
    outputs: Float[Tensor, "M ... C"],
    answers: Sequence[Answer],
    *,
    by_frame: bool,
    weights: Float[Tensor, " M"] | None = None,
) -> Float[Tensor, "... C"]:
    """Return the weighted mean over M of all answers, each as its kind requires.

    Args:
        outputs: The outputs of M members or windows.
        answers: The answers in them: `Task.answers`.
        by_frame: Whether an output has a row for each frame: `Task.by_frame`.
        weights: They sum to 1; None: all equal.
    """
    if weights is None:
        weights = torch.full((len(outputs),), 1 / len(outputs))
    weights = weights.to(outputs).reshape(-1, *[1] * (outputs.ndim - 1))  # (M, 1, ..., 1)
    means: dict[str, Mean] = {
        "choice": mean_of_log_softmax if by_frame else mean_of_softmax,
        "presence": mean_of_sigmoid,
        "number": lambda values, weights: (values * weights).sum(dim=0),
    }
    parts = [means[block.kind](outputs[..., block.columns], weights) for block in blocks(answers)]
    return torch.cat(parts, dim=-1)


def mean_of_softmax(
    logits: Float[Tensor, "M ... C"], weights: Float[Tensor, "M ..."]
) -> Float[Tensor, "... C"]:
    """Return the logarithm of the mean over M of the class probabilities."""
    return torch.logsumexp(logits.log_softmax(dim=-1) + weights.log(), dim=0)


def mean_of_log_softmax(
    logits: Float[Tensor, "M ... C"], weights: Float[Tensor, "M ..."]
) -> Float[Tensor, "... C"]:
    """Return the mean over M of the logarithms of the class probabilities, renormalised."""
    return (logits.log_softmax(dim=-1) * weights).sum(dim=0).log_softmax(dim=-1)


def mean_of_sigmoid(
    logits: Float[Tensor, "M ..."], weights: Float[Tensor, "M ..."]
) -> Float[Tensor, "..."]:
    """Return the logit of the mean over M of the probabilities, each from a sigmoid.

        ln(p / (1 - p)) = ln sum_m w_m sigmoid(x_m) - ln sum_m w_m sigmoid(-x_m)

    Finite for logits of any size.
    """
    present = torch.logsumexp(F.logsigmoid(logits) + weights.log(), dim=0)
    return present - torch.logsumexp(F.logsigmoid(-logits) + weights.log(), dim=0)
