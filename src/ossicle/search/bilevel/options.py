"""Settings of every bilevel training; the defaults are those of Lin et al. 2024."""

from dataclasses import replace
from typing import Final

from ossicle.settings import Setting

OPTIONS: Final[dict[str, Setting]] = {
    "order": Setting(
        "gradient of the gates: through a step of the weights with its second derivative (second) "
        "or without (first), or at the weights as they are (plain)",
        "second",
        ("second", "first", "plain"),
    ),
    "virtual": Setting(
        "that step of the weights: the optimiser's (optimizer), or plain gradient descent (sgd)",
        "optimizer",
        ("optimizer", "sgd"),
    ),
    "epsilon": Setting(
        "length of the steps of the weights by which second derivatives are measured",
        0.01,
        low=1e-6,
        high=1,
    ),
    "starts_with": Setting("what each iteration trains first", "gates", ("gates", "weights")),
    "gates_lr": Setting("learning rate of the gates; 0: --lr, or 0.001", 0.0, low=0, high=1000),
    "gates_beta1": Setting(
        "decay of the mean of gradients of the gates", 0.9, low=0, high=0.999999
    ),
    "gates_beta2": Setting(
        "decay of the mean of squared gradients of the gates", 0.999, low=0, high=0.999999
    ),
    "gates_decay": Setting("weight decay of the gates", 0.0, low=0, high=1000),
    "gates_schedule": Setting(
        "learning rate of the gates over time: constant, or as that of the weights (same)",
        "constant",
        ("constant", "same"),
    ),
    "mixture": Setting(
        "what is mixed: whole layers with one candidate each (layers), or the changes of the "
        "candidates within one run of the layer (softmax)",
        "layers",
        ("layers", "softmax"),
    ),
}


def with_defaults(**values: str | int | float) -> dict[str, Setting]:
    """Return the settings with other defaults."""
    return OPTIONS | {name: replace(OPTIONS[name], default=value) for name, value in values.items()}
