"""A frozen backbone with named adapter sets: which act, which train, and what is saved."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ossicle.adapters.adapter_set import AdapterSet
from ossicle.adapters.attached import Attached
from ossicle.adapters.copies import BLOCKS, LINEARS, is_inside
from ossicle.adapters.slots import Slot, adapter_tensors, build_slots, in_place_tensors
from ossicle.adapters.tap import Tap, install
from ossicle.anatomy import Anatomy, Site
from ossicle.backbones import Backbone, Encoded, PartialForward
from ossicle.errors import AttachError, RecipeMismatch, did_you_mean, listing
from ossicle.heads import Head, Outputs
from ossicle.html import TextTable, card
from ossicle.methods import Adapter
from ossicle.recipes.recipe import Recipe
from ossicle.writing import Text, TextDecoder


class AdaptedModel(nn.Module):
    """A backbone with named adapter sets. A new set is not active until `use`.

    Active, trainable and saved are three things. `use` chooses the active sets, a chain in which
    each acts after the one before it, and what of them trains. `trainable` is what trains, for
    optimiser, checkpoint and count. `tensors` is the whole chain, which is what `save` writes: one
    recipe, with the placements of all active sets in their order.

    One thread at a time: a tap holds a tensor between its two ports.

    Attributes:
        backbone: Frozen, except for what `full` trains in place.
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
            name: Name of the set.
            recipe: The recipe.
            head: The head, which maps frames to the output of the task.
            stacked: Returns the adapter to insert at a slot, e.g. one that serves many sets.

        Raises:
            AttachError: the name is taken, another model's adapters are on the backbone, full
                fine-tuning would share it, or the model is compiled.
            SiteNotFound: the backbone has no such site.
            RecipeMismatch: a method does not fit its site, a layer does not exist, two methods
                exclude each other, or a placement cannot be part of a mixture.
        """
        if name in self.sets:
            raise AttachError(f"there is an adapter set '{name}' already; choose another name")
        self._check_not_compiled("add every set first, then compile")
        if self.backbone.adapted and not self.sets:
            raise AttachError(
                "this backbone carries the adapters of another AdaptedModel, which would act here "
                "too; add() to that one, or load a second backbone"
            )
        slots = build_slots(self.backbone, recipe)
        if stacked is not None and any(slot.placement.gate for slot in slots):
            raise AttachError(
                f"'{recipe}' is a mixture of candidates, which a bank cannot serve; keep the best "
                "candidate alone first"
            )
        if stacked is not None:
            slots = [replace(slot, adapter=stacked(slot)) for slot in slots]
        if head is not None and head.needs_decoder:
            head.connect(self._decoder(head))
        new = AdapterSet(recipe, slots, head)
        new.requires_grad_(False).eval()
        new.gates.to(next(self.backbone.parameters()).device)
        if self.sets and (new.in_place or any(s.in_place for s in self._sets())):
            raise AttachError(
                "full fine-tuning changes the backbone itself, so it cannot share it with other "
                "adapter sets; load a second backbone"
            )
        for slot in new.slots:
            if slot.adapter is not None:
                attached = Attached(slot.adapter, slot.reads, slot.gate)
                self._tap(slot.site).add(name, attached)
        for layer in new.gates.runs_by_layer:
            self._mix_layers(name, new, layer)
        self.sets[name] = new
        self._install_taps()
        if new.in_place:
            self.use(name)
        return new

    def remove(self, name: str) -> None:
        """Remove a set and its hooks; the backbone is as it was before `add`.

        If the set was active, no set is active afterwards.

        Raises:
            AttachError: there is no such set, it has trained the backbone's own parameters, which
                cannot be restored, or the model is compiled.
        """
        if self.find(name).in_place:
            raise AttachError(
                f"'{name}' was fine-tuned in place and cannot be removed; load the backbone again"
            )
        self._check_not_compiled("load a second backbone for other sets")
        if name in self.active:
            self.use()
        for key, tap in list(self._taps.items()):
            tap.remove(name)
            if not tap.names:
                del self._taps[key]
        del self.sets[name]
        self._install_taps()

    def use(self, *active: str, train: Iterable[str] | None = None) -> None:
        """Activate these sets, in this order, and choose what of them trains.

        All else is frozen: it gets no gradient, and its dropout is off.

        Args:
            active: Names of sets; none: the bare backbone.
            train: What trains: names of active sets, or parts of one, such as `a/0` (its first
                placement), `a/0/7/attn.q` (that placement at one site), `a/gates` and `a/head`.
                None: everything that is active.

        Raises:
            AttachError: there is no such set or part, a set changes the backbone in place and
                cannot be switched off, or two of the sets exclude each other.
            RecipeMismatch: the head of the last set is for frames of another width than those that
                the active sets give.
        """
        for name in active:
            self.find(name)
            if active.count(name) > 1:
                raise AttachError(f"adapter set '{name}' is named twice; name each set once")
        for name, item in self._items():
            if item.in_place and name not in active:
                raise AttachError(
                    f"'{name}' was fine-tuned in place and cannot be taken off; "
                    "load the backbone again"
                )
        self._check_together(active)
        chosen = self._chosen(active, active if train is None else tuple(train))
        for item in self._sets():
            item.requires_grad_(False)
            for parameter in in_place_tensors(self.backbone, item.slots).values():
                parameter.requires_grad_(False)
        for parameter in chosen:
            parameter.requires_grad_(True)
        for tap in self._taps.values():
            tap.activate(active)
        self.active = active
        self.train(self.training)

    def act(self, names: Iterable[str]) -> None:
        """Let sets act whose adapters pick their own rows; unlike `use`, change nothing else."""
        acting = tuple(names)
        for tap in self._taps.values():
            tap.activate(acting)

    def remove_taps(self) -> None:
        """Remove every hook from the backbone; no adapter acts any more."""
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def find(self, name: str) -> AdapterSet:
        """Return the set of a name.

        Raises:
            AttachError: there is no such set.
        """
        if name not in self.sets:
            known = ", ".join(self.sets) or "none"
            raise AttachError(
                f"no adapter set '{name}'; available: {known}.{did_you_mean(name, self.sets)}"
            )
        return self._set(name)

    @property
    def current(self) -> AdapterSet:
        """The set whose head is used: the last active one."""
        if not self.active:
            raise AttachError("no adapter set is active; call use(name)")
        return self._set(self.active[-1])

    def _repr_html_(self) -> str:
        from ossicle.adapters.count import COLUMNS, active_count, count_rows  # imports this module

        found = active_count(self)
        facts = {
            "backbone": f"{self.backbone.name}, {found.frozen:,} parameters",
            "sets": ", ".join(self.sets) or "none",
            "active": ", ".join(self.active) or "none",
            "recipe": str(self.recipe),
            "head": f"{found.head:,} parameters" if self.head is not None else "none",
        }
        rows = count_rows(found)
        return card("Adapted model", facts, [TextTable(COLUMNS, rows, right=4)] if rows else [])

    @property
    def head(self) -> Head | None:
        """The head that is used: that of the last active set."""
        return self.current.head if self.active else None

    @property
    def recipe(self) -> Recipe:
        """The active sets as one recipe: the placements of all of them, in their order."""
        if len(self.active) == 1:
            return self.current.recipe
        return sum((self._set(name).recipe for name in self.active), start=Recipe())

    @property
    def active_slots(self) -> list[Slot]:
        """The places of all active adapters, numbered by the placements of `recipe`."""
        slots: list[Slot] = []
        first = 0
        for name in self.active:
            item = self._set(name)
            slots += [replace(slot, number=first + slot.number) for slot in item.slots]
            first += len(item.recipe.placements)
        return slots

    def tensors(self) -> dict[str, nn.Parameter]:
        """Return every parameter of the active sets by its key in `recipe`, frozen ones too.

        Keys are those of `AdapterSet.tensors`. Only the last set's head is among them.
        """
        found = adapter_tensors(self.active_slots)
        for name in self.active:
            item = self._set(name)
            found |= in_place_tensors(self.backbone, item.slots)  # such a set is never in a chain
            own = item.tensors(self.backbone)
            found |= {key: p for key, p in own.items() if key.startswith("gates/")}
        if self.head is not None:
            found |= {f"head/{key}": p for key, p in self.head.named_parameters()}
        return found

    def trainable(self) -> dict[str, nn.Parameter]:
        """Return every parameter that trains, by its key in `tensors`."""
        return {key: p for key, p in self.tensors().items() if p.requires_grad}

    def trains(self, slot: Slot) -> bool:
        """Return whether something at an active slot trains: its tensors, or its gate."""
        if slot.adapter is None:
            parameters = iter(in_place_tensors(self.backbone, [slot]).values())
        else:
            parameters = slot.adapter.parameters()
        gates = () if slot.gate is None else (slot.gate.logits,)
        return any(tensor.requires_grad for tensor in (*parameters, *gates))

    @property
    def taps(self) -> list[Tap]:
        """Every tap, in the order of the recipes."""
        return list(self._taps.values())

    def encode(self, values: Float[Tensor, "B ..."], lengths: Int[Tensor, " B"]) -> Encoded:
        """Return the frames that the backbone and the active sets compute for a padded batch."""
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

    def apply_head(self, encoded: Encoded, texts: Sequence[Text] = ()) -> Outputs:
        """Return the outputs of the current set's head for encoded frames, as `outputs` does.

        Args:
            encoded: The frames.
            texts: The text of each row, for a head that runs a text decoder.
        """
        return self._head().outputs(encoded.hidden, encoded.frame_mask, texts)

    def answers(self, encoded: Encoded, texts: Sequence[Text] = ()) -> Outputs:
        """Return what a task decodes: a head that runs a text decoder generates."""
        return self._head().answers(encoded.hidden, encoded.frame_mask, texts)

    def _decoder(self, head: Head) -> TextDecoder:
        """Return the text decoder for a head, or raise if it cannot run it."""
        width = self.backbone.anatomy.width
        if head.width != width:
            raise RecipeMismatch(
                f"the recipe gives frames of width {head.width}, and the text decoder of "
                f"'{self.backbone.name}' reads frames of width {width}; leave out what changes the "
                "width, such as l-adapter"
            )
        if self.backbone.decoder is None:
            raise AttachError(
                f"the head runs the text decoder of the backbone, and '{self.backbone.name}' was "
                "loaded without one; load_backbone(..., decoder=True) loads it"
            )
        return self.backbone.decoder

    def _head(self) -> Head:
        if (head := self.current.head) is None:
            raise AttachError(f"adapter set '{self.active[-1]}' has no head; give add() one")
        return head

    def train(self, mode: bool = True) -> "AdaptedModel":
        """Set everything that trains to training mode, except batch norms; the rest stays in eval.

        Frozen adapters have no dropout: what is frozen always computes the same.
        """
        super().train(mode)
        for item in self._sets():
            item.eval()
        for slot in self.active_slots:
            training = mode and self.trains(slot)
            if slot.adapter is not None:
                slot.adapter.train(training)
                continue
            for path in slot.site.owned_modules:
                self.backbone.model.get_submodule(path).train(training)
        if self.head is not None:
            self.head.train(mode and any(p.requires_grad for p in self.head.parameters()))
        self.backbone.hold_statistics()
        return self

    def _check_not_compiled(self, advice: str) -> None:
        if self._compiled:
            raise AttachError(
                f"this model has run compiled, and compiled code does not see new hooks; {advice}"
            )

    def _check_together(self, names: tuple[str, ...]) -> None:
        """Raise unless sets can act one after the other, with the head of the last."""
        chain = [self._set(name) for name in names]
        recipe = sum((item.recipe for item in chain), start=Recipe())
        if len(chain) > 1:
            try:
                recipe.check()
            except RecipeMismatch as error:
                raise AttachError(f"{listing(names)} cannot act together: {error}") from error
            mixtures = [mixture for item in chain for mixture in item.gates.mixtures]
            if twice := sorted({one for one in mixtures if mixtures.count(one) > 1}):
                raise AttachError(
                    f"{listing(names)} cannot act together: two of them have gates "
                    f"'{twice[0]}', which would become one mixture"
                )
        check_head(chain[-1].head if chain else None, recipe, self.backbone.anatomy)

    def _chosen(self, active: tuple[str, ...], train: tuple[str, ...]) -> list[nn.Parameter]:
        """Return the parameters that `use` was asked to train."""
        chosen: list[nn.Parameter] = []
        for what in train:
            name, part = self._split(what)
            if name not in active:
                raise AttachError(
                    f"'{what}' cannot train: the active sets are {listing(active) or 'none'}"
                )
            own = self._set(name).tensors(self.backbone)
            if name != active[-1]:  # the head of another set is not used
                own = {key: p for key, p in own.items() if not key.startswith("head/")}
            if part and not any(_is_in(key, part) for key in own):
                parts = dict.fromkeys(f"{name}/{key.split('/')[0]}" for key in own)
                raise AttachError(
                    f"adapter set '{name}' has no trainable part '{part}'; available: "
                    f"{', '.join(parts) or 'none'}"
                )
            chosen += [p for key, p in own.items() if _is_in(key, part)]
        return chosen

    def _split(self, what: str) -> tuple[str, str]:
        """Return set and part of `set/part`; an unknown set is returned as it is."""
        names = [name for name in self.sets if _is_in(what, name)]
        name = max(names, key=len, default=what.partition("/")[0])
        return name, what[len(name) + 1 :]

    def _install_taps(self) -> None:
        """Put all hooks in place again: their order depends on all sites."""
        self.remove_taps()
        self._handles = install(self.backbone.model, self._taps.values())
        self.backbone.adapted = bool(self.sets)

    def _mix_layers(self, name: str, item: AdapterSet, layer: int) -> None:
        """Tap a layer with a mixture of whole layers, and the blocks that candidates share there.

        The dropout of a stochastic backbone is another one for every candidate: nothing is shared.
        """
        (whole,) = self.backbone.anatomy.find("layer", [layer])
        self._tap(whole).mixtures[name] = item.gates
        if self.backbone.stochastic:
            return
        acting = [
            (slot.site, slot.gate.index)
            for slot in item.slots
            if slot.site.layer == layer and slot.gate and slot.gate.is_of_whole_layers
        ]
        for block in self.backbone.anatomy.sites:
            if block.layer == layer and block.name in (*BLOCKS, *LINEARS):
                apart = frozenset(index for site, index in acting if is_inside(site, block))
                if len(apart) + 1 < item.gates.runs_by_layer[layer]:  # two that may be equal
                    self._tap(block).apart[name] = apart

    def _tap(self, site: Site) -> Tap:
        key = (site.name, site.layer)
        if key not in self._taps:
            self._taps[key] = Tap(site, self.backbone.state_of(site))
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


def _is_in(key: str, part: str) -> bool:
    """Return whether the tensor of a key belongs to a part; an empty part is everything."""
    return not part or f"{key}/".startswith(f"{part}/")


def check_head(head: Head | None, recipe: Recipe, anatomy: Anatomy) -> None:
    """Raise RecipeMismatch unless a head is for frames of the width that a recipe gives."""
    width = recipe.seen_by_head(anatomy).width
    if head is not None and head.width != width:
        raise RecipeMismatch(
            f"the head reads frames of width {head.width}, but '{recipe}' gives width {width}; "
            "build the head for recipe.seen_by_head(backbone.anatomy)"
        )
