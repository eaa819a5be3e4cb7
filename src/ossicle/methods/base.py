"""What stands at a site: the two classes that every method extends.

A `Method` is settings; it builds, for one site, an `Adapter`: a small module that is given what
entered the site and what the frozen site made of it.

    before(x) -> x           what the frozen site gets to see; nearly always x itself
    forward(x, y) -> y       what the rest of the model gets to see

    x  (B, T, D_in)   what entered the site, after every `before`
    y  (B, T, D_out)  what the frozen site, and any adapter before this one, made of it
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from types import NoneType, UnionType
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args, get_type_hints

from jaxtyping import Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import RecipeError, RecipeMismatch, did_you_mean

Value: TypeAlias = bool | int | float | str | None
Part: TypeAlias = Literal["adapter", "norm", "backbone"]


class Adapter(nn.Module, ABC):
    """A module beside a frozen site. Its parameters are all that trains there."""

    def before(self, x: Float[Tensor, "B T D_in"]) -> Float[Tensor, "B T D_in"]:
        """Return what the frozen site shall see instead of x; x itself unless overridden."""
        return x

    @abstractmethod
    def forward(
        self, x: Float[Tensor, "B T D_in"], y: Float[Tensor, "B T D_out"]
    ) -> Float[Tensor, "B T D_out"]:
        """Return what leaves the site instead of y."""


class Thaw:
    """Says: insert nothing, train the site's own parameters in place."""


@dataclass(frozen=True)
class Method(ABC):
    """The settings of one method. Subclasses are frozen dataclasses; all fields have defaults.

    Attributes:
        name: The word for it in recipes.
        default_at: Sites where it stands when a recipe names none.
        default_lr: Learning rate when neither recipe nor run names one.
        part: Under which heading its parameters are counted.
    """

    name: ClassVar[str]
    default_at: ClassVar[tuple[str, ...]]
    default_lr: ClassVar[float] = 1e-3
    part: ClassVar[Part] = "adapter"

    @abstractmethod
    def build(self, site: Site) -> Adapter | Thaw:
        """Return an adapter for the site, on torch's current default device.

        Raises:
            RecipeMismatch: the method cannot stand at this site.
        """

    @property
    def starts_as_identity(self) -> bool:
        """Whether a new adapter leaves the backbone's output as it was."""
        return True

    @classmethod
    def from_settings(cls, settings: Mapping[str, Value]) -> Self:
        """Return the method with these settings, the others at their defaults.

        Raises:
            RecipeError: a setting that the method does not have, or a value of the wrong type.
        """
        hints = get_type_hints(cls)
        known = [field.name for field in fields(cls)]
        for key, value in settings.items():
            if key not in known:
                has = f"It has: {', '.join(known)}." if known else "It has none."
                raise RecipeError(
                    f"'{cls.name}' has no setting '{key}'. {has}{did_you_mean(key, known)}"
                )
            if not _fits(value, hints[key]):
                raise RecipeError(
                    f"setting '{key}' of '{cls.name}' is {value!r}; expected {_words(hints[key])}"
                )
        try:
            return cls(**settings)
        except ValueError as error:
            raise RecipeError(f"'{cls.name}': {error}") from error

    def settings(self) -> dict[str, Value]:
        """Return the settings that differ from their defaults."""
        pairs = ((field, getattr(self, field.name)) for field in fields(self))
        return {
            field.name: value
            for field, value in pairs
            if field.default is MISSING or value != field.default
        }


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _fits(value: Value, hint: Any) -> bool:
    if isinstance(value, bool):
        return bool in _alternatives(hint)
    if value is None:
        return NoneType in _alternatives(hint)
    wanted = tuple(a for a in _alternatives(hint) if a is not NoneType)
    return isinstance(value, wanted) or (float in wanted and isinstance(value, int))


def _words(hint: Any) -> str:
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}
    return " or ".join("none" if a is NoneType else names[a] for a in _alternatives(hint))


def inner_width(site: Site, width: int | None, reduction: float | None) -> int:
    """Return an adapter's inner size: `width`, or the narrower side of the site / `reduction`.

    Raises:
        RecipeMismatch: the site is narrower than `reduction`.
    """
    if reduction is None:
        assert width is not None, "a method checks that one of the two is set"
        return width
    inner = round(min(site.width_in, site.width_out) / reduction)
    if inner < 1:
        raise RecipeMismatch(
            f"a reduction of {reduction:g} leaves no channel at {site}, which is "
            f"{min(site.width_in, site.width_out)} wide; choose a smaller reduction or a width"
        )
    return inner
