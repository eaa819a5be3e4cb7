"""Stacked adapters: one call runs many sets of one recipe, each on its own rows of a batch.

    tensors  (capacity, ...)   for each tensor of the recipe; one index (place) for each set
    route    rows  0 1 2 3 4 5  of the batch, sorted by set
             sets  a a b b c c  ->  members (a, b, c), 2 rows each

`torch.func.vmap` applies an adapter to (K, B / K, T, D) with tensors (K, ...). It turns matrix
products into batched ones, so no method needs code of its own for this; one may have it, in
`forward_sets`, because vmap takes longer than a small adapter. Rows of other recipes stay
unchanged.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.func import functional_call, vmap

from ossicle.methods import Adapter

PLACES: Final = 8  # initial capacity; it doubles when it is used up


@dataclass(frozen=True, slots=True)
class Route:
    """Which rows of a batch belong to which member of a stack.

    Attributes:
        members: Places in the stack, (K,).
        rows: Rows of the batch in the order of the members, equally many for each. None: all rows
            of the batch, in their order.
    """

    members: Int[Tensor, " K"]
    rows: Int[Tensor, " n"] | None = None

    def pick(self, batch: Tensor) -> Tensor:
        """Return the rows of each member: (K, n / K, ...)."""
        chosen = batch if self.rows is None else batch.index_select(0, self.rows)
        return chosen.view(len(self.members), -1, *batch.shape[1:])

    def put(self, made: Tensor, batch: Tensor) -> Tensor:
        """Return the batch with the picked rows replaced by the results."""
        flat = made.flatten(0, 1)
        return flat if self.rows is None else batch.index_copy(0, self.rows, flat)


class Stack:
    """The tensors of several adapter sets of one recipe.

    Attributes:
        tensors: Stacked tensors (capacity, ...), by the key under which a set is saved.
        route: Route of the running forward pass; None outside of one.
        places: Initial capacity.
    """

    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self.tensors: dict[str, Tensor] = {}
        self.route: Route | None = None

    def put(self, place: int, tensors: Mapping[str, Tensor], device: torch.device) -> None:
        """Copy the tensors of a set to a place; the capacity doubles if the place is beyond it."""
        with torch.no_grad():
            for key, tensor in tensors.items():
                there = self.tensors.get(key)
                if there is None:
                    there = torch.zeros((self.places, *tensor.shape), device=device)
                while place >= len(there):
                    there = torch.cat((there, torch.zeros_like(there)))
                there[place] = tensor
                self.tensors[key] = there

    def call(
        self,
        prefix: str,
        module: nn.Module,
        *args: Tensor | None,
        supports_vmap: bool = True,
        at_once: Callable[..., Tensor | None] | None = None,
    ) -> Tensor:
        """Return the module's output for the picked rows, with each set's tensors: (K, n / K, ...).

        Args:
            prefix: Prefix of the keys of its tensors.
            module: The module to run, or one that has it as `inside`; its own values are not used.
            args: Tensors of the whole batch; None is passed on.
            supports_vmap: Whether the module works under vmap; if not, sets run one at a time.
            at_once: The output by the tensors of all sets and their rows, or None: see
                `Adapter.forward_sets`.
        """
        route = self.route
        assert route is not None, "a stack can only be called during a forward pass"
        names = [name for name, _ in module.named_parameters()]
        own = {
            name: self.tensors[f"{prefix}{name.removeprefix('inside.')}"].index_select(
                0, route.members
            )
            for name in names
        }
        picked = [None if arg is None else route.pick(arg) for arg in args]

        if at_once is not None and (known := at_once(own, *picked)) is not None:
            return known

        def one(tensors: dict[str, Tensor], *given: Tensor | None) -> Tensor:
            made: Tensor = functional_call(module, tensors, given)
            return made

        count = len(route.members)
        if count > 1 and supports_vmap:
            in_dims = (0, *(None if arg is None else 0 for arg in picked))
            made: Tensor = vmap(one, in_dims=in_dims)(own, *picked)
            return made
        turns = [
            one(
                {name: tensor[i] for name, tensor in own.items()},
                *(None if arg is None else arg[i] for arg in picked),
            )
            for i in range(count)
        ]
        return torch.stack(turns)


class StackedAdapter(Adapter):
    """Represents the adapters of several sets at one site; has no tensors of its own."""

    def __init__(
        self, template: Adapter, prefix: str, stack: Stack, *, changes_input: bool
    ) -> None:
        super().__init__()
        self.removes_tokens, self.commutes_with_mean = (
            template.removes_tokens,
            template.commutes_with_mean,
        )
        self.__dict__["reads_mask"] = template.reads_mask  # of the class, for other adapters
        self.__dict__["only_first"] = template.only_first
        template = template.to("meta").eval()  # a bank does not train: no dropout
        # In tuples: as attributes these modules would be registered, moved and saved with this one.
        self._template = (template,)
        self._before = (_Before(template),)
        self._prefix, self._stack = prefix, stack
        self._changes_input = changes_input

    def before(self, x: Any, *frame_mask: Any) -> Any:
        """Return x after each set's `before` on its own rows."""
        if not self._changes_input:
            return x
        return self._put(self._call(self._before[0], x, *frame_mask), x)

    def forward(self, x: Any, y: Any, *frame_mask: Any) -> Any:
        """Return y after each set's adapter on its own rows."""
        template = self._template[0]
        made = self._call(template, x, y, *frame_mask, at_once=template.forward_sets)
        return self._put(made, y)

    def mask_inside(self, frame_mask: Any) -> Any:
        """Return the frame mask inside the site; it is the same for all sets."""
        return self._template[0].mask_inside(frame_mask)

    def _call(
        self,
        module: nn.Module,
        *args: Tensor | None,
        at_once: Callable[..., Tensor | None] | None = None,
    ) -> Tensor:
        supports_vmap = self._template[0].supports_vmap
        return self._stack.call(
            self._prefix, module, *args, supports_vmap=supports_vmap, at_once=at_once
        )

    def _put(self, made: Tensor, batch: Tensor) -> Tensor:
        assert self._stack.route is not None
        return self._stack.route.put(made, batch)


class _Before(nn.Module):
    """A module whose forward is an adapter's `before`, for `functional_call`."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        self.inside = adapter

    def forward(self, *args: Any) -> Any:
        return self.inside.before(*args)
