"""Where an adapter may stand: ports, sites and the anatomy of a backbone, as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ossicle.anatomy.names import SITE_NAMES
from ossicle.errors import RecipeMismatch, SiteNotFound, did_you_mean

# Depths of a backbone with L layers, beside 0 to L - 1, which stand for what enters that layer, and
# L for what leaves the last.
VALUES: Final = -2  # samples or mel frames, as the model takes them
FEATURES: Final = -1  # what the CNN or the filter bank makes of them


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a site: a tensor that goes into a module or comes out of it.

    Attributes:
        module: Dotted path inside the model.
        side: Whether the tensor enters or leaves the module.
        index: Its position among the arguments, or in a returned tuple.
        keyword: Its name, where the model may pass it by keyword.
    """

    module: str
    side: Literal["input", "output"]
    index: int = 0
    keyword: str | None = None


END: Final = Port("end", "output")  # of a hook point through which all goes that a head is given


@dataclass(frozen=True, slots=True)
class Convolution:
    """What one layer of the CNN is, for methods that put a copy of it beside it.

    Attributes:
        kernel: Samples, or frames of the layer before, that one frame sees.
        stride: By how many the next frame is further.
        bias: Whether the convolution has one.
        norm: Over time for each channel, over the channels of a frame, or none.
        eps: Of the norm.
    """

    kernel: int
    stride: int
    bias: bool
    norm: Literal["group", "layer"] | None
    eps: float = 1e-5


@dataclass(frozen=True, slots=True)
class Site:
    """A named place between two ports: x enters it, the frozen model makes y of x.

    Attributes:
        name: One of `ossicle.anatomy.names.SITE_NAMES`.
        layer: Number of the transformer layer (at `cnn`: of the CNN), from 0; None outside.
        entry: Where x is taken; several ports: x is what passes them, stacked; None where nothing
            can be inserted (regions such as `backbone`).
        exit: Where y is taken and given back.
        width_in: Channels of x.
        width_out: Channels of y.
        depth: The last depth before it: what is frozen up to there does not depend on the site.
        owned_modules: Modules whose parameters belong to the site, for training in place.
        eps: The epsilon of a LayerNorm; None for every other site.
        feeds: The linear that reads y and nothing else, if any; merging may change its columns.
        ends_in: The linear whose output y is, in a block of several modules; merging may change its
            rows.
        can_grow: Whether the sequence may be longer between the two ports.
        num_special: Tokens before the first patch, CLS first; 0 where every token is a frame.
        grid: Rows (frequency) and columns (time) of the patches, 0 where every clip has its own;
            None where there are none.
        max_tokens: Length of the table of positions; None where there is none.
        convolution: What the layer of the CNN is; None for every other site.
    """

    name: str
    layer: int | None
    entry: Port | tuple[Port, ...] | None
    exit: Port | None
    width_in: int
    width_out: int
    depth: int
    owned_modules: tuple[str, ...] = ()
    eps: float | None = None
    next_linear: str | None = None
    last_linear: str | None = None
    can_grow: bool = False
    num_special: int = 0
    grid: tuple[int, int] | None = None
    max_tokens: int | None = None
    convolution: Convolution | None = None

    def __str__(self) -> str:
        return self.name if self.layer is None else f"{self.name} in layer {self.layer}"


def module_site(
    name: str,
    layer: int | None,
    module: str | tuple[str, str],
    widths: tuple[int, int],
    depth: int,
    eps: float | None = None,
    **facts: Any,
) -> Site:
    """Return the site of one module, or of the way from one to another, first argument to result.

    Args:
        name: Of the site.
        layer: Its layer.
        module: Path of the module, or of the first and the last.
        widths: Of what enters and what leaves.
        depth: The last depth before it.
        eps: Of a LayerNorm.
        facts: Further attributes of the site.
    """
    first, last = (module, module) if isinstance(module, str) else module
    entry = Port(first, "input", keyword="hidden_states")
    owned = (first,) if first == last else (first, last)
    return Site(name, layer, entry, Port(last, "output"), *widths, depth, owned, eps, **facts)


