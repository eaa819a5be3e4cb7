"""Base classes of methods: `Method` holds settings and builds an `Adapter` for each site.

An adapter is a small module with access to the input x and output y of its frozen site:

    before(x) -> x           replaces the input of the site; most adapters return x unchanged
    forward(x, y) -> y       replaces the output of the site

    x  (B, T, D_in)   input of the site, after every `before`
    y  (B, T, D_out)  output of the site, after the adapters that come first

A placement can let an adapter read the input of another site of the same layer as x. An adapter
that mixes frames sets `reads_mask` and receives the mask of real frames as a third argument (None:
all are real). One that lengthens the sequence in `before` returns the longer mask in `mask_inside`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, ClassVar, Final, Literal, Self, TypeAlias, get_type_hints

from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Site
from ossicle.errors import MergeError, RecipeError, RecipeMismatch
from ossicle.settings import Kinds, Limits, Value, alternatives, check_setting, check_value

NUMBERS: Final = Limits(-1_000_000, 1_000_000)  # range of every setting
MAX_SIZE: Final = 1 << 17  # largest width, well beyond that of any backbone
MAX_TOKENS: Final = 4096  # most tokens inserted at one site
Part: TypeAlias = Literal["adapter", "norm", "backbone"]


class Adapter(nn.Module, ABC):
    """A trainable module attached to a frozen site.

    Attributes:
        reads_mask: Whether `before` and `forward` also receive the mask of real frames.
        removes_tokens: Whether `forward` removes the tokens that `before` inserted.
        commutes_with_mean: Whether it is the same linear map for every frame, so that applying it
            to the mean over frames equals the mean of its outputs.
        only_first: Whether it acts on a sequence from its first token on, and not on what is
            appended to one whose keys and values are kept.
        supports_vmap: Whether it works under `torch.func.vmap`, for many adapter sets at once.
    """

    reads_mask: ClassVar[bool] = False
    removes_tokens: bool = False
    commutes_with_mean: bool = False
    only_first: ClassVar[bool] = False
    supports_vmap: ClassVar[bool] = True

    def before(self, x: Any, *_: Any) -> Any:
        """Return the input for the frozen site; x unless overridden."""
        return x

    @abstractmethod
    def forward(self, x: Any, y: Any, *frame_mask: Any) -> Any:
        """Return the tensor that replaces y."""

    def forward_sets(
        self,
        tensors: Mapping[str, Tensor],  # noqa: ARG002 - the default leaves it to vmap
        x: Tensor,  # noqa: ARG002 - as above
        y: Tensor,  # noqa: ARG002 - as above
        *_: Any,
    ) -> Tensor | None:
        """Return what `forward` does for several adapter sets at once, without dropout.

        None, the default: `forward` is run under `torch.func.vmap`, which costs more than a small
        adapter itself.

        Args:
            tensors: Parameters of K sets by name, (K, ...).
            x: Input of the site, (K, B, T, D_in), with the rows of each set.
            y: Output of the site, (K, B, T, D_out).
        """
        return None

    def mask_inside(self, frame_mask: Bool[Tensor, "B T"] | None) -> Bool[Tensor, "B S"] | None:
        """Return the mask of real frames between `before` and `forward`; unchanged by default."""
        return frame_mask

    def fold(
        self,
        weight: Tensor,  # noqa: ARG002 - the default cannot be folded
        bias: Tensor | None,  # noqa: ARG002 - as above
    ) -> tuple[Tensor, Tensor | None]:
        """Return weight and bias of the site's own module with the adapter folded in.

        Raises:
            MergeError: the adapter cannot be expressed by these weights.
        """
        raise MergeError(
            f"{type(self).__name__} is not a linear map of the input of its site, so it cannot be "
            "merged into weights; keep it as a separate adapter"
        )

    def fold_next(self, weight: Tensor) -> Tensor:
        """Return the weight of the linear that alone reads y, with the adapter folded in.

        Raises:
            MergeError: the adapter cannot be expressed by this weight.
        """
        return self.fold(weight, None)[0]

    def layer_logits(self) -> Tensor:
        """Return the logits of the softmax by which an adapter at `layers` sums all states.

        Raises:
            MergeError: it does something else.
        """
        raise MergeError(
            f"{type(self).__name__} reads all layers in another way than a weighted sum, and the "
            "classes of transformers have no other"
        )


class TrainInPlace:
    """Marker returned by `Method.build`: insert nothing, train the site's own parameters."""


