"""A recipe: which methods, at which sites, in which layers. Presets, expressions, TOML, JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec
import tomli_w

from ossicle.anatomy import Anatomy, is_in_decoder
from ossicle.errors import RecipeError, RecipeMismatch
from ossicle.html import TextTable, card
from ossicle.recipes.placement import Placement, PlacementData
from ossicle.recipes.presets import HEAD_ONLY, PRESETS
from ossicle.recipes.table import HEADER, recipe_rows, recipe_table
from ossicle.recipes.text import check_count, check_length, parse_placements
from ossicle.strict_json import dumps, fit, read_object


class RecipeData(msgspec.Struct, forbid_unknown_fields=True):
    """A recipe in JSON or TOML."""

    placements: list[PlacementData]
    name: str | None = None


@dataclass(frozen=True, init=False)
class Recipe:
    """The placements of a model's adapters.

    Attributes:
        placements: The placements; at a site that several share, they act in this order. If there
            are none, only the head is trained.
        name: Name of the preset, if it is one.
    """

    placements: tuple[Placement, ...]
    name: str | None = None

    def __init__(self, *placements: Placement, name: str | None = None) -> None:
        check_count(len(placements))
        object.__setattr__(self, "placements", placements)
        object.__setattr__(self, "name", name)

    def __str__(self) -> str:
        return " + ".join(str(placement) for placement in self.placements) or HEAD_ONLY

    def __add__(self, other: "Recipe") -> "Recipe":
        """Return both recipes as one; at a shared site, this one's adapters act first."""
        return Recipe(*self.placements, *other.placements)

    def table(self) -> str:
        """Return the placements as a text table with one line each."""
        return recipe_table(self.to_dict())

    def _repr_html_(self) -> str:
        rows = recipe_rows(self.to_dict())
        tables = [TextTable(HEADER, rows)] if rows else []
        notes = [] if rows else ["No adapters: only the head is trained."]
        return card(f"Recipe {self.label}", tables=tables, notes=notes)

    @property
    def label(self) -> str:
        """The preset's name, or the expression."""
        return self.name or str(self)

    @property
    def in_decoder(self) -> bool:
        """Whether something is inserted in a text decoder."""
        return any(is_in_decoder(site) for placement in self.placements for site in placement.at)

    def check(self) -> None:
        """Raise if two placements exclude each other, or one requires what is missing.

        Raises:
            RecipeMismatch: the message names the methods and what to change.
        """
        for one in self.placements:
            others = [(other.method, other.at) for other in self.placements if other is not one]
            one.method.check(one.at, others)
            if one.method.needs_gate and one.gate is None:
                raise RecipeMismatch(
                    f"'{one}' is only of use as a candidate of a mixture; write "
                    f"{one.method.name}(gate=layers), or leave it out"
                )

    def seen_by_head(self, anatomy: Anatomy) -> Anatomy:
        """Return the anatomy with the width of the head's input frames."""
        width = anatomy.width
        for placement in self.placements:
            width = placement.method.width_for_head(width)
        return replace(anatomy, width=width)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the recipe for the name of a preset, an expression, or the path of a file.

        Raises:
            UnknownRecipe: no preset or method has that name.
            RecipeError: the text is not an expression, the file cannot be read, or a setting is
                wrong.
        """
        text = text.strip()
        check_length(text)
        if text in PRESETS:
            return cls(*parse_placements(PRESETS[text].expression), name=text)
        if text.endswith((".toml", ".json")):
            return cls.read(Path(text))
        return cls(*parse_placements(text))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON or TOML."""
        named = {"name": self.name} if self.name else {}
        return named | {"placements": [placement.to_dict() for placement in self.placements]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the recipe that `to_dict` described.

        Raises:
            RecipeError: a missing, unknown or wrongly typed entry.
        """
        try:
            found = fit(data, RecipeData)
        except ValueError as error:
            raise RecipeError(f"a recipe cannot be read: {error}") from error
        check_count(len(found.placements))
        return cls(*map(Placement.from_fields, found.placements), name=found.name)

    def write(self, path: Path) -> None:
        """Write the recipe as TOML or JSON, depending on the suffix of the file."""
        data = self.to_dict()
        text = tomli_w.dumps(data) if path.suffix == ".toml" else dumps(data, indent=2) + "\n"
        path.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the recipe of a TOML or JSON file.

        Raises:
            RecipeError: the file is missing, malformed or not a recipe.
        """
        try:
            return cls.from_dict(read_object(path))
        except (OSError, ValueError) as error:
            raise RecipeError(f"recipe file '{path!s:.200}' cannot be read: {error}") from error
