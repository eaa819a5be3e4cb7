"""Train an adapter, judge it, use it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ossicle.training.clips import Clips
    from ossicle.training.config import TrainConfig
    from ossicle.training.loop import fit
    from ossicle.training.run import train
    from ossicle.training.trained import Trained

__all__ = ["Clips", "TrainConfig", "Trained", "fit", "train"]

_HOME: Final = {
    "Clips": "ossicle.training.clips",
    "TrainConfig": "ossicle.training.config",
    "Trained": "ossicle.training.trained",
    "fit": "ossicle.training.loop",
    "train": "ossicle.training.run",
}


def __getattr__(name: str) -> Any:
    """Import a name at its first use: settings and run folders are checked without torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'ossicle.training' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found
