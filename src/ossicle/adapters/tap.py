"""Taps: the one file that touches PyTorch hooks.

A tap is a plain object whose bound methods are hooks on the two ports of a site:

    ... -> entry port -> [frozen site] -> exit port -> ...
           x = before(x)                  y = adapter(x, y)

The gate g of a candidate in a mixture scales its change: y <- y + g (adapter(x, y) - y), and
x <- x + g (before(x) - x). In a mixture of whole layers the tap of the site `layer` repeats the
batch once for each candidate, every candidate acts on its own copy, and the tap adds them up:

    h -> [h, h, h] -> [layer with candidate k on copy k] -> sum_k g_k copy_k -> h

Taps at the frozen blocks of such a layer let copies that are still equal run as one: see
`ossicle.adapters.copies`.

Bound methods of a plain object, never closures: a deep copy of the model follows them to the copied
adapters. Which sets act is the value of `active`. An adapter may read its x elsewhere in the layer;
the tap then has a further entry there. Values kept between two ports are in the backbone's
`ForwardState`.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ossicle.adapters.attached import Attached, Changing
from ossicle.adapters.copies import Copies
from ossicle.adapters.gates import Gates
from ossicle.anatomy import SITE_NAMES, Port, Site
from ossicle.backbones.attention import ForwardState
from ossicle.errors import RecipeMismatch

RANK: Final = {name: rank for rank, name in enumerate(SITE_NAMES)}  # the inner before the outer


class Tap:
    """The hooks of one site, and the adapters that every set has there.

    Attributes:
        site: The site.
        attached: The adapters of each set, in the order of its recipe.
        mixtures: The gates of each set that has a mixture of whole layers here (site `layer`).
        apart: The candidates of the whole-layer mixture of each set that act inside of this block,
            whose copies it therefore does not share; no entry: it shares nothing.
        active: The sets that act, in this order.
        calls: Forward passes so far, while a check is counting; None otherwise.
        entries: The site of every entry, by the name under which adapters read it.
    """

    def __init__(self, site: Site, state: ForwardState) -> None:
        self.site = site
        self.attached: dict[str, list[Attached]] = {}
        self.mixtures: dict[str, Gates] = {}
        self.apart: dict[str, frozenset[int]] = {}
        self.active: tuple[str, ...] = ()
        self.calls: int | None = None
        self.entries: dict[str | None, Site] = {None: site}
        self._state = state

    def add(self, name: str, attached: Attached) -> None:
        """Add an adapter of a set."""
        self.attached.setdefault(name, []).append(attached)
        if attached.reads is not None:
            self.entries[attached.entry] = attached.reads

    def remove(self, name: str) -> None:
        """Remove everything that belongs to a set."""
        self.attached.pop(name, None)
        self.mixtures.pop(name, None)
        self.apart.pop(name, None)
        read = [one.reads for part in self.attached.values() for one in part if one.reads]
        self.entries = {None: self.site} | {site.name: site for site in read}

    def activate(self, names: Iterable[str]) -> None:
        """Let these sets act, in this order, as far as they have something here."""
        present = self.names
        self.active = tuple(name for name in names if name in present)

    @property
    def names(self) -> set[str]:
        """The sets that have something here."""
        return self.attached.keys() | self.mixtures.keys() | self.apart.keys()

    @property
    def acts(self) -> bool:
        """Whether an active set changes something here."""
        return any(name in self.attached or name in self.mixtures for name in self.active)

    def install_exit(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Put a hook on the exit."""
        assert self.site.exit is not None, f"{self.site} has no ports"
        yield _hook(model, self.site.exit, self._leave)

    def install_entry(self, model: nn.Module, key: str | None) -> Iterator[RemovableHandle]:
        """Put hooks on one of the entries."""
        entry = self.entries[key].entry
        assert entry is not None, f"{self.site} has no ports"
        if isinstance(entry, Port):
            yield _hook(model, entry, partial(self._enter, key))
            return
        for number, port in enumerate(entry):
            yield _hook(model, port, partial(self._collect, number))

    def acting(self) -> Iterator[Attached]:
        """Yield the adapters of the active sets that act in this pass, in their order."""
        for name in self.active:
            for one in self.attached.get(name, ()):
                if not (one.adapter.only_first and self._state.goes_on):
                    yield one

    def _mixture(self) -> Gates | None:
        """Return the gates of the active mixture of whole layers, if there is one here."""
        return next((self.mixtures[name] for name in self.active if name in self.mixtures), None)

    def _key(self, key: str | None) -> tuple[str, int | None, str | None]:
        return self.site.name, self.site.layer, key

    def _enter(self, key: str | None, x: Tensor) -> Tensor:
        if not self.active:
            return x
        if key is None:
            self._state.tap_values[self._key("mask")] = self._state.frame_mask
            x = self._before(self._copied(x))
        self._state.tap_values[self._key(key)] = x
        self._state.tap_values[self._key(key), "copies"] = self._copies
        return self._shared(x) if key is None else x

    def _before(self, x: Tensor) -> Tensor:
        """Return what replaces the input of the site."""
        changing = Changing(x, self._copies)
        for one in self.acting():
            mask = self._state.frame_mask
            if one.gate is None:
                changing.replace(one.before(changing.tensor, mask))
                self._state.frame_mask = one.adapter.mask_inside(mask)
            elif one.changes_input:
                changing.mix(one.gate, one.before, (), mask)
        self._copies = changing.copies
        found: Tensor = changing.tensor
        return found

    def _copied(self, x: Tensor) -> Tensor:
        """Return the batch once for each candidate, at the entry of a mixture of whole layers."""
        if (gates := self._mixture()) is None:
            return x
        assert self.site.layer is not None, "a mixture of whole layers is at a layer"
        times = gates.runs_by_layer[self.site.layer]
        mask = self._state.frame_mask
        self._state.frame_mask = None if mask is None else mask.repeat(times, 1)
        self._copies = Copies.for_each(times)
        return torch.cat([x] * times)

    def _shared(self, x: Tensor) -> Tensor:
        """Return the copies that differ inside of this block."""
        copies, mask = self._copies, self._state.frame_mask
        if copies is None or (apart := self._apart()) is None:
            return x
        inside = copies.shared(apart)
        self._state.tap_values[self._key("outside")] = copies, mask
        self._state.frame_mask = None if mask is None else copies.convert(mask, inside)
        self._copies = inside
        return copies.convert(x, inside)

    def _unshared(self, y: Tensor) -> Changing:
        """Return the output of the block with a copy for each that was there before it."""
        inside = self._copies
        held = self._state.tap_values.pop(self._key("outside"), None)
        if inside is None or held is None:
            return Changing(y, inside)
        outside, self._state.frame_mask = held
        self._copies = outside.after(inside.acted)
        return Changing(y, self._copies, inside)

    def _apart(self) -> frozenset[int] | None:
        return next((self.apart[name] for name in self.active if name in self.apart), None)

    @property
    def _copies(self) -> Copies | None:
        """The copies that the batch consists of here, inside of a mixture of whole layers."""
        found: Copies | None = self._state.tap_values.get(("copies", self.site.layer))
        return found

    @_copies.setter
    def _copies(self, copies: Copies | None) -> None:
        if copies is not None:
            self._state.tap_values["copies", self.site.layer] = copies

    def _collect(self, number: int, x: Tensor) -> Tensor:
        if not self.active:
            return x
        gathered = self._state.tap_values.setdefault(
            self._key(None), list(self._state.layer_inputs)
        )
        assert len(gathered) == number, f"the entries of {self.site} were passed out of order"
        gathered.append(x)
        return x

    def _leave(self, y: Tensor) -> Tensor:
        if not self.active:
            return y
        changing, keeps_mask = self._unshared(y), True
        entered, outside = self._released()
        if self.calls is not None:
            self.calls += 1
        for one in self.acting():
            x, mask = entered[one.entry], self._state.frame_mask
            if x is None:
                raise RecipeMismatch(
                    f"an adapter at {self.site} reads '{one.entry}', which the model enters after "
                    "it has left that site; read a site that comes earlier in the layer"
                )
            if one.gate is None:
                changing.replace(one.after(x, changing.tensor, mask))
                keeps_mask = keeps_mask and not one.adapter.removes_tokens
            else:
                changing.mix(one.gate, one.after, (x,), mask)
        self._copies = changing.copies
        y = changing.tensor
        if (gates := self._mixture()) is not None:
            assert self.site.layer is not None, "a mixture of whole layers is at a layer"
            y, keeps_mask = gates.mixed(self.site.layer, y), False
            del self._state.tap_values["copies", self.site.layer]
        if not keeps_mask:
            self._state.frame_mask = outside
        return y

    def _released(self) -> tuple[dict[str | None, Tensor | None], Tensor | None]:
        """Return what the entries have held for this exit, and the mask outside of the site."""
        held = self._state.tap_values
        if isinstance(self.site.entry, tuple):  # a batch may begin above all of its entries
            held.setdefault(self._key(None), list(self._state.layer_inputs))
        assert self._key(None) in held, f"{self.site} was left before it was entered"
        entered = {key: self._taken(key) for key in self.entries}
        return entered, held.pop(self._key("mask"), None)

    def _taken(self, key: str | None) -> Tensor | None:
        """Return what an entry has held, with the copies that the batch has at the exit."""
        held, now = self._state.tap_values, self._copies
        x, then = held.pop(self._key(key), None), held.pop((self._key(key), "copies"), None)
        if isinstance(x, list):
            return torch.stack(x, dim=1)
        if x is None or now is None or then is None:
            found: Tensor | None = x
            return found
        return then.convert(x, now)  # type: ignore[no-any-return]  # tap values have any type


