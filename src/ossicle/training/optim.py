"""Parameter groups and the schedule of the learning rate."""

import torch
from torch import nn

from ossicle.attach.adapted import AdaptedModel
from ossicle.training.config import TrainConfig

HEAD_LR = 1e-3


def build_optimizer(model: AdaptedModel, config: TrainConfig) -> torch.optim.AdamW:
    """Return AdamW over all that the current set trains, a group for each rate and decay.

    Every group keeps its highest rate as `peak`. Matrices decay; biases, gains and shifts do not.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for key, parameter in model.trainable(model.current).items():
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((learning_rate(model, config, key), decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr": 0.0, "peak": peak, "weight_decay": decay}
            for (peak, decay), members in groups.items()
        ]
    )


def learning_rate(model: AdaptedModel, config: TrainConfig, key: str) -> float:
    """Return the highest rate of a tensor: the placement's, the run's, or the method's default."""
    number = key.split("/")[0]
    if number == "head":
        return config.head_lr or config.lr or HEAD_LR
    placement = model.current.recipe.placements[int(number)]
    return placement.lr or config.lr or placement.method.default_lr


def schedule(step: int, num_steps: int, warmup: float) -> float:
    """Return the factor on the highest rate: up in a line over the warm-up, then down to 0.

    Args:
        step: From 0.
        num_steps: Of the whole run.
        warmup: Fraction of them.
    """
    rising = warmup * num_steps
    if step < rising:
        return (step + 1) / (rising + 1)
    return (num_steps - step) / (num_steps - rising)


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its highest rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
