"""Parameter-efficient fine-tuning of speech and audio transformers."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ossicle.attach.adapted import AdaptedModel
    from ossicle.attach.check import attach
    from ossicle.attach.recipe import Placement, Recipe
    from ossicle.attach.store import load, save
    from ossicle.backbones import Backbone, load_backbone
    from ossicle.errors import OssicleError
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
    "AdaptedModel": "ossicle.attach.adapted",
    "Backbone": "ossicle.backbones",
    "OssicleError": "ossicle.errors",
    "Placement": "ossicle.attach.recipe",
    "Recipe": "ossicle.attach.recipe",
    "Trained": "ossicle.training",
    "attach": "ossicle.attach.check",
    "fit": "ossicle.training",
    "load": "ossicle.attach.store",
    "load_backbone": "ossicle.backbones",
    "save": "ossicle.attach.store",
    "train": "ossicle.training",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: `import ossicle` costs no torch (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'ossicle' has no attribute '{name}'")
    found = globals()[name] = getattr(import_module(_HOME[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """Keeps the import of the folder `ossicle.attach` from hiding the function `attach`."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