def install(model: nn.Module, taps: Iterable[Tap]) -> list[RemovableHandle]:
    """Register the hooks of all taps and return their handles, which remove them.

    Hooks on one side of a module run in the order of registration. Exits of sites come before
    entries of the next; of two sites that end at the same module the exit of the inner comes first,
    and of two that begin there the entry of the outer.
    """
    inner_first = sorted(taps, key=lambda tap: RANK[tap.site.name])
    entries = [(tap, key, site) for tap in inner_first for key, site in tap.entries.items()]
    # a site's own entry before those that only read it, because it may change the tensor
    outer_first = sorted(entries, key=lambda entry: (-RANK[entry[2].name], entry[1] is not None))
    handles = [handle for tap in inner_first for handle in tap.install_exit(model)]
    handles += [handle for tap, key, _ in outer_first for handle in tap.install_entry(model, key)]
    return handles


def _hook(model: nn.Module, port: Port, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Register a hook on the module of a port."""
    module = model.get_submodule(port.module)
    hook = _Hook(port, change)
    if port.side == "input":
        return module.register_forward_pre_hook(hook.on_input, with_kwargs=True)
    return module.register_forward_hook(hook.on_output)


class _Hook:
    """Replaces the port's tensor in the inputs or outputs of a module."""

    def __init__(self, port: Port, change: Callable[[Tensor], Tensor]) -> None:
        self.port = port
        self.change = change

    def on_input(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        port = self.port
        if port.keyword in kwargs:
            return args, {**kwargs, port.keyword: self.change(kwargs[port.keyword])}
        changed = self.change(args[port.index])
        return (*args[: port.index], changed, *args[port.index + 1 :]), kwargs

    def on_output(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        port = self.port
        if not isinstance(output, tuple):
            return self.change(output)
        return (*output[: port.index], self.change(output[port.index]), *output[port.index + 1 :])
