"""Ports, sites and the anatomy of a backbone: the places for adapters, as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ossicle.anatomy.names import DECODER, DECODER_SITES, SITE_NAMES, is_in_decoder, role_of
from ossicle.errors import RecipeMismatch, SiteNotFound, did_you_mean

# A depth is a point of the forward pass. Depth 0 to L - 1 is the input of that layer, L the output
# of the last layer, L + 1 the output of the backbone. Two depths come before the first layer:
VALUES: Final = -2  # model input: samples or mel frames
FEATURES: Final = -1  # output of the CNN or filter bank


@dataclass(frozen=True, slots=True)
class Port:
    """One end of a site: an input or output tensor of a module.

    Attributes:
        module: Dotted path of the module inside the model.
        side: Whether the tensor is an input or an output of the module.
        index: Position of the tensor among the arguments, or in a returned tuple.
        keyword: Argument name, if the model may pass the tensor by keyword.
    """

    module: str
    side: Literal["input", "output"]
    index: int = 0
    keyword: str | None = None


END: Final = Port("end", "output")  # hook point that the backbone output passes through


@dataclass(frozen=True, slots=True)
class Convolution:
    """Hyper-parameters of one CNN layer, for methods that run a copy of it in parallel.

    Attributes:
        kernel: Kernel size, in samples or frames of the previous layer.
        stride: Stride, in the same unit.
        bias: Whether the convolution has a bias.
        norm: `group` (over time, per channel), `layer` (over the channels of a frame) or None.
        eps: Epsilon of the norm.
    """

    kernel: int
    stride: int
    bias: bool
    norm: Literal["group", "layer"] | None
    eps: float = 1e-5


@dataclass(frozen=True, slots=True)
class Site:
    """A named part of the model with input x (at its entry) and output y (at its exit).

    Attributes:
        name: One of `ossicle.anatomy.names.SITE_NAMES`.
        layer: Number of the transformer layer (at `cnn`: of the CNN layer), from 0; None for sites
            outside the layers.
        entry: Port where x is read; several ports: x is their tensors, stacked; None where nothing
            can be inserted (regions such as `backbone`).
        exit: Port where y is read and replaced.
        width_in: Channels of x.
        width_out: Channels of y.
        depth: Last depth before the site: the forward pass up to there does not depend on it.
        owned_modules: Paths of the modules whose parameters belong to the site, for training in
            place.
        eps: Epsilon of a LayerNorm; None for every other site.
        next_linear: Path of the linear that alone reads y, if there is one; merging may change its
            columns.
        last_linear: Path of the linear that computes y, in a block of several modules; merging may
            change its rows.
        can_grow: Whether the sequence may be longer between the two ports.
        num_special: Number of tokens before the first patch, CLS first; 0 if tokens are frames.
        grid: Rows (frequency) and columns (time) of the patches; 0 columns if they depend on the
            clip; None if tokens are frames.
        max_tokens: Number of positional embeddings; None if positions are not limited.
        convolution: Hyper-parameters of a CNN layer; None for every other site.
        causal: Whether a token may depend on the tokens before it alone, as in a text decoder,
            which sees one token at a time when it generates.
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
    causal: bool = False

    @property
    def role(self) -> str:
        """What it is in its layer: `attn.q` for `dec.attn.q` and for `dec.cross.q`."""
        return role_of(self.name)

    @property
    def in_decoder(self) -> bool:
        """Whether it is a part of the text decoder."""
        return is_in_decoder(self.name)

    def beside(self, roles: Iterable[str]) -> list[str]:
        """Return the names of these sites in the part of the model that the site is in."""
        if not self.in_decoder:
            return list(roles)
        names = (f"{part}{role}" for role in roles for part in (DECODER, f"{DECODER}cross."))
        every = (name.replace("cross.attn.", "cross.") for name in names)
        return [name for name in every if name in DECODER_SITES]

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
    """Return the site of one module, or of a sequence of modules.

    Args:
        name: Name of the site.
        layer: Number of its layer.
        module: Path of the module, or of the first and the last.
        widths: Channels of its input and output.
        depth: Last depth before it.
        eps: Epsilon of a LayerNorm.
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
    depth: int | None = None,
    **facts: Any,
) -> list[Site]:
    """Return the sites of one transformer layer.

    Args:
        layer: Number of the layer.
        modules: Module path of every site except `attn.kv`, which is a hook point in `attn`, and
            the sites between two linears, such as `ffn.act` between `ffn.in` and `ffn.out`.
        widths: Channels of the residual stream, and inside the feed-forward block.
        eps: Epsilon of its LayerNorms.
        can_grow: Whether the layer takes a longer sequence than the one before it gave.
        depth: Last depth before the layer; None: the number of the layer.
        facts: Further attributes of all its sites.
    """
    width, inner = widths
    depth = layer if depth is None else depth
    shapes = {"in": (width, inner), "out": (inner, width)}
    sites = []
    for name, path in modules.items():
        role = role_of(name)
        shape = shapes.get(role.partition(".")[2], (width, width))
        last = f"{name}.o" if role == "attn" else f"{name}.out"
        more = {"can_grow": can_grow} if role == "layer" else {"last_linear": modules.get(last)}
        sites.append(module_site(name, layer, path, shape, depth, _eps(role, eps), **facts, **more))
        block = name.removesuffix(".in")
        if block != name:
            into, out = str(path), str(modules[f"{block}.out"])
            ports = Port(into, "output"), Port(out, "input")
            sites.append(
                Site(f"{block}.act", layer, *ports, inner, inner, depth, next_linear=out, **facts),
            )
        if role == "attn":
            ports = Port(f"{path}.kv", "input"), Port(f"{path}.kv", "output")
            both = (2 * width, 2 * width)
            sites.append(Site(f"{name}.kv", layer, *ports, *both, depth, can_grow=True, **facts))
    return sites


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
        enter: Port with the whole sequence, before the first layer or before positions are added.
        width: Channels of the residual stream.
        depth: Last depth before `enter`.
        owned: Paths of the modules of the encoder.
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
        family: Name of the backbone family, e.g. `wavlm`.
        num_layers: Number of transformer layers.
        width: Channels of the residual stream.
        sites: Every site, layer by layer.
        has_cls: Whether token 0 of the output is a CLS token.
        unused: Names of parameters that never train, because no forward pass reads them or the
            model's authors keep them fixed.
    """

    family: str
    num_layers: int
    width: int
    sites: tuple[Site, ...]
    has_cls: bool = False
    unused: tuple[str, ...] = ()

    @property
    def output_depth(self) -> int:
        """Depth of the backbone output, after the final norm if the model has one."""
        return self.num_layers + 1

    @property
    def site_names(self) -> list[str]:
        """Names of the sites, each once, in the order in which the family lists them."""
        return list(dict.fromkeys(site.name for site in self.sites))

    def find(self, name: str, layers: Iterable[int] | None = None) -> Sequence[Site]:
        """Return the sites of that name in the given layers (None: in all layers).

        A site outside the layers is returned whatever the layers.

        Raises:
            SiteNotFound: the family has no site of that name.
            RecipeMismatch: a layer lies outside the backbone.
        """
        found = [site for site in self.sites if site.name == name]
        if not found and is_in_decoder(name):
            raise SiteNotFound(
                f"{self.family} has no site '{name}'{_meaning(name)}: no text decoder is loaded "
                "here. A decoder is loaded for the task seq2seq (--task seq2seq), or by "
                "load_backbone(..., decoder=True), with a backbone that has one, such as whisper"
            )
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
