"""Taps: the one file that touches PyTorch hooks.

A tap is a plain object whose bound methods are hooks on the two ports of a site:

    ... -> entry port -> [frozen site] -> exit port -> ...
           x = before(x)                  y = adapter(x, y)

Bound methods of a plain object, never closures: a deep copy of the model follows them to the copied
adapters. Which sets act is the value of `active`. An adapter may read its x elsewhere in the layer;
the tap then has a further entry there. Values kept between two ports are in the backbone's
`ForwardState`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ossicle.anatomy import SITE_NAMES, Port, Site
from ossicle.backbones.attention import ForwardState
from ossicle.methods import Adapter

RANK: Final = {name: rank for rank, name in enumerate(SITE_NAMES)}  # the inner before the outer


@dataclass(frozen=True, slots=True)
class Standing:
    """An adapter at its place.

    Attributes:
        adapter: The module.
        reads: The site whose entry gives its x; None: its own.
    """

    adapter: Adapter
    reads: str | None = None


class Tap:
    """The hooks of one site, and the adapters of every set that stand there.

    Attributes:
        site: Where it is.
        standing: For each set, its adapters in the order of the recipe.
        active: The sets that act, in this order.
        calls: Forward passes seen, while a check is counting; None otherwise.
    """

    def __init__(self, site: Site, state: ForwardState) -> None:
        self.site = site
        self.standing: dict[str, list[Standing]] = {}
        self.active: tuple[str, ...] = ()
        self.calls: int | None = None
        self._state = state
        self._entries: dict[str | None, Site] = {None: site}

    def add(self, name: str, adapter: Adapter, reads: Site | None = None) -> None:
        """Put an adapter of a set here; it may read the entry of another site of the layer."""
        key = None if reads is None else reads.name
        if reads is not None:
            self._entries[key] = reads
        self.standing.setdefault(name, []).append(Standing(adapter, key))

    def install_exit(self, model: nn.Module) -> Iterator[RemovableHandle]:
        """Put a hook on the exit."""
        assert self.site.exit is not None, f"{self.site} has no ports"
        yield _hook(model, self.site.exit, self._leave)

    def install_entry(self, model: nn.Module, key: str | None) -> Iterator[RemovableHandle]:
        """Put hooks on one of the entries."""
        entry = self._entries[key].entry
        assert entry is not None, f"{self.site} has no ports"
        if isinstance(entry, Port):
            yield _hook(model, entry, partial(self._enter, key))
            return
        for number, port in enumerate(entry):
            yield _hook(model, port, partial(self._collect, number))

    @property
    def entries(self) -> Iterator[tuple[str | None, Site]]:
        """The site of every entry, by what an adapter says that it reads."""
        yield from self._entries.items()

    def acting(self) -> Iterator[Standing]:
        """Yield the adapters of the active sets in the order in which they act."""
        for name in self.active:
            yield from self.standing.get(name, ())

    def _key(self, key: str | None) -> tuple[str, int | None, str | None]:
        return self.site.name, self.site.layer, key

    def _enter(self, key: str | None, x: Tensor) -> Tensor:
        if not self.active:
            return x
        if key is None:
            outside = self._state.frame_mask
            for one in self.acting():
                adapter = one.adapter
                mask = self._state.frame_mask
                x = adapter.before(x, mask) if adapter.reads_mask else adapter.before(x)
                self._state.frame_mask = adapter.mask_inside(mask)
            self._state.tap_values[self._key("mask")] = outside
        self._state.tap_values[self._key(key)] = x
        return x

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
        held = self._state.tap_values
        if isinstance(self.site.entry, tuple):  # a batch that was set in above all of its entries
            held.setdefault(self._key(None), list(self._state.layer_inputs))
        assert self._key(None) in held or None not in self._entries, (
            f"{self.site} was left before it was entered"
        )
        entered = {key: held.pop(self._key(key), None) for key in self._entries}
        outside = held.pop(self._key("mask"), None)
        if isinstance(gathered := entered[None], list):
            entered[None] = torch.stack(gathered, dim=1)
        if self.calls is not None:
            self.calls += 1
        stays = True
        for one in self.acting():
            x = entered[one.reads]
            assert x is not None, f"{self.site} was left before '{one.reads}' was entered"
            adapter = one.adapter
            y = adapter(x, y, self._state.frame_mask) if adapter.reads_mask else adapter(x, y)
            stays = stays and not adapter.removes_tokens
        if not stays:
            self._state.frame_mask = outside
        return y


def install(model: nn.Module, taps: Iterable[Tap]) -> list[RemovableHandle]:
    """Put the hooks of all taps in place and return what removes them.

    Hooks on one side of one module run in the order in which they are put there. What leaves a site
    comes before what enters the next; of two sites that end there the inner leaves first, and of
    two that begin there the outer is entered first.
    """
    inner_first = sorted(taps, key=lambda tap: RANK[tap.site.name])
    entries = [(tap, key, site) for tap in inner_first for key, site in tap.entries]
    # an own entry before one that reads the same: it may change what is there
    outer_first = sorted(entries, key=lambda entry: (-RANK[entry[2].name], entry[1] is not None))
    handles = [handle for tap in inner_first for handle in tap.install_exit(model)]
    handles += [handle for tap, key, _ in outer_first for handle in tap.install_entry(model, key)]
    return handles


def _hook(model: nn.Module, port: Port, change: Callable[[Tensor], Tensor]) -> RemovableHandle:
    """Put one hook on the module of a port."""
    module = model.get_submodule(port.module)
    hook = _Hook(port, change)
    if port.side == "input":
        return module.register_forward_pre_hook(hook.on_input, with_kwargs=True)
    return module.register_forward_hook(hook.on_output)


class _Hook:
    """Picks the port's tensor out of what a module takes or gives, and puts back what is made."""

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
