"""Run-time type checker of the tests: beartype, for functions with tensors."""

from collections.abc import Callable
from typing import Any

from beartype import beartype


def shapecheck(function: Callable[..., Any]) -> Callable[..., Any]:
    """Check tensors at run time; mypy checks the rest, such as `Self` and int for float."""
    hints = getattr(function, "__annotations__", {}).values()
    return beartype(function) if any("jaxtyping" in repr(hint) for hint in hints) else function