@dataclass(frozen=True)
class Method(ABC):
    """The settings of one method. Subclasses are frozen dataclasses; all fields have defaults.

    Attributes:
        name: Name in recipes.
        default_at: Sites it is attached to if the recipe names none.
        default_lr: Learning rate if neither recipe nor run sets one.
        part: Category its parameters are counted under.
        default_reads: Site of the same layer whose input is x, unless a placement sets `reads`;
            None: the site itself.
        example: Smallest valid recipe, if the name alone is not one.
        size_setting: Setting with the inner size, such as `rank`, which a budget of parameters
            decides: the larger, the more parameters. None: it has no size.
        sized_with: Name of a method that must have the same size in the same recipe.
        needs_gate: Whether it is only of use as a candidate of a mixture.
        zeroing_removes: Whether a channel of the size whose parameters are all zero has no effect,
            so that an adapter without it computes the same. False for tokens, which frames attend
            to whatever their values are, and where a norm runs over the channels.
        neutral: Values of tensors, by name, with which an adapter changes nothing; of those that
            are not named, zero.
    """

    name: ClassVar[str]
    default_at: ClassVar[tuple[str, ...]]
    default_lr: ClassVar[float] = 1e-3
    part: ClassVar[Part] = "adapter"
    default_reads: ClassVar[str | None] = None
    example: ClassVar[str | None] = None
    size_setting: ClassVar[str | None] = None
    sized_with: ClassVar[str | None] = None
    needs_gate: ClassVar[bool] = False
    zeroing_removes: ClassVar[bool] = True
    neutral: ClassVar[Mapping[str, float]] = {}

    @abstractmethod
    def build(self, site: Site) -> Adapter | TrainInPlace:
        """Return an adapter for the site, on torch's current default device.

        Raises:
            RecipeMismatch: the method cannot be attached to this site.
        """

    @property
    def starts_as_identity(self) -> bool:
        """Whether a new adapter leaves the output of the backbone unchanged."""
        return True

    @property
    def mixes_frames(self) -> bool:
        """Whether its adapters let a frame depend on others, such as later ones."""
        return False

    @property
    def changes_input(self) -> bool:
        """Whether its adapters override `before`, so that they must read the site's own entry."""
        return False

    @property
    def changes_length(self) -> bool:
        """Whether its adapters change the number of tokens, or keys, of a row."""
        return False

    def check(  # noqa: B027 - most methods go with all others
        self, at: tuple[str, ...], others: Sequence[tuple["Method", tuple[str, ...]]]
    ) -> None:
        """Check the other methods of a recipe.

        Args:
            at: The sites of this method.
            others: The other methods, with their sites.

        Raises:
            RecipeMismatch: one of them excludes this method, or a method it needs is missing.
        """

    def width_for_head(self, width: int) -> int:
        """Return the input width of the head, which is `width` without this method."""
        return width

    def with_size(self, size: int) -> Self:
        """Return the method with this inner size, which takes the place of a `reduction`.

        Raises:
            ValueError: the method has no such size.
        """
        assert self.size_setting is not None, "only methods with a size have another one"
        rest = {field.name: field.default for field in fields(self) if field.name == "reduction"}
        return replace(self, **{self.size_setting: size}, **rest)

    def narrowed(self, site: Site, size: int) -> Self:  # noqa: ARG002 - of most, any site
        """Return the method whose adapter at a site has some of the channels of this one's.

        With the tensors of these channels, it computes what the wider one computes from them.

        Args:
            site: The site.
            size: The number of channels that are left.
        """
        return self.with_size(size)

    @classmethod
    def setting_kinds(cls) -> dict[str, Kinds]:
        """Return the types that each setting may have."""
        hints = get_type_hints(cls)
        return {field.name: alternatives(hints[field.name]) for field in fields(cls)}

    @classmethod
    def from_settings(cls, settings: Mapping[str, Value]) -> Self:
        """Return the method with these settings and defaults for the others.

        Raises:
            RecipeError: the method has no such setting, or a value has the wrong type.
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
    """Return the inner size of an adapter.

    It is `width`, or if `reduction` is given, the narrower side of the site divided by it.

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
    """Raise ValueError for a setting that is not one of the known values."""
    words = list(known)
    if value not in words:
        choice = " or ".join(words) if len(words) == 2 else f"one of {', '.join(words)}"
        raise ValueError(f"{name} is '{value}'; use {choice}")


def check_dropout(dropout: float) -> None:
    """Raise ValueError for a dropout probability outside [0, 1)."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must lie in [0, 1)")


def real_only(
    frames: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"] | None
) -> Float[Tensor, "B T D"]:
    """Return the frames with padding set to zero."""
    return frames if frame_mask is None else frames.masked_fill(~frame_mask[..., None], 0.0)
