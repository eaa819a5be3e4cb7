"""Parameter-efficient fine-tuning of speech and audio transformers."""

from typing import TYPE_CHECKING, Final

from ossicle.lazy import lazy_names as _lazy_names

if TYPE_CHECKING:
    from ossicle.adapters.check import attach
    from ossicle.adapters.model import AdaptedModel
    from ossicle.adapters.saving import load, save
    from ossicle.backbones import Backbone, load_backbone
    from ossicle.errors import OssicleError
    from ossicle.recipes.placement import Placement
    from ossicle.recipes.recipe import Recipe
    from ossicle.training import Trained, fit, train

__version__ = "0.1.0"

__all__ = [
    "AdaptedModel",
    "Backbone",
    "OssicleError",
    "Placement",
    "Recipe",
    "Trained",
    "attach",
    "fit",
    "load",
    "load_backbone",
    "save",
    "train",
]

_HOME: Final = {
    "AdaptedModel": "ossicle.adapters.model",
    "Backbone": "ossicle.backbones",
    "OssicleError": "ossicle.errors",
    "Placement": "ossicle.recipes.recipe",
    "Recipe": "ossicle.recipes.recipe",
    "Trained": "ossicle.training",
    "attach": "ossicle.adapters.check",
    "fit": "ossicle.training",
    "load": "ossicle.adapters.saving",
    "load_backbone": "ossicle.backbones",
    "save": "ossicle.adapters.saving",
    "train": "ossicle.training",
}


__getattr__ = _lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
