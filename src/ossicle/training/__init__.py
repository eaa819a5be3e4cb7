"""Train an adapter, judge it, use it."""

from ossicle.training.clips import Clips
from ossicle.training.config import TrainConfig
from ossicle.training.loop import fit
from ossicle.training.run import train
from ossicle.training.trained import Trained

__all__ = ["Clips", "TrainConfig", "Trained", "fit", "train"]