def layer_sites(
    layer: int,
    modules: Mapping[str, str | tuple[str, str]],
    widths: tuple[int, int],
    eps: float,
    *,
    can_grow: bool = True,
    **facts: Any,
) -> list[Site]:
    """Return the sites of one transformer layer.

    Args:
        layer: Its number.
        modules: The module's path for every site but `attn.kv`, a hook point in `attn`, and
            those between two linears, such as `ffn.act` between `ffn.in` and `ffn.out`.
        widths: Of the residual stream and of the feed-forward block inside.
        eps: Of its LayerNorms.
        can_grow: Whether the layer takes a longer sequence than the one before it gave.
        facts: Further attributes of all its sites.
    """
    width, inner = widths
    shapes = {"in": (width, inner), "out": (inner, width)}
    sites = []
    for name, path in modules.items():
        shape = shapes.get(name.partition(".")[2], (width, width))
        last = f"{name}.o" if name == "attn" else f"{name}.out"
        more = {"can_grow": can_grow} if name == "layer" else {"last_linear": modules.get(last)}
        sites.append(module_site(name, layer, path, shape, layer, _eps(name, eps), **facts, **more))
        block = name.removesuffix(".in")
        if block != name:
            into, out = str(path), str(modules[f"{block}.out"])
            ports = Port(into, "output"), Port(out, "input")
            sites.append(
                Site(f"{block}.act", layer, *ports, inner, inner, layer, next_linear=out, **facts),
            )
    ports = Port(f"{modules['attn']}.kv", "input"), Port(f"{modules['attn']}.kv", "output")
    kv = Site("attn.kv", layer, *ports, 2 * width, 2 * width, layer, can_grow=True, **facts)
    return [*sites, kv]


def whole_sites(
    layers: Sequence[str],
    enter: Port,
    width: int,
    depth: int,
    owned: tuple[str, ...],
    **facts: Any,
) -> list[Site]:
    """Return the sites `encoder` and `layers` of a stack of layers.

    Args:
        layers: Path of every layer.
        enter: Where the whole sequence is ready for the first layer, or for the positions.
        width: Of the residual stream.
        depth: The last depth before `enter`.
        owned: Modules of the encoder.
        facts: Further attributes of both.
    """
    entries = tuple(Port(path, "input", keyword="hidden_states") for path in layers)
    top = len(layers) + 1
    return [
        Site("layers", None, entries, END, width, width, top, **facts),
        Site("encoder", None, enter, END, width, width, depth, owned, can_grow=True, **facts),
    ]


def _eps(name: str, eps: float) -> float | None:
    return eps if name.startswith("norm.") else None


def region(name: str, modules: tuple[str, ...], depth: int) -> Site:
    """Return a site where nothing is inserted and whose parameters can be trained in place."""
    return Site(name, None, None, None, 0, 0, depth, modules)


def _meaning(name: str) -> str:
    return f", {SITE_NAMES[name]}" if name in SITE_NAMES else ""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """All sites of one backbone.

    Attributes:
        family: Name of the family, e.g. `wavlm`.
        num_layers: Transformer layers.
        width: Channels of the residual stream.
        sites: Every site, layer by layer.
        has_cls: Whether token 0 of the output is a CLS token.
        unused: Parameters that never train: a forward pass does not read them, or the model's
            authors keep them fixed.
    """

    family: str
    num_layers: int
    width: int
    sites: tuple[Site, ...]
    has_cls: bool = False
    unused: tuple[str, ...] = ()

    @property
    def output_depth(self) -> int:
        """The depth of what leaves the backbone, after the final norm where there is one."""
        return self.num_layers + 1

    @property
    def site_names(self) -> list[str]:
        """The names of the sites, each once, in the order of the vocabulary of the family."""
        return list(dict.fromkeys(site.name for site in self.sites))

    def find(self, name: str, layers: Iterable[int] | None = None) -> Sequence[Site]:
        """Return the sites of that name in the given layers (None: in all; so outside the layers).

        Raises:
            SiteNotFound: the family has no site of that name.
            RecipeMismatch: a layer lies outside the backbone.
        """
        found = [site for site in self.sites if site.name == name]
        if not found:
            known = ", ".join(sorted(self.site_names))
            raise SiteNotFound(
                f"{self.family} has no site '{name}'{_meaning(name)}. It has: {known}."
                f"{did_you_mean(name, self.site_names)}"
            )
        if layers is None or found[0].layer is None:
            return found
        wanted = list(layers)
        for layer in wanted:
            if not 0 <= layer < len(found):
                raise RecipeMismatch(
                    f"the recipe names layer {layer} for '{name}'; this backbone ({self.family}) "
                    f"has {len(found)} layers of it, numbered from 0 to {len(found) - 1}"
                )
        return [site for site in found if site.layer in wanted]
