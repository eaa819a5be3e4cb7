"""The optimiser, its parameter groups and their rates."""

import torch
from torch import nn

from ossicle.adapters.model import AdaptedModel
from ossicle.continual import Keep
from ossicle.settings import parse
from ossicle.training.config import OPTIMIZERS, TrainConfig

GATES_LR = 1e-3  # of the logits of mixtures, where the run names no rate
KEEP_LR = 1e-3  # of a discriminator, where the run names no rate


def trained(model: AdaptedModel, keep: Keep | None) -> dict[str, nn.Parameter]:
    """Return everything that trains, by key: `keep/...` are parameters of the way to keep."""
    own = {} if keep is None else dict(keep.named_parameters())
    return model.trainable() | {f"keep/{key}": parameter for key, parameter in own.items()}


def build_optimizer(
    model: AdaptedModel, config: TrainConfig, keep: Keep | None = None
) -> torch.optim.Adam:
    """Return the optimiser over everything that trains, a group for each rate and decay.

    Every group keeps its highest rate as `peak`. Matrices decay; biases, gains and shifts do not,
    unless the optimiser has `decay=all`.

    Raises:
        RunError: the optimiser is unknown.
    """
    name, settings = parse(config.optimizer, "optimizer", OPTIMIZERS)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for key, parameter in trained(model, keep).items():
        decays = parameter.ndim > 1 or settings["decay"] == "all"
        rate = learning_rate(model, config, key)
        groups.setdefault((rate, config.weight_decay if decays else 0.0), []).append(parameter)
    kind = torch.optim.AdamW if name == "adamw" else torch.optim.Adam
    return kind(
        [
            {"params": members, "lr": 0.0, "peak": peak, "weight_decay": decay}
            for (peak, decay), members in groups.items()
        ],
        betas=(float(settings["beta1"]), float(settings["beta2"])),
        eps=float(settings["eps"]),
        fused=True,  # one pass over each tensor: a sixth of the time on a CPU
    )


def learning_rate(model: AdaptedModel, config: TrainConfig, key: str) -> float:
    """Return the peak rate of a tensor: the placement's, the run's, or its method's or head's."""
    number = key.split("/")[0]
    if number == "gates":
        return config.lr or GATES_LR
    if number == "keep":
        return config.lr or KEEP_LR
    if number == "head":
        assert model.head is not None  # its tensor is among those that train
        return config.head_lr or config.lr or model.head.default_lr
    placement = model.recipe.placements[int(number)]
    return placement.lr or config.lr or placement.method.default_lr


def set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group its highest rate times the factor."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
