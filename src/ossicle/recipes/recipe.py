"""A recipe: which method, at which sites, in which layers. Presets, expressions, TOML, JSON.

An expression is one placement, or several joined by ` + `:

    lora                                     a preset, or a method at its own sites
    lora(rank=4)@attn.q,attn.v               settings in parentheses, sites after @
    bottleneck(width=32)@ffn[6:12]           layers in brackets, as in Python: 6 to 11
    norm@norm.ffn[-2:] + bias(lr=1e-4)       two placements, one with a learning rate of its own
    bottleneck(insertion=parallel, position=before, reads=layer)@ffn      x is what enters the layer
    lora(gate=softmax) + bias(gate=softmax)  candidates of a mixture: `ossicle.adapters.gates`
    linear                                   nothing but the head
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import tomli_w

from ossicle.anatomy import SITE_NAMES, Anatomy
from ossicle.errors import RecipeError, RecipeMismatch, UnknownRecipe, did_you_mean
from ossicle.methods import METHODS, Method, Value
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.table import recipe_table
from ossicle.strict_json import dumps, read_object

HEAD_ONLY = "linear"
MAX_PLACEMENTS: Final = 256
MAX_LENGTH: Final = 16_384  # characters of an expression
MAX_RATE: Final = 1_000_000
GATES: Final = ("softmax", "sigmoid", "layers")  # `ossicle.adapters.gates` has their equations
_PLACEMENT = re.compile(
    r"(?P<method>[\w/-]+)\s*(\((?P<settings>[^()]*)\))?\s*"
    r"(@\s*(?P<sites>[\w.,\s]+))?(\[(?P<layers>[^\[\]]*)\])?"
)


@dataclass(frozen=True)
class Placement:
    """One method at some sites in some layers.

    Attributes:
        method: What stands there.
        at: Names of sites.
        layers: Layer numbers as in Python, e.g. `6:12`, `-2:` or `0,3,7`; None: all.
        lr: Learning rate of this placement; None: the run's, or the method's default.
        reads: The site of the same layer whose entry gives the adapters their x; None: the method's
            default, for most the site's own entry.
        gate: One of `GATES`: the placement is a candidate of the mixture of that name, weighted in
            each layer by a trainable gate; None: it acts in full.
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
        if self.lr is not None and abs(self.lr) <= MAX_RATE:  # no float holds every whole number
            object.__setattr__(self, "lr", float(self.lr))
        if self.layers is not None:
            _layer_parts(self.layers)
        if self.lr is not None and not 0 < self.lr <= MAX_RATE:
            raise RecipeError(
                f"lr of '{self.method.name}' is {str(self.lr)[:40]}; it must be positive and at "
                f"most {MAX_RATE}"
            )
        if self.gate is not None and self.gate not in GATES:
            raise RecipeError(
                f"gate of '{self.method.name}' is '{self.gate:.40}'; use {', '.join(GATES)}."
                f"{did_you_mean(self.gate, GATES)}"
            )
        if self.reads is not None and self.method.changes_input:
            raise RecipeError(
                f"'{self.method.name}' with these settings changes what enters its site, so it "
                "cannot read elsewhere; leave reads out"
            )
        if self.reads in self.at:
            raise RecipeError(f"'{self.method.name}' at '{self.reads}' reads that anyway")
        for name in (*self.at, *filter(None, [self.reads])):
            if name not in SITE_NAMES:
                raise RecipeError(
                    f"'{name}' is no site. Sites: {', '.join(SITE_NAMES)}."
                    f"{did_you_mean(name, SITE_NAMES)}"
                )
            if self.at.count(name) > 1:
                raise RecipeError(f"'{self.method.name}' names the site '{name}' twice")

    def select(self, num_layers: int) -> list[int] | None:
        """Return the chosen of `num_layers` layers, ascending; None: all.

        Raises:
            RecipeMismatch: the backbone has no such layer, or none is left.
        """
        if self.layers is None:
            return None
        chosen: set[int] = set()
        for part in _layer_parts(self.layers):
            if isinstance(part, slice):
                chosen.update(range(num_layers)[part])
            elif -num_layers <= part < num_layers:
                chosen.add(part % num_layers)
            else:
                raise RecipeMismatch(
                    f"'{self}' names layer {part}; this backbone has {num_layers} layers, "
                    f"numbered from 0 to {num_layers - 1}"
                )
        if not chosen:
            raise RecipeMismatch(
                f"'{self}' selects none of the {num_layers} layers of this backbone"
            )
        return sorted(chosen)

    def __str__(self) -> str:
        settings = {key: _word(value) for key, value in self.method.settings().items()}
        if self.reads != self.method.default_reads:
            settings["reads"] = str(self.reads)
        if self.gate is not None:
            settings["gate"] = self.gate
        if self.lr is not None:
            settings["lr"] = _word(self.lr)
        inside = ", ".join(f"{key}={value}" for key, value in settings.items())
        text = self.method.name + (f"({inside})" if inside else "")
        if self.at != self.method.default_at:
            text += f"@{','.join(self.at)}"
        return text + (f"[{self.layers}]" if self.layers is not None else "")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, every site written out."""
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
        _only(data, ("method", "at", "settings", "layers", "lr", "reads", "gate"), "a placement")
        at, lr, layers = data.get("at", []), data.get("lr"), data.get("layers")
        reads, gate = data.get("reads"), data.get("gate")
        settings = data.get("settings", {})
        if not isinstance(at, list) or not all(isinstance(site, str) for site in at):
            raise RecipeError(f"'at' is {at!r:.80}; expected a list of sites, e.g. ['attn.q']")
        if not isinstance(settings, Mapping):
            raise RecipeError(f"'settings' is {settings!r:.80}; expected a table: {{rank = 8}}")
        if isinstance(layers, list) and all(type(layer) is int for layer in layers):
            layers = ",".join(str(layer) for layer in layers)
        if not isinstance(layers, str | None):
            raise RecipeError(f"'layers' is {layers!r:.80}; expected '6:12' or a list of numbers")
        if isinstance(lr, bool) or not isinstance(lr, int | float | None):
            raise RecipeError(f"'lr' is {lr!r:.80}; expected a number")
        if not isinstance(reads, str | None):
            raise RecipeError(f"'reads' is {reads!r:.80}; expected a site, e.g. 'layer'")
        if not isinstance(gate, str | None):
            raise RecipeError(f"'gate' is {gate!r:.80}; expected one of {', '.join(GATES)}")
        method = _method(data.get("method")).from_settings(settings)
        return cls(method, tuple(at), layers, lr, reads, gate)


@dataclass(frozen=True, init=False)
class Recipe:
    """The whole plan: placements in the order in which they act at a shared site.

    Attributes:
        placements: None of them: nothing but the head trains.
        name: The preset it came from, if any.
    """

    placements: tuple[Placement, ...]
    name: str | None = None

    def __init__(self, *placements: Placement, name: str | None = None) -> None:
        _check_count(len(placements))
        object.__setattr__(self, "placements", placements)
        object.__setattr__(self, "name", name)

    def __str__(self) -> str:
        return " + ".join(str(placement) for placement in self.placements) or HEAD_ONLY

    def __add__(self, other: "Recipe") -> "Recipe":
        """Return both recipes as one; at a shared site, this one's adapters act first."""
        return Recipe(*self.placements, *other.placements)

    def table(self) -> str:
        """Return the placements as a table of text, a line each."""
        return recipe_table(self.to_dict())

    @property
    def label(self) -> str:
        """The preset's name, or the expression."""
        return self.name or str(self)

    def check(self) -> None:
        """Raise where two placements exclude each other, or one lacks another.

        Raises:
            RecipeMismatch: with both methods and what to do.
        """
        for one in self.placements:
            others = [(other.method, other.at) for other in self.placements if other is not one]
            one.method.check(others)

    def seen_by_head(self, anatomy: Anatomy) -> Anatomy:
        """Return the anatomy with the width of the frames that a head is given."""
        width = anatomy.width
        for placement in self.placements:
            width = placement.method.width_for_head(width)
        return replace(anatomy, width=width)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the recipe that a preset's name, an expression or a file's path stands for.

        Raises:
            UnknownRecipe: no preset, method or file of that name.
            RecipeError: the text or file is none of the three, or a setting is wrong.
        """
        text = text.strip()
        _check_length(text)
        if text in PRESETS:
            return cls(*_placements(PRESETS[text].expression), name=text)
        if text.endswith((".toml", ".json")):
            return cls.read(Path(text))
        return cls(*_placements(text))

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
        _only(data, ("name", "placements"), "a recipe")
        placements, name = data.get("placements"), data.get("name")
        if not isinstance(placements, list) or not all(isinstance(p, Mapping) for p in placements):
            raise RecipeError("a recipe needs 'placements', a list of tables (it may be empty)")
        _check_count(len(placements))
        if not isinstance(name, str | None):
            raise RecipeError(f"'name' is {name!r:.80}; expected a text")
        return cls(*(Placement.from_dict(placement) for placement in placements), name=name)

    def write(self, path: Path) -> None:
        """Write the recipe as TOML or JSON, by the file's ending."""
        data = self.to_dict()
        text = tomli_w.dumps(data) if path.suffix == ".toml" else dumps(data, indent=2) + "\n"
        path.write_text(text, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the recipe of a TOML or JSON file.

        Raises:
            RecipeError: the file is missing, malformed or no recipe.
        """
        try:
            return cls.from_dict(read_object(path))
        except (OSError, ValueError) as error:
            raise RecipeError(f"recipe file '{path!s:.200}' cannot be read: {error}") from error


def split_recipes(text: str) -> list[str]:
    """Split a list of recipes at its commas, sparing those inside an expression.

    A part that is a site's name continues the expression before it.
    """
    _check_length(text)
    parts: list[str] = []
    for part in re.split(r",(?![^(\[]*[)\]])", text):
        if parts and part.split("[")[0].split("+")[0].strip() in SITE_NAMES:
            parts[-1] += f",{part.strip()}"
        elif part.strip():
            parts.append(part.strip())
    return parts


def _placements(text: str) -> list[Placement]:
    if text == HEAD_ONLY:
        return []
    parts = re.split(r"\+(?![^(]*\))", text)
    _check_count(len(parts))
    return [_placement(part.strip()) for part in parts]


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise RecipeError(
            f"a recipe of {len(text)} characters is longer than {MAX_LENGTH}; write it to a .toml "
            "file"
        )


def _check_count(count: int) -> None:
    if count > MAX_PLACEMENTS:
        raise RecipeError(f"a recipe has {count} placements; at most {MAX_PLACEMENTS}")


def _placement(text: str) -> Placement:
    match = _PLACEMENT.fullmatch(text)
    if match is None:
        raise RecipeError(
            f"'{text:.200}' is no recipe. Write method(setting=value)@site,site[layers], "
            "e.g. lora(rank=8)@attn.q,attn.v[6:12]; join several with ' + '"
        )
    method = _method(match["method"])
    settings = dict(_setting(pair) for pair in (match["settings"] or "").split(",") if pair.strip())
    lr, reads, gate = (settings.pop(name, None) for name in ("lr", "reads", "gate"))
    if lr is not None and (isinstance(lr, bool | str)):
        raise RecipeError(f"'lr' is {lr!r} in '{text}'; expected a number")
    if not isinstance(reads, str | None):
        raise RecipeError(f"'reads' is {reads!r} in '{text}'; expected a site, e.g. layer")
    if not isinstance(gate, str | None):
        raise RecipeError(f"'gate' is {gate!r} in '{text}'; expected one of {', '.join(GATES)}")
    at = tuple(site.strip() for site in (match["sites"] or "").split(",") if site.strip())
    if match["sites"] and not at:
        raise RecipeError(f"'{text}' names no site after @")
    return Placement(method.from_settings(settings), at, match["layers"], lr, reads, gate)


def _method(name: object) -> type[Method]:
    if not isinstance(name, str) or name not in METHODS:
        if isinstance(name, str) and name in PRESETS:
            raise UnknownRecipe(
                f"'{name}' is a preset and stands alone, without settings, sites or layers; "
                f"written out it is: {PRESETS[name].expression}"
            )
        known = [HEAD_ONLY, *METHODS, *PRESETS]
        raise UnknownRecipe(
            f"no recipe or method '{name!s:.80}'.{did_you_mean(str(name), known)} "
            f"Methods: {', '.join(METHODS)}. `ossicle recipes` lists the presets."
        )
    return METHODS[name]


def _setting(pair: str) -> tuple[str, Value]:
    key, equals, text = (part.strip() for part in pair.partition("="))
    if not equals or not key or not text:
        raise RecipeError(f"'{pair.strip()}' is no setting; write name=value, e.g. rank=8")
    words: dict[str, Value] = {"true": True, "false": False}
    if text.lower() in words:
        return key, words[text.lower()]
    for number in (int, float):
        try:
            return key, number(text)
        except ValueError:
            continue
    return key, text


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _layer_parts(text: str) -> list[int | slice]:
    parts: list[int | slice] = []
    for part in text.split(","):
        try:
            bounds = [int(bound) if bound.strip() else None for bound in part.split(":")]
        except ValueError:
            bounds = []
        if len(bounds) == 1 and bounds[0] is not None:
            parts.append(bounds[0])
        elif len(bounds) == 2:
            parts.append(slice(*bounds))
        else:
            raise RecipeError(f"layers '{text:.80}' cannot be read; write 6:12, -2: or 0,3,7")
    return parts


def _only(data: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    for key in data:
        if key not in known:
            raise RecipeError(f"{what} has no entry '{key:.80}'.{did_you_mean(key, known)}")
