"""A placement: one method at some sites in some layers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import msgspec

from ossicle.anatomy import SITE_NAMES
from ossicle.errors import RecipeError, UnknownRecipe, did_you_mean
from ossicle.methods import METHODS, Method
from ossicle.recipes.layers import layer_parts, select_layers
from ossicle.recipes.presets import HEAD_ONLY, PRESETS
from ossicle.settings import Limits, check_known, check_value, value_text
from ossicle.strict_json import fit

RATE: Final = Limits(0, 1_000_000, above=True)
GATES: Final = ("softmax", "sigmoid", "layers")  # `ossicle.adapters.gates` has their equations
_GATE = re.compile(rf"({'|'.join(GATES)})(:[\w-]{{1,40}})?", re.ASCII)


class PlacementData(msgspec.Struct, forbid_unknown_fields=True):
    """A placement in JSON or TOML."""

    method: str
    at: list[str] = []
    settings: dict[str, bool | int | float | str | None] = {}
    layers: str | list[int] | None = None
    lr: float | None = None
    reads: str | None = None
    gate: str | None = None


@dataclass(frozen=True)
class Placement:
    """One method at some sites in some layers.

    Attributes:
        method: The method of the adapters.
        at: Names of the sites where they are inserted.
        layers: Layer numbers as in Python, e.g. `6:12`, `-2:` or `0,3,7`; None: all.
        lr: Learning rate of this placement; None: the run's, or the method's default.
        reads: The site of the same layer whose input the adapters read as x. None: the method's
            default, which is the site's own input for most methods.
        gate: One of `GATES`: the placement is a candidate in the mixture of that name, weighted by
            a trainable gate in each layer. `layers:NAME`: placements with the same text are one
            candidate. None: no gate.
    """

    method: Method
    at: tuple[str, ...] = ()
    layers: str | None = None
    lr: float | None = None
    reads: str | None = None
    gate: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", tuple(self.at) or self.method.default_at)
        object.__setattr__(self, "reads", self.reads or self.method.default_reads)
        name = self.method.name
        if self.lr is not None:
            check_value(f"lr of '{name}'", self.lr, (float,), RATE, RecipeError)
            object.__setattr__(self, "lr", float(self.lr))
        if self.layers is not None:
            layer_parts(self.layers)
        if self.gate is not None and not _GATE.fullmatch(self.gate):
            raise RecipeError(
                f"gate of '{name}' is '{self.gate:.80}'; expected softmax, sigmoid or layers, and "
                "for a candidate of several placements a name after it, such as layers:NAME, of "
                "at most 40 letters, digits, _ and -"
            )
        self._check_sites()

    def _check_sites(self) -> None:
        if self.reads is not None and self.method.changes_input:
            raise RecipeError(
                f"'{self.method.name}' with these settings changes the input of its site, so it "
                "cannot read another one; leave reads out"
            )
        if self.reads in self.at:
            raise RecipeError(
                f"'{self.method.name}' at '{self.reads}' reads the input of '{self.reads}' anyway; "
                "leave reads out"
            )
        for name in (*self.at, *filter(None, [self.reads])):
            check_known("site", name, SITE_NAMES, RecipeError)
            if self.at.count(name) > 1:
                raise RecipeError(f"'{self.method.name}' names the site '{name}' twice")

    @property
    def mixture(self) -> str | None:
        """The mixture that the placement is a candidate of; None: it has no gate."""
        return None if self.gate is None else self.gate.partition(":")[0]

    @property
    def candidate(self) -> str | None:
        """The name of the candidate; None: the placement is a candidate by itself, or none."""
        return None if self.gate is None else self.gate.partition(":")[2] or None

    def select(self, num_layers: int) -> list[int] | None:
        """Return the selected layer numbers of a backbone, ascending; None: all layers.

        Raises:
            RecipeMismatch: the backbone has no such layer, or no layer is selected.
        """
        if self.layers is None:
            return None
        return select_layers(self.layers, num_layers, str(self))

    def __str__(self) -> str:
        settings = {key: value_text(value) for key, value in self.method.settings().items()}
        if self.reads != self.method.default_reads:
            settings["reads"] = str(self.reads)
        if self.gate is not None:
            settings["gate"] = self.gate
        if self.lr is not None:
            settings["lr"] = value_text(self.lr)
        inside = ", ".join(f"{key}={value}" for key, value in settings.items())
        text = self.method.name + (f"({inside})" if inside else "")
        if self.at != self.method.default_at:
            text += f"@{','.join(self.at)}"
        return text + (f"[{self.layers}]" if self.layers is not None else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, with the names of all sites."""
        data: dict[str, Any] = {"method": self.method.name, "at": list(self.at)}
        if settings := self.method.settings():
            data["settings"] = settings
        if self.layers is not None:
            data["layers"] = self.layers
        if self.lr is not None:
            data["lr"] = self.lr
        if self.reads != self.method.default_reads:
            data["reads"] = self.reads
        if self.gate is not None:
            data["gate"] = self.gate
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the placement that `to_dict` described.

        Raises:
            RecipeError: a missing, unknown or wrongly typed entry.
        """
        try:
            return cls.from_fields(fit(data, PlacementData))
        except ValueError as error:
            raise RecipeError(f"a placement cannot be read: {error}") from error

    @classmethod
    def from_fields(cls, data: PlacementData) -> Self:
        """Return the placement of data with the right types.

        Raises:
            RecipeError: a name is unknown, or a value out of range.
        """
        layers = data.layers
        if isinstance(layers, list):
            layers = ",".join(str(layer) for layer in layers)
        method = find_method(data.method).from_settings(data.settings)
        return cls(method, tuple(data.at), layers, data.lr, data.reads, data.gate)


def find_method(name: str) -> type[Method]:
    """Return the method with this name.

    Raises:
        UnknownRecipe: no method has this name.
    """
    if name in METHODS:
        return METHODS[name]
    if name in PRESETS:
        raise UnknownRecipe(
            f"'{name}' is a preset, which takes no settings, sites or layers and cannot be joined "
            f"with '+'; use its expression instead: {PRESETS[name].expression}"
        )
    known = [HEAD_ONLY, *METHODS, *PRESETS]
    raise UnknownRecipe(
        f"no recipe or method '{name:.80}'.{did_you_mean(name, known)} "
        f"Methods: {', '.join(METHODS)}. `ossicle recipes` lists the presets."
    )
