"""Train an adapter or an ensemble, evaluate it, use it."""

from typing import TYPE_CHECKING, Final

from ossicle.lazy import lazy_names

if TYPE_CHECKING:
    from ossicle.data.clips import Clips
    from ossicle.training.combine import make_ensemble
    from ossicle.training.config import TrainConfig
    from ossicle.training.loop import fit
    from ossicle.training.result import RunResult
    from ossicle.training.run import train
    from ossicle.training.state import Epoch
    from ossicle.training.train_ensemble import train_ensemble
    from ossicle.training.trained import Trained

__all__ = [
    "Clips",
    "Epoch",
    "RunResult",
    "TrainConfig",
    "Trained",
    "fit",
    "make_ensemble",
    "train",
    "train_ensemble",
]

_HOME: Final = {
    "Clips": "ossicle.data.clips",
    "Epoch": "ossicle.training.state",
    "RunResult": "ossicle.training.result",
    "TrainConfig": "ossicle.training.config",
    "Trained": "ossicle.training.trained",
    "fit": "ossicle.training.loop",
    "make_ensemble": "ossicle.training.combine",
    "train": "ossicle.training.run",
    "train_ensemble": "ossicle.training.train_ensemble",
}


__getattr__ = lazy_names(__name__, _HOME)
