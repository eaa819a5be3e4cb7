"""Where an adapter may stand: ports, sites and the anatomy of a backbone, as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ossicle.errors import RecipeMismatch, SiteNotFound, did_you_mean


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


@dataclass(frozen=True, slots=True)
class Site:
    """A named place between two ports: x enters it, the frozen model makes y of x.

    Attributes:
        name: One of `ossicle.anatomy.names.SITE_NAMES`.
        layer: Number of the transformer layer, from 0; None outside the layers.
        entry: Where x is taken; None where nothing can be inserted (regions such as `backbone`).
        exit: Where y is taken and given back.
        width_in: Channels of x.
        width_out: Channels of y.
        owns: Modules whose parameters belong to the site, for training in place.
        eps: The epsilon of a LayerNorm; None for every other site.
    """

    name: str
    layer: int | None
    entry: Port | None
    exit: Port | None
    width_in: int
    width_out: int
    owns: tuple[str, ...]
    eps: float | None = None

    def __str__(self) -> str:
        return self.name if self.layer is None else f"{self.name} in layer {self.layer}"


def module_site(
    name: str, layer: int | None, module: str, widths: tuple[int, int], eps: float | None = None
) -> Site:
    """Return the site of one module that maps its first argument to its first result."""
    entry = Port(module, "input", keyword="hidden_states")
    return Site(name, layer, entry, Port(module, "output"), *widths, (module,), eps)


def layer_sites(
    layer: int, modules: Mapping[str, str], widths: tuple[int, int], eps: float
) -> list[Site]:
    """Return the twelve sites of one transformer layer.

    Args:
        layer: Its number.
        modules: The module's path for every site but `ffn.act`, which lies between `ffn.in` and
            `ffn.out`.
        widths: Of the residual stream and of the feed-forward block inside.
        eps: Of its LayerNorms.
    """
    width, inner = widths
    shapes = {"ffn.in": (width, inner), "ffn.out": (inner, width)}
    sites = [
        module_site(name, layer, path, shapes.get(name, (width, width)), _eps(name, eps))
        for name, path in modules.items()
    ]
    ports = Port(modules["ffn.in"], "output"), Port(modules["ffn.out"], "input")
    return [*sites, Site("ffn.act", layer, *ports, inner, inner, owns=())]


def _eps(name: str, eps: float) -> float | None:
    return eps if name.startswith("norm.") else None


def region(name: str, modules: tuple[str, ...]) -> Site:
    """Return a site where nothing is inserted and whose parameters can be trained in place."""
    return Site(name, None, None, None, 0, 0, modules)


@dataclass(frozen=True, slots=True)
class Anatomy:
    """All sites of one backbone.

    Attributes:
        family: Name of the family, e.g. `wavlm`.
        num_layers: Transformer layers.
        width: Channels of the residual stream.
        sites: Every site, layer by layer.
        has_cls: Whether token 0 of the output is a CLS token.
        unused: Parameters that a forward pass never reads, and that therefore never train.
    """

    family: str
    num_layers: int
    width: int
    sites: tuple[Site, ...]
    has_cls: bool = False
    unused: tuple[str, ...] = ()

    @property
    def site_names(self) -> list[str]:
        """The names of the sites, each once, in the order of the vocabulary of the family."""
        return list(dict.fromkeys(site.name for site in self.sites))

    def find(self, name: str, layers: Iterable[int] | None = None) -> Sequence[Site]:
        """Return the sites of that name in the given layers (None: in all).

        Raises:
            SiteNotFound: the family has no site of that name.
            RecipeMismatch: a layer lies outside the backbone.
        """
        found = [site for site in self.sites if site.name == name]
        if not found:
            known = ", ".join(sorted(self.site_names))
            raise SiteNotFound(
                f"{self.family} has no site '{name}'. It has: {known}."
                f"{did_you_mean(name, self.site_names)}"
            )
        if layers is None or found[0].layer is None:
            return found
        wanted = list(layers)
        for layer in wanted:
            if not 0 <= layer < self.num_layers:
                raise RecipeMismatch(
                    f"the recipe names layer {layer} for '{name}'; this backbone ({self.family}) "
                    f"has {self.num_layers} layers, numbered from 0 to {self.num_layers - 1}"
                )
        return [site for site in found if site.layer in wanted]
