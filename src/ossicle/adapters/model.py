"""A frozen backbone, the adapter sets on it, and which of them are active."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ossicle.adapters.tap import Tap, install
from ossicle.anatomy import Site
from ossicle.backbones import Backbone, Encoded, PartialForward
from ossicle.errors import AttachError, RecipeMismatch, listing
from ossicle.heads import Head, Outputs
from ossicle.methods import Adapter
from ossicle.recipes.placement import Placement
from ossicle.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one adapter of a set stands.

    Attributes:
        number: Position of its placement in the recipe.
        placement: That placement.
        site: The site.
        adapter: What stands there; None where the site's own parameters are trained in place.
        reads: The site whose entry gives the adapter its x; None: its own.
    """

    number: int
    placement: Placement
    site: Site
    adapter: Adapter | None
    reads: Site | None = None

    @property
    def key(self) -> str:
        """The name of the slot in a saved adapter, e.g. `0/7/attn.q`; `-` is outside layers."""
        layer = "-" if self.site.layer is None else self.site.layer
        return f"{self.number}/{layer}/{self.site.name}"


class AdapterSet(nn.Module):
    """The adapters of one recipe, with the head that was trained with them.

    Attributes:
        recipe: The plan.
        slots: Where each adapter stands.
        head: From frames to the output of the task; None where there is none.
    """

    def __init__(self, recipe: Recipe, slots: list[Slot], head: Head | None) -> None:
        super().__init__()
        self.recipe = recipe
        self.slots = slots
        self.head = head
        self.adapters = nn.ModuleList(s.adapter for s in slots if s.adapter is not None)

    @property
    def in_place(self) -> bool:
        """Whether the set changes the backbone itself."""
        return any(slot.adapter is None for slot in self.slots)


