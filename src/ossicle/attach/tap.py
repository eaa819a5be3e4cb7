"""Taps: the one file that touches PyTorch hooks.

A tap is a plain object whose bound methods are hooks on the two ports of a site:

    ... -> entry port -> [frozen site] -> exit port -> ...
           x = before(x)                  y = adapter(x, y)

Bound methods of a plain object, never closures: a deep copy of the model follows them to the copied
adapters. A tap is installed once and stays; which sets act is the value of `active`.
"""

from typing import Any

from torch import Tensor, nn

from ossicle.anatomy import Port, Site
from ossicle.methods import Adapter


class Tap:
    """The hooks of one site, and the adapters of every set that stand there.

    Attributes:
        site: Where it is.
        adapters: For each set, its adapters in the order of the recipe.
        active: The sets that act, in this order.
        calls: Forward passes seen, while a check is counting; None otherwise.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.adapters: dict[str, list[Adapter]] = {}
        self.active: tuple[str, ...] = ()
        self.calls: int | None = None
        self._entered: Tensor | None = None

    def install(self, model: nn.Module) -> None:
        """Put the hooks on the two ports."""
        entry, leave = self.site.entry, self.site.exit
        assert entry is not None, f"{self.site} has no ports"
        assert leave is not None, f"{self.site} has no ports"
        for port, on_input, on_output in (
            (entry, self._enter_input, self._enter_output),
            (leave, self._leave_input, self._leave_output),
        ):
            module = model.get_submodule(port.module)
            if port.side == "input":
                module.register_forward_pre_hook(on_input, with_kwargs=True)
            else:
                module.register_forward_hook(on_output)

    def _enter(self, x: Tensor) -> Tensor:
        for name in self.active:
            for adapter in self.adapters.get(name, ()):
                x = adapter.before(x)
        self._entered = x
        return x

    def _leave(self, y: Tensor) -> Tensor:
        x, self._entered = self._entered, None
        assert x is not None, f"{self.site} was left before it was entered"
        if self.calls is not None:
            self.calls += 1
        for name in self.active:
            for adapter in self.adapters.get(name, ()):
                y = adapter(x, y)
        return y

    def _enter_input(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert self.site.entry is not None
        return _with_input(self.site.entry, args, kwargs, self._enter) if self.active else None

    def _enter_output(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        assert self.site.entry is not None
        return _with_output(self.site.entry, output, self._enter) if self.active else None

    def _leave_input(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        assert self.site.exit is not None
        return _with_input(self.site.exit, args, kwargs, self._leave) if self.active else None

    def _leave_output(self, _: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        assert self.site.exit is not None
        return _with_output(self.site.exit, output, self._leave) if self.active else None


def _with_input(
    port: Port, args: tuple[Any, ...], kwargs: dict[str, Any], change: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if port.keyword in kwargs:
        return args, {**kwargs, port.keyword: change(kwargs[port.keyword])}
    return (*args[: port.index], change(args[port.index]), *args[port.index + 1 :]), kwargs


def _with_output(port: Port, output: Any, change: Any) -> Any:
    if not isinstance(output, tuple):
        return change(output)
    return (*output[: port.index], change(output[port.index]), *output[port.index + 1 :])
