"""The type checker of the suite: beartype, for functions that take or give tensors."""

from collections.abc import Callable
from typing import Any

from beartype import beartype


def shapecheck(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check tensors at run time; mypy, which knows `Self` and an int for a float, has the rest."""
    hints = getattr(function, "__annotations__", {}).values()
    return beartype(function) if any("jaxtyping" in repr(hint) for hint in hints) else function