class AdaptedModel(nn.Module):
    """A backbone with named adapter sets. A new set is not active until `use`.

    One thread at a time: a tap holds a tensor between its two ports.

    Attributes:
        backbone: Frozen, apart from what `full` trains in place.
        sets: The adapter sets by name.
        active: The sets that act, in this order; the head of the last is used.
    """

    def __init__(self, backbone: Backbone) -> None:
        super().__init__()
        self.backbone = backbone
        self.sets = nn.ModuleDict()
        self.active: tuple[str, ...] = ()
        self._taps: dict[tuple[str, int | None], Tap] = {}
        self._handles: list[RemovableHandle] = []
        self._compiled = False

    def add(
        self,
        name: str,
        recipe: Recipe,
        head: Head | None = None,
        *,
        stacked: Callable[[Slot], Adapter] | None = None,
    ) -> AdapterSet:
        """Build the adapters of a recipe, tap their sites, and keep them under a name.

        Args:
            name: Of the set.
            recipe: What to build.
            head: From frames to the output of the task.
            stacked: Returns what stands at a slot instead, say for many sets at once.

        Raises:
            AttachError: the name is taken, another model's adapters are on the backbone, full
                fine-tuning would share it, or the model is compiled.
            SiteNotFound: the backbone has no such site.
            RecipeMismatch: a method cannot stand there, a layer does not exist, two methods exclude
                each other, or the head is of another width than the frames it is given.
        """
        if name in self.sets:
            raise AttachError(f"there is an adapter set '{name}' already; choose another name")
        if self._compiled:
            raise AttachError(
                "this model has run compiled, and what is compiled would not see new adapters; add "
                "every set first, then compile"
            )
        if self.backbone.adapted and not self.sets:
            raise AttachError(
                "this backbone carries the adapters of another AdaptedModel, which would act here "
                "too; add() to that one, or load a second backbone"
            )
        slots = build_slots(self.backbone, recipe)
        if stacked is not None:
            slots = [replace(slot, adapter=stacked(slot)) for slot in slots]
        new = AdapterSet(recipe, slots, head)
        new.requires_grad_(False)
        new.train(self.training)
        if self.sets and (new.in_place or any(s.in_place for s in self._sets())):
            raise AttachError(
                "full fine-tuning changes the backbone itself, so it cannot share it with other "
                "adapter sets; load a second backbone"
            )
        seen = recipe.seen_by_head(self.backbone.anatomy)
        if head is not None and head.width != seen.width:
            raise RecipeMismatch(
                f"the head reads frames {head.width} wide and this recipe gives it {seen.width}; "
                "build it for recipe.seen_by_head(backbone.anatomy)"
            )
        for slot in new.slots:
            if slot.adapter is not None:
                self._tap(slot.site).add(name, slot.adapter, slot.reads)
        self.remove_taps()
        self._handles = install(self.backbone.model, self._taps.values())
        self.sets[name] = new
        self.backbone.adapted = True
        if new.in_place:
            self.use(name)
        return new

    def use(self, *names: str) -> None:
        """Activate these sets, in this order, and freeze all others; none: the bare backbone.

        Raises:
            AttachError: there is no such set, full fine-tuning has changed the backbone, or two
                of the sets put tokens in at the same place or give the head other frames.
        """
        for name in names:
            self.find(name)
        self._check_together(names)
        for name, item in self._items():
            if item.in_place and name not in names:
                raise AttachError(
                    f"'{name}' was fine-tuned in place and cannot be taken off; "
                    "load the backbone again"
                )
            item.requires_grad_(name in names)
            for parameter in self.thawed(item).values():
                parameter.requires_grad_(True)
        for tap in self._taps.values():
            tap.active = tuple(name for name in names if name in tap.standing)
        self.active = names

    def act(self, names: Iterable[str]) -> None:
        """Let sets act that have rows of their own; unlike `use`, nothing else is changed."""
        acting = tuple(names)
        for tap in self._taps.values():
            tap.active = tuple(name for name in acting if name in tap.standing)

    def remove_taps(self) -> None:
        """Take every hook off the backbone; no adapter acts any more."""
        for handle in self._handles:
            handle.remove()

    def _check_together(self, names: tuple[str, ...]) -> None:
        placements = [p for name, s in self._items() if name in names for p in s.recipe.placements]
        if len(names) > 1:
            try:
                Recipe(*placements).check()
            except RecipeMismatch as error:
                raise AttachError(f"{listing(names)} cannot act together: {error}") from error

    def find(self, name: str) -> AdapterSet:
        """Return the set of a name.

        Raises:
            AttachError: there is no such set.
        """
        if name not in self.sets:
            has = ", ".join(self.sets) or "none"
            raise AttachError(f"there is no adapter set '{name}'; there are: {has}")
        return self._set(name)

    @property
    def current(self) -> AdapterSet:
        """The set whose head is used: the last active one."""
        if not self.active:
            raise AttachError("no adapter set is active; call use(name)")
        return self._set(self.active[-1])

    @property
    def active_slots(self) -> list[Slot]:
        """Where every adapter of the active sets stands, in the order in which they act."""
        return [slot for name in self.active for slot in self._set(name).slots]

    @property
    def taps(self) -> list[Tap]:
        """Every tap, in the order of the recipes."""
        return list(self._taps.values())

    def encode(self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]) -> Encoded:
        """Return the frames that the active sets make of a padded batch."""
        if torch.compiler.is_compiling():
            self._compiled = True
        encoded: Encoded = self.backbone(values, lengths)
        return encoded

    def compiled_finish(self) -> Callable[[PartialForward], Encoded]:
        """Return `Backbone.finish` through `torch.compile`; no set can be added any more."""
        self._compiled = True
        return torch.compile(self.backbone.finish, dynamic=True)

    def forward(
        self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]
    ) -> Float[Tensor, "B ..."]:
        """Return the output of the current set's head: (B, C), or (B, T, C) of one by frame."""
        head, encoded = self._head(), self.encode(values, lengths)
        output: Tensor = head(encoded.hidden, encoded.frame_mask)
        return output

    def outputs(self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]) -> Outputs:
        """Return the outputs of a padded batch as a task reads them."""
        return self.apply_head(self.encode(values, lengths))

    def apply_head(self, encoded: Encoded) -> Outputs:
        """Return the outputs of the current set's head for encoded frames, as `outputs` does."""
        return self._head().outputs(encoded.hidden, encoded.frame_mask)

    def _head(self) -> Head:
        if self.current.head is None:
            raise AttachError(f"adapter set '{self.active[-1]}' has no head; give add() one")
        return self.current.head

    def train(self, mode: bool = True) -> "AdaptedModel":
        """Set adapters, heads and what trains in place to training, but for batch norms."""
        super().train(mode)
        for item in self._sets():
            for slot in item.slots:
                if slot.adapter is None:
                    for path in slot.site.owned_modules:
                        self.backbone.model.get_submodule(path).train(mode)
        self.backbone.hold_statistics()
        return self

    def thawed(self, item: AdapterSet) -> dict[str, nn.Parameter]:
        """Return the backbone's own parameters that a set trains, by their key when saved."""
        found: dict[str, nn.Parameter] = {}
        taken: set[int] = set()
        for slot in item.slots:
            for path in slot.site.owned_modules if slot.adapter is None else ():
                for name, parameter in self.backbone.model.get_submodule(path).named_parameters():
                    inner = f"{path}.{name}" if path else name
                    if inner not in self.backbone.anatomy.unused and id(parameter) not in taken:
                        taken.add(id(parameter))
                        prefix = f"{path}." if len(slot.site.owned_modules) > 1 else ""
                        found[f"{slot.key}/{prefix}{name}"] = parameter
        return found

    def trainable(self, item: AdapterSet) -> dict[str, nn.Parameter]:
        """Return every parameter that a set trains, by its key when saved.

        Keys name sites, not modules, e.g. `0/7/attn.q/down`, `0/7/ffn/up.weight`, `head/bias`.
        """
        found = {
            f"{slot.key}/{name}": parameter
            for slot in item.slots
            if slot.adapter is not None
            for name, parameter in slot.adapter.named_parameters()
        }
        found |= self.thawed(item)
        if item.head is not None:
            found |= {f"head/{name}": p for name, p in item.head.named_parameters()}
        return found

    def _tap(self, site: Site) -> Tap:
        key = (site.name, site.layer)
        if key not in self._taps:
            self._taps[key] = Tap(site, self.backbone.forward_state)
        return self._taps[key]

    def _set(self, name: str) -> AdapterSet:
        found = self.sets[name]
        assert isinstance(found, AdapterSet)
        return found

    def _items(self) -> Iterator[tuple[str, AdapterSet]]:
        for name, item in self.sets.items():
            assert isinstance(item, AdapterSet)
            yield name, item

    def _sets(self) -> list[AdapterSet]:
        return [item for _, item in self._items()]


