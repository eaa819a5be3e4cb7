"""Temperature scaling: one number that makes probabilities as likely as they say.

    probabilities = softmax(logits / T)

T minimises the negative log-likelihood of the labels, without the label smoothing and the class
weights of training, which would move it away from calibrated probabilities. No label changes, as
the order of the classes stays the same.

Source: Guo et al. 2017, "On calibration of modern neural networks",
https://arxiv.org/abs/1706.04599, section 4.2.
"""

import math
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from ossicle.errors import LabelError, RunError
from ossicle.tasks import Task

MOST: Final = 20.0  # temperatures are from 1 / MOST to MOST


def fit_temperature(task: Task, outputs: Sequence[Tensor], labels: Sequence[str]) -> float:
    """Return the temperature at which the labels are most likely, from 1 / 20 to 20.

    Args:
        task: A task with a confidence.
        outputs: The output for each recording: `Decision.output` of an ensemble.
        labels: Its true label.

    Raises:
        RunError: the predictions of the task have no confidence.
        LabelError: there are no recordings, or one has a label that was not seen in training.
    """
    from scipy.optimize import minimize_scalar

    if not labels:
        raise LabelError("there are no validation recordings to fit a temperature to")
    truth = task.truth(labels) if task.has_confidence() else None
    if truth is None:
        raise RunError(
            f"predictions of the task {task.name} have no confidence, so there is no temperature "
            "to fit"
        )
    together, targets = torch.stack(list(outputs)).double(), torch.from_numpy(truth).long()

    def loss(log_temperature: float) -> float:
        logits = together / math.exp(log_temperature)
        pairs = zip(task.answers, targets.T, strict=True)
        losses = [F.cross_entropy(logits[:, one.columns], target) for one, target in pairs]
        return float(torch.stack(losses).sum())

    most = math.log(MOST)
    found = minimize_scalar(loss, bounds=(-most, most), method="bounded")
    return math.exp(float(found.x))


def at_temperature(task: Task, output: Tensor, temperature: float) -> Tensor:
    """Return an output whose probabilities are at a temperature.

    Raises:
        RunError: the predictions of the task have no confidence.
    """
    if not task.has_confidence():
        raise RunError(f"predictions of the task {task.name} have no confidence")
    return output / temperature
