"""What stands at a site: the two classes that every method extends.

A `Method` is settings; it builds, for one site, an `Adapter`: a small module that is given what
entered the site and what the frozen site made of it.

    before(x) -> x           what the frozen site gets to see; nearly always x itself
    forward(x, y) -> y       what the rest of the model gets to see

    x  (B, T, D_in)   what entered the site, after every `before`
    y  (B, T, D_out)  what the frozen site, and any adapter before this one, made of it

A placement may give an adapter another x: what enters another site of the same layer. An adapter
that says `reads_mask` is given the mask of real frames as a third argument (None: all are real),
for it mixes frames. One that makes the sequence longer in `before` says what the mask then is.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, get_type_hints

from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import MergeError, RecipeError, RecipeMismatch
from ossicle.settings import Kinds, Limits, Value, alternatives, check_setting, check_value

NUMBERS: Final = Limits(-1_000_000, 1_000_000)  # of every setting
MAX_SIZE: Final = 1 << 17  # a width, several times that of any backbone
MAX_TOKENS: Final = 4096  # put into a sequence at one site
Part: TypeAlias = Literal["adapter", "norm", "backbone"]


class Adapter(nn.Module, ABC):
    """A module beside a frozen site. Its parameters are all that trains there.

    Attributes:
        reads_mask: Whether `before` and `forward` are also given the mask of real frames.
        removes_tokens: Whether `forward` removes the tokens that `before` inserted.
        commutes_with_mean: Whether it is the same linear map for every frame, so that applying it
            to the mean over frames equals the mean of its outputs.
        supports_vmap: Whether it works under `torch.func.vmap`, for many adapter sets at once.
    """

    reads_mask: ClassVar[bool] = False
    removes_tokens: bool = False
    commutes_with_mean: bool = False
    supports_vmap: ClassVar[bool] = True

    def before(self, x: Any, *_: Any) -> Any:
        """Return what the frozen site shall see instead of x; x itself unless overridden."""
        return x

    @abstractmethod
    def forward(self, x: Any, y: Any, *frame_mask: Any) -> Any:
        """Return what leaves the site instead of y."""

    def mask_inside(self, frame_mask: Bool[Tensor, "B T"] | None) -> Bool[Tensor, "B S"] | None:
        """Return the mask of real frames between `before` and `forward`; the same as outside."""
        return frame_mask

    def fold(
        self,
        weight: Tensor,  # noqa: ARG002 - what cannot fold does not look at it
        bias: Tensor | None,  # noqa: ARG002 - likewise
    ) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of the site's own module with the adapter in them.

        Raises:
            MergeError: no weights do what the adapter does.
        """
        raise MergeError(
            f"{type(self).__name__} is no linear map of what enters its site, so that no weights "
            "can take it in; keep it beside the backbone"
        )

    def fold_next(self, weight: Tensor) -> Tensor:
        """Return the weight of the linear that reads y and nothing else, likewise.

        Raises:
            MergeError: no weights do what the adapter does.
        """
        return self.fold(weight, None)[0]


class TrainInPlace:
    """Says: insert nothing, train the site's own parameters in place."""


@dataclass(frozen=True)
class Method(ABC):
    """The settings of one method. Subclasses are frozen dataclasses; all fields have defaults.

    Attributes:
        name: The word for it in recipes.
        default_at: Sites where it stands when a recipe names none.
        default_lr: Learning rate when neither recipe nor run names one.
        part: Under which heading its parameters are counted.
        reads: The site of the layer whose entry gives x, unless a placement says otherwise; None:
            the site's own entry.
        example: The least recipe that it can stand in, where its name alone is none.
    """

    name: ClassVar[str]
    default_at: ClassVar[tuple[str, ...]]
    default_lr: ClassVar[float] = 1e-3
    part: ClassVar[Part] = "adapter"
    default_reads: ClassVar[str | None] = None
    example: ClassVar[str | None] = None

    @abstractmethod
    def build(self, site: Site) -> Adapter | TrainInPlace:
        """Return an adapter for the site, on torch's current default device.

        Raises:
            RecipeMismatch: the method cannot stand at this site.
        """

    @property
    def starts_as_identity(self) -> bool:
        """Whether a new adapter leaves the backbone's output as it was."""
        return True

    @property
    def changes_input(self) -> bool:
        """Whether its adapters override `before`, which needs the site's own entry."""
        return False

    @property
    def changes_length(self) -> bool:
        """Whether its adapters change how many tokens, or keys, a row has."""
        return False

    def check(  # noqa: B027 - most methods get on with all others
        self, others: Sequence[tuple["Method", tuple[str, ...]]]
    ) -> None:
        """Look at what else a recipe has: every other method with its sites.

        Raises:
            RecipeMismatch: the two exclude each other, or one is missing that this one needs.
        """

    def width_for_head(self, width: int) -> int:
        """Return how wide the frames are that the head sees, where it was `width` without it."""
        return width

    @classmethod
    def setting_kinds(cls) -> dict[str, Kinds]:
        """Return the types that each setting may have."""
        hints = get_type_hints(cls)
        return {field.name: alternatives(hints[field.name]) for field in fields(cls)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Value]) -> Self:
        """Return the method with these settings, the others at their defaults.

        Raises:
            RecipeError: a setting that the method does not have, or a value of the wrong type.
        """
        kinds = cls.setting_kinds()
        for key, value in settings.items():
            check_setting(f"'{cls.name}'", key, kinds, RecipeError)
            name = f"setting '{key}' of '{cls.name}'"
            check_value(name, value, kinds[key], NUMBERS, RecipeError)
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


def inner_width(site: Site, width: int | None, reduction: float | None) -> int:
    """Return an adapter's inner size: `width`, or the narrower side of the site / `reduction`.

    Raises:
        RecipeMismatch: the site is narrower than `reduction`, or than `width`.
    """
    narrower = min(site.width_in, site.width_out)
    if reduction is None:
        assert width is not None, "a method checks that one of the two is set"
        if width > narrower:
            raise RecipeMismatch(
                f"an inner size of {width} is wider than {site}, which is {narrower} wide; choose "
                f"{narrower} or less"
            )
        return width
    inner = round(narrower / reduction)
    if inner < 1:
        raise RecipeMismatch(
            f"a reduction of {reduction:g} leaves no channel at {site}, which is "
            f"{narrower} wide; choose a smaller reduction or a width"
        )
    return inner


def check_positive(*, most: int = MAX_SIZE, **settings: float | None) -> None:
    """Raise ValueError for a setting below 1, or above `most`; None passes."""
    for name, value in settings.items():
        if value is not None and not value >= 1:
            raise ValueError(f"{name} is {value}; it must be 1 or more")
        if value is not None and value > most:
            raise ValueError(f"{name} is {str(value)[:40]}; it must be {most} or less")


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Raise ValueError for a setting that is none of the known words."""
    words = list(known)
    if value not in words:
        choice = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
        raise ValueError(f"{name} is '{value}'; use {choice}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError for a share of dropout outside [0, 1)."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must lie in [0, 1)")


def real_only(
    frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, "B T D"]:
    """Return the frames with zeros in the place of padding, so that nothing leaks from there."""
    return frames if frame_mask is None else frames.masked_fill(~frame_mask[..., None], 0.0)