def build_slots(
    backbone: Backbone, recipe: Recipe, device: torch.device | str | None = None
) -> list[Slot]:
    """Return a new adapter for every site that a recipe names.

    Args:
        backbone: It has the sites.
        recipe: What to build.
        device: Where; None: the backbone's. On `meta` nothing takes memory.

    Raises:
        SiteNotFound: the backbone has no such site.
        RecipeMismatch: a method cannot stand there, a layer does not exist, or two methods exclude
            each other.
    """
    recipe.check()
    device = device or next(backbone.parameters()).device
    slots = []
    for number, placement in enumerate(recipe.placements):
        for name in placement.at:
            layers = _chosen(backbone, placement, name)
            for site in backbone.anatomy.find(name, layers):
                if site.entry is None and placement.method.part != "backbone":
                    raise RecipeMismatch(
                        f"nothing can be inserted at '{name}'; it can only be trained in place, "
                        f"with full@{name}"
                    )
                reads = _reads(backbone, placement, site)
                seen = site if reads is None else replace(site, width_in=reads.width_in)
                with torch.device(device):
                    built = placement.method.build(seen)
                adapter = built if isinstance(built, Adapter) else None
                slots.append(Slot(number, placement, site, adapter, reads))
    return slots


def _chosen(backbone: Backbone, placement: Placement, name: str) -> list[int] | None:
    """Return the layers of a site that a placement chooses; None: all, and outside the layers."""
    sites = {one: backbone.anatomy.find(one) for one in placement.at}
    if placement.layers and all(found[0].layer is None for found in sites.values()):
        raise RecipeMismatch(
            f"'{placement}' names layers, and {listing(placement.at)} is outside the layers; leave "
            "the brackets out"
        )
    return placement.select(len(sites[name])) if sites[name][0].layer is not None else None


def _reads(backbone: Backbone, placement: Placement, site: Site) -> Site | None:
    """Return the site in the layer of this one whose entry the placement reads, if it says so."""
    if placement.reads is None:
        return None
    if site.layer is None or site.name == "cnn":
        raise RecipeMismatch(
            f"'{placement.method.name}' at {site} reads '{placement.reads}', but a site outside "
            "the transformer's layers has no other beside it; leave reads out"
        )
    (found,) = backbone.anatomy.find(placement.reads, [site.layer])
    return found
