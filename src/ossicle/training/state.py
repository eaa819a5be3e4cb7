"""The state of a run between two epochs, and how callers follow it."""

from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.precision import pick_precision
from ossicle.continual import Keep
from ossicle.training.config import TrainConfig
from ossicle.training.optim import build_optimizer


@dataclass(frozen=True)
class Epoch:
    """The outcome of one epoch.

    Attributes:
        number: From 1.
        train_loss: Mean loss of the training recordings, during the epoch.
        valid_loss: Loss on the validation recordings, after it; None where the task has none.
        valid: Metrics on the validation recordings.
        is_best: Whether it is better than all epochs before it: `ossicle.training.choice`. In a
            differentiable search always, because the last epoch is kept.
        penalty: Mean during the epoch of what a way to keep adds to the loss; None: nothing.
        gates: Of a differentiable search, the gates of the candidates of each layer, after the
            epoch; None of other runs.
    """

    number: int
    train_loss: float
    valid_loss: float | None
    valid: dict[str, Any]
    is_best: bool
    penalty: float | None = None
    gates: dict[str, list[float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without a penalty or gates where there are none."""
        optional = ("penalty", "gates")
        return {k: v for k, v in asdict(self).items() if k not in optional or v is not None}


class OnEpoch(Protocol):
    """A function that is called after every epoch of a run, and may end the run."""

    def __call__(self, epoch: Epoch) -> bool | None:
        """Return True to end the run after this epoch; False or None to go on.

        It is called once the adapters are saved, if the epoch is the best so far, and before the
        checkpoint is written. The checkpoint records the answer, so a resumed run does not ask
        again about a finished epoch. If the function raises, or the process is killed before the
        checkpoint is written, the run can be resumed; the epoch is then repeated, with the same
        outcome, and reported again.

        Of several processes that train together, only the first calls it.
        """


@dataclass
class State:
    """The state of a run between two epochs: with the parameters, all that resuming needs.

    Attributes:
        optimizer: The optimiser with its moments.
        scaler: Scales the loss in float16; does nothing in other precisions.
        history: The finished epochs.
        step_seconds: Wall time of each step of this process.
        seconds: Wall time from the start to the last epoch, over all interruptions.
        stopped: Whether `OnEpoch` has ended the run.
        keep: The way to keep what earlier stages have learnt; None: there are none, or no way.
    """

    optimizer: torch.optim.Adam
    scaler: torch.amp.GradScaler
    history: list[Epoch] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    seconds: float = 0.0
    stopped: bool = False
    keep: Keep | None = None

    @classmethod
    def of(cls, model: AdaptedModel, config: TrainConfig, keep: Keep | None = None) -> "State":
        """Return the state before the first epoch."""
        device = next(model.parameters()).device
        needed = pick_precision(config.precision, str(device)) == torch.float16
        scaler = torch.amp.GradScaler(device.type, enabled=needed)
        return cls(build_optimizer(model, config, keep), scaler, keep=keep)

    @property
    def best(self) -> Epoch:
        """The best epoch so far."""
        return next(epoch for epoch in reversed(self.history) if epoch.is_best)

    def ended_by(self, config: TrainConfig) -> str | None:
        """Return what ended the training: `epochs`, `patience` or `callback`; None: nothing yet.

        A callback counts only where the run would have gone on without it.
        """
        done = len(self.history)
        if done >= config.num_epochs:
            return "epochs"
        if done and config.patience is not None and done - self.best.number >= config.patience:
            return "patience"
        return "callback" if self.stopped else None
