"""Import public names when they are first used, which spares settings and data torch (PEP 562)."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(package: str, module_by_name: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names are defined in other modules.

    Args:
        package: `__name__` of the package.
        module_by_name: The module that defines each public name.
    """

    def get(name: str) -> Any:
        if name not in module_by_name:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        found = getattr(import_module(module_by_name[name]), name)
        setattr(sys.modules[package], name, found)
        return found

    return get
