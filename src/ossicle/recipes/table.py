"""A recipe as a table, from its plain data, so that displaying it imports no framework."""

from collections.abc import Mapping
from typing import Any, Final

HEADER: Final = ["method", "settings", "sites", "layers", "lr"]


def recipe_rows(recipe: Mapping[str, Any]) -> list[list[str]]:
    """Return a row for each placement of `Recipe.to_dict`, in the columns of `HEADER`."""
    return [
        [
            placement["method"],
            ", ".join(f"{key}={value}" for key, value in _settings(placement).items())
            or "defaults",
            ", ".join(placement["at"]),
            placement.get("layers", "all"),
            str(placement.get("lr", "default")),
        ]
        for placement in recipe["placements"]
    ]


def _settings(placement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the method, then those of the placement itself."""
    own = {key: placement[key] for key in ("reads", "gate") if key in placement}
    return {**placement.get("settings", {}), **own}


def recipe_table(recipe: Mapping[str, Any]) -> str:
    """Return the rows under their header as text, each column as wide as its widest cell."""
    lines = [HEADER, *recipe_rows(recipe)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADER))]
    padded = ("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
    return "\n".join(padded)
