"""The diagonal of the Fisher information: how much each parameter matters to the answers.

    F_i  =  mean over recordings of  E_{y ~ p(y | x, w)} [ (d log p(y | x, w) / d w_i)^2 ]

y are answers drawn from the model's own predictions, once for each recording. With the true labels
in their place it would be the empirical Fisher, which is another quantity, almost zero for a model
that fits its training recordings (Kunstner, Balles and Hennig 2019,
https://arxiv.org/abs/1905.12558). It also needs no labels, so recordings count whose labels the new
head does not have, and losses that compare recordings (CCC) have their Fisher information too.

    choice              drawn from the softmax over the options that the parent run knows
    presence            drawn from the sigmoid
    number, embedding   drawn from a normal distribution of variance 1 around the output
    output by frame     drawn in each frame; log p is the sum over the real frames

Gradients are those of single recordings, one at a time: the square of the gradient of a batch is
another quantity. This takes about as long as an epoch with a batch size of 1.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.compute.processes import Processes
from ossicle.continual.old import Kind, Old
from ossicle.data import Clips
from ossicle.errors import RunError
from ossicle.frozen.batches import window_batches
from ossicle.heads import Outputs
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress

SCALE: Final = 1024.0  # of log p, so that gradients of the activations do not vanish in float16


def fisher_information(
    single: SingleModel,
    answers: Sequence[Old],
    clips: Clips,
    parameters: Mapping[str, nn.Parameter],
    *,
    seed: int,
    processes: Processes,
    progress: Progress = no_progress,
) -> dict[str, Tensor]:
    """Return the diagonal of the Fisher information of parameters, by key.

    Args:
        single: The model; dropout is turned off.
        answers: The answers that count.
        clips: The recordings. Of one longer than their limit, a piece drawn by the seed counts.
        parameters: Parameters that train, by key.
        seed: Seed of the answers.
        processes: Processes that share the recordings.
        progress: Called after every recording, with the stage `fisher`.

    Raises:
        RunError: a gradient is not finite.
    """
    single.model.eval()
    count = len(clips.utterances)
    sums = {key: torch.zeros_like(parameter) for key, parameter in parameters.items()}
    own = processes.own([clips.crop(number, seed=seed, epoch=0) for number in range(count)])
    batches = window_batches(clips, [[piece] for piece in own], single.backbone, single.frozen)
    for done, batch in enumerate(batches, start=1):
        log_p = sampled_log_p(answers, single.forward(batch.rows), [seed, batch.owners[0], 3])
        gradients = torch.autograd.grad(SCALE * log_p, list(parameters.values()), allow_unused=True)
        for total, gradient in zip(sums.values(), gradients, strict=True):
            if gradient is not None:
                total += (gradient.float() / SCALE).square()
        progress("fisher", done, len(own))
    for parameter, total in zip(parameters.values(), sums.values(), strict=True):
        parameter.grad = total
    processes.sum_gradients(parameters.values())
    found = {key: p.grad / count for key, p in parameters.items() if p.grad is not None}
    for parameter in parameters.values():
        parameter.grad = None
    if wrong := [key for key, value in found.items() if not value.isfinite().all()]:
        raise RunError(
            f"the Fisher information of {wrong[0]} is not finite; use --precision float32 or "
            "bfloat16"
        )
    return found


def sampled_log_p(
    answers: Sequence[Old], outputs: Outputs, seed: Sequence[int]
) -> Float[Tensor, ""]:
    """Return log p of answers that are drawn from the outputs for one recording.

    Constants that do not depend on the outputs are left out.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for answer in answers:
        values = answer.of(outputs)[0]  # (C,) or (T, C)
        if outputs.frame_mask is not None:
            values = values[outputs.frame_mask[0]]
        parts.append(LOG_P[answer.kind](values, rng))
    return torch.stack(parts).sum()


def _of_choice(logits: Float[Tensor, "... C"], rng: np.random.Generator) -> Float[Tensor, ""]:
    """The option with the largest sum of its logit and Gumbel noise is a draw of the softmax."""
    noise = torch.from_numpy(rng.gumbel(size=tuple(logits.shape))).to(logits)
    drawn = (logits.detach() + noise).argmax(dim=-1, keepdim=True)
    return logits.log_softmax(dim=-1).gather(-1, drawn).sum()


def _of_presence(logits: Float[Tensor, "... C"], rng: np.random.Generator) -> Float[Tensor, ""]:
    uniform = torch.from_numpy(rng.random(tuple(logits.shape))).to(logits)
    signs = torch.where(uniform < logits.detach().sigmoid(), 1.0, -1.0)
    return F.logsigmoid(signs * logits).sum()


def _of_number(values: Float[Tensor, "... C"], rng: np.random.Generator) -> Float[Tensor, ""]:
    noise = torch.from_numpy(rng.normal(size=tuple(values.shape))).to(values)
    return -(values.detach() + noise - values).square().sum() / 2


LOG_P: Final[dict[Kind, Callable[[Tensor, np.random.Generator], Tensor]]] = {
    "choice": _of_choice,
    "presence": _of_presence,
    "number": _of_number,
    "embedding": _of_number,
}
