"""Train an adapter, evaluate it, use it."""

from typing import TYPE_CHECKING, Final

from ossicle.lazy import lazy_names

if TYPE_CHECKING:
    from ossicle.data.clips import Clips
    from ossicle.training.config import TrainConfig
    from ossicle.training.loop import fit
    from ossicle.training.result import RunResult
    from ossicle.training.run import train
    from ossicle.training.state import Epoch
    from ossicle.training.trained import Trained

__all__ = ["Clips", "Epoch", "RunResult", "TrainConfig", "Trained", "fit", "train"]

_HOME: Final = {
    "Clips": "ossicle.data.clips",
    "Epoch": "ossicle.training.state",
    "RunResult": "ossicle.training.result",
    "TrainConfig": "ossicle.training.config",
    "Trained": "ossicle.training.trained",
    "fit": "ossicle.training.loop",
    "train": "ossicle.training.run",
}


__getattr__ = lazy_names(__name__, _HOME)
