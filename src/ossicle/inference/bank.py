"""Many trained adapters on one backbone: each row of a batch names the adapter that processes it.

    rows      wave 0   wave 1   wave 2      the frozen part runs once per wave, up to the first
                |        |        |         layer that one of its adapters changes
    requests  0:emo   1:digit  2:emo  0:digit
                `--------`--- one batch ---'  one forward pass for all requests whose frozen part
                                              ends at the same depth; see `ossicle.inference.stack`

The tensors of all adapter sets with the same recipe and head are stacked, so adding a set copies
tensors and builds no modules. A recipe that changes the length of the sequence or the width of the
frames runs in a forward pass of its own.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import check_finite
from ossicle.adapters.slots import Slot
from ossicle.anatomy import VALUES
from ossicle.backbones import Backbone, Encoded, PartialForward
from ossicle.errors import AttachError, RecipeMismatch, did_you_mean, listing
from ossicle.frozen.cut import Cut, Row, find_cut, pad_at_cut, run_on, run_to_cut, summarised
from ossicle.heads import Head, build_head
from ossicle.inference.adapter_group import AdapterGroup, Asked, Request
from ossicle.inference.saved_adapter import SavedAdapter, read_adapter
from ossicle.inference.stack import PLACES, Stack, StackedAdapter
from ossicle.recipes.recipe import Recipe
from ossicle.writing import Text

ROWS: Final = 64
UNUSED: Final = 8  # recipes without adapters that stay prepared
WRITING: Final = (
    "adapters that write text share the encoder, and the text decoder runs for one after the other"
)
Finish = Callable[[PartialForward], Encoded]


class AdapterBank:
    """Trained adapters by name on one backbone. Not thread-safe.

    Attributes:
        backbone: The frozen backbone, used by this bank only.
        notes: Adapters that cannot run as a batch, with the reason.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        places: int = PLACES,
        compiler: Callable[[Finish], Finish] | None = None,
    ) -> None:
        """Create an empty bank.

        Args:
            backbone: A backbone without adapters. Attach none to it except through the bank.
            places: Initial capacity for adapters of one recipe; it doubles when it is used up.
            compiler: Compiles the layers above the frozen part, e.g. `torch.compile`. Adding an
                adapter compiles again only if its recipe is new or the capacity doubles.
        """
        self.backbone = backbone
        self.notes: list[str] = []
        self._places = places
        self._compiler = compiler
        self._finish: Finish = backbone.finish
        self._model = AdaptedModel(backbone).eval()
        self._groups: dict[str, AdapterGroup] = {}
        self._numbers = count()
        self._group_by_name: dict[str, AdapterGroup] = {}

    def __len__(self) -> int:
        return len(self._group_by_name)

    @property
    def names(self) -> list[str]:
        """The names of all adapters in the bank."""
        return list(self._group_by_name)

    def load(self, name: str, folder: Path | str) -> None:
        """Add an adapter from a folder written by `save` or by a training run.

        Raises:
            AdapterFileError: the folder is not an adapter folder, or is damaged.
            RecipeMismatch: it was trained on another backbone.
            AttachError: see `add`.
        """
        self.put(name, read_adapter(Path(folder), self.backbone))

    def put(self, name: str, saved: SavedAdapter) -> None:
        """Add an adapter that `read_adapter` has read, which takes no further reading of files.

        Raises:
            AttachError: see `add`.
        """
        self.add(name, saved.recipe, saved.head, saved.num_outputs, saved.tensors)
        if saved.configure is not None:
            self.configure(name, saved.configure)

    def configure(self, name: str, tell: Callable[[Head], None]) -> None:
        """Take what tells the head what it does for an adapter, such as `Task.configure`.

        Raises:
            AttachError: there is no adapter of that name.
        """
        self._found(name).configured[name] = tell

    def add(
        self,
        name: str,
        recipe: Recipe,
        head: str | None,
        num_outputs: int,
        tensors: Mapping[str, Tensor],
    ) -> None:
        """Add an adapter set.

        Args:
            name: A name for it, by which rows select it.
            recipe: Its recipe.
            head: The name of its head in `ossicle.heads.HEADS`.
            num_outputs: Number of outputs of the head.
            tensors: Its tensors, by the keys of `AdaptedModel.trainable`.

        Raises:
            AttachError: the name is taken, there is no head, or the recipe changes the backbone
                itself.
            AdapterFileError: a weight is NaN or infinite.
            RecipeMismatch: a tensor is missing, unexpected or has another shape.
        """
        if name in self._group_by_name:
            raise AttachError(f"there is an adapter '{name}' already; remove it first")
        if head is None:
            raise AttachError(
                f"adapter '{name}' was saved without a head, which a bank needs; save it with one"
            )
        check_finite(tensors, f"adapter '{name}'")
        group = self._group(recipe, head, num_outputs)
        wrong = sorted(group.shapes.keys() ^ tensors.keys())
        wrong += [
            k for k, shape in group.shapes.items() if k in tensors and tensors[k].shape != shape
        ]
        if wrong:
            raise RecipeMismatch(
                f"{len(wrong)} tensors of adapter '{name}' do not fit its recipe on this backbone, "
                f"the first '{wrong[0]}'"
            )
        place = group.free.pop() if group.free else len(group.places)
        group.stack.put(place, tensors, next(self.backbone.parameters()).device)
        group.places[name] = place
        self._group_by_name[name] = group

    def remove(self, name: str) -> None:
        """Remove an adapter; the next one added reuses its place in the stack.

        Raises:
            AttachError: there is no adapter of that name.
        """
        group = self._found(name)
        group.configured.pop(name, None)
        group.free.append(group.places.pop(name))
        del self._group_by_name[name]
        self._drop_unused()

    def _drop_unused(self) -> None:
        """Remove the tensors and modules of recipes without adapters, but for the latest ones."""
        unused = [key for key, group in self._groups.items() if not group.places]
        if self._compiler is None:  # which would have to compile again
            for key in unused[:-UNUSED]:
                self._model.remove(self._groups.pop(key).name)

    def outputs(
        self, waves: Sequence[NDArray[np.float32]], names: Sequence[str], *, max_rows: int = ROWS
    ) -> list[Tensor]:
        """Return the output for each wave from the adapter named for it.

        Args:
            waves: Waveforms (N,) at the backbone's sample rate.
            names: One adapter name for each wave.
            max_rows: Maximum batch size above the frozen part.

        Raises:
            AttachError: there is no such adapter.
        """
        rows = [self.backbone.row(wave) for wave in waves]
        return self.run(rows, list(zip(range(len(rows)), names, strict=True)), max_rows=max_rows)

    def ensemble(
        self, waves: Sequence[NDArray[np.float32]], names: Sequence[str], *, max_rows: int = ROWS
    ) -> list[list[Tensor]]:
        """Return the outputs for all waves from each of several adapters: one list per adapter."""
        rows = [self.backbone.row(wave) for wave in waves]
        requests = [(row, name) for name in names for row in range(len(rows))]
        made = self.run(rows, requests, max_rows=max_rows)
        return [made[start : start + len(rows)] for start in range(0, len(made), len(rows))]

    @torch.no_grad()
    def run(
        self,
        rows: Sequence[Row],
        requests: Sequence[Request | tuple[int, str]],
        *,
        max_rows: int = ROWS,
        texts: Sequence[Text] = (),
    ) -> list[Tensor]:
        """Return the output, or the embedding, of each request.

        Args:
            rows: The rows.
            requests: What is wanted; of a row and a name alone, the output.
            max_rows: Maximum batch size above the frozen part.
            texts: What is written about each row, for heads that run a text decoder, which write.

        Raises:
            AttachError: there is no such adapter.
        """
        told = texts or [Text()] * len(rows)
        wanted = [Request(*one) for one in requests]
        asked = [Asked(one.name, self._found(one.name), told[one.row], one.reads) for one in wanted]
        groups = [one.group for one in asked]
        states = self._frozen_states(rows, wanted, groups)
        together: dict[tuple[Cut, str | None], list[int]] = defaultdict(list)
        for number, group in enumerate(groups):
            together[group.cut, group.name if group.alone else None].append(number)
        outputs: dict[int, Tensor] = {}
        for (cut, _), numbers in together.items():
            numbers.sort(key=lambda n: (groups[n].name, asked[n].place))
            # With adapters inside a CNN, rows of unequal length run through it one at a time.
            most = 1 if cut.depth == VALUES else max_rows
            for start in range(0, len(numbers), most):
                part = numbers[start : start + most]
                given = [states[cut][wanted[n].row] for n in part]
                lengths = [rows[wanted[n].row][1] for n in part]
                made = self._pass(given, lengths, cut, [asked[n] for n in part])
                outputs.update(zip(part, made, strict=True))
        return [outputs[number] for number in range(len(wanted))]

    def _frozen_states(
        self, rows: Sequence[Row], requests: Sequence[Request], groups: Sequence[AdapterGroup]
    ) -> dict[Cut, dict[int, Tensor]]:
        """Return the states of each row at every cut that its requests need.

        The frozen part continues from one cut to the next, so no layer runs twice for a row.
        """
        cuts = {group.cut for group in groups}
        keep = any(cut.keep for cut in cuts)
        deepest: dict[int, int] = {}
        for one, group in zip(requests, groups, strict=True):
            deepest[one.row] = max(deepest.get(one.row, group.cut.depth), group.cut.depth)
        found: dict[Cut, dict[int, Tensor]] = {cut: {} for cut in cuts}
        here: dict[int, Tensor] = {}
        before: Cut | None = None
        for depth in sorted({cut.depth for cut in cuts}):
            at, going = Cut(depth, keep), [row for row, most in deepest.items() if most >= depth]
            if before is None:
                made = run_to_cut(self.backbone, [rows[row] for row in going], at)
            else:
                lengths = [rows[row][1] for row in going]
                made = run_on(self.backbone, [here[row] for row in going], lengths, before, at)
            here, before = dict(zip(going, made, strict=True)), at
            for cut in cuts:
                if cut.depth == depth:
                    found[cut] = {row: summarised(state, cut) for row, state in here.items()}
        return found

    def _pass(
        self,
        states: Sequence[Tensor],
        lengths: Sequence[int],
        cut: Cut,
        asked: Sequence[Asked],
    ) -> list[Tensor]:
        """Return the outputs of rows that run in one batch; rows of one set are adjacent."""
        present = list({one.group.name: one.group for one in asked}.values())
        device = next(self.backbone.parameters()).device
        rows_of = {
            group.name: [i for i, one in enumerate(asked) if one.group is group]
            for group in present
        }
        for group in present:
            group.route_to(rows_of[group.name], asked, device)
        self._model.act(group.name for group in present)
        try:
            encoded = self._finish(pad_at_cut(self.backbone, states, lengths, cut))
            made = {
                group.name: self._read(group, encoded, rows_of[group.name], asked)
                for group in present
            }
        finally:
            self._model.act(())
            for group in present:
                group.stack.route = None
        outputs: dict[int, Tensor] = {}
        for name, rows in rows_of.items():
            outputs.update(zip(rows, made[name], strict=True))
        return [outputs[i] for i in range(len(asked))]

    def _read(
        self, group: AdapterGroup, encoded: Encoded, rows: Sequence[int], asked: Sequence[Asked]
    ) -> list[Tensor]:
        """Return the output of each row of a group, or its embedding, as each row asks."""
        found: dict[int, Tensor] = {}
        for reads in ("output", "embedding"):
            own = [row for row in rows if asked[row].reads == reads]
            if not own:
                continue
            group.route_to(own, asked, encoded.hidden.device)
            if reads == "embedding":
                found |= zip(own, group.embeddings(encoded), strict=True)
            else:
                found |= zip(own, self._head_outputs(group, encoded, own, asked), strict=True)
        return [found[row] for row in rows]

    def _head_outputs(
        self, group: AdapterGroup, encoded: Encoded, rows: Sequence[int], asked: Sequence[Asked]
    ) -> list[Tensor]:
        if not group.head.needs_decoder:
            return group.head_outputs(encoded)
        self._model.act([group.name])
        return group.written(encoded, rows, asked)

    def _group(self, recipe: Recipe, head: str, num_outputs: int) -> AdapterGroup:
        key = json.dumps([recipe.to_dict()["placements"], head, num_outputs], sort_keys=True)
        if key in self._groups:
            return self._groups[key]
        stack, name = Stack(self._places), f"group {next(self._numbers)}"
        shapes: dict[str, torch.Size] = {}

        def stacked(slot: Slot) -> StackedAdapter:
            if slot.adapter is None:
                raise AttachError(
                    f"'{slot.placement}' changes the backbone itself, so other adapters cannot "
                    "share it; load a second backbone for this one"
                )
            if not slot.adapter.supports_vmap:
                note = (
                    f"sets of '{slot.placement}' run one after the other: the method does not "
                    "support vmap"
                )
                self.notes += [] if note in self.notes else [note]
            for tensor, parameter in slot.adapter.named_parameters():
                shapes[f"{slot.key}/{tensor}"] = parameter.shape
            changes = slot.placement.method.changes_input
            return StackedAdapter(slot.adapter, f"{slot.key}/", stack, changes_input=changes)

        seen = recipe.seen_by_head(self.backbone.anatomy)
        made = build_head(head, seen, num_outputs)
        adapter_set = self._model.add(name, recipe, made, stacked=stacked)
        if made.needs_decoder and WRITING not in self.notes:
            self.notes.append(WRITING)
        shapes |= {f"head/{tensor}": p.shape for tensor, p in made.named_parameters()}
        self._model.use(name)
        cut = find_cut(self._model, below_adapters=True)
        self._model.use()
        alone = seen.width != self.backbone.anatomy.width or any(
            placement.method.changes_length for placement in recipe.placements
        )
        group = AdapterGroup(name, adapter_set, made.to("meta"), shapes, cut, alone, stack)
        self._groups[key] = group
        if self._compiler is not None:
            torch.compiler.reset()  # compiled code does not see new taps
            self._finish = self._compiler(self.backbone.finish)
        return group

    def _found(self, name: str) -> AdapterGroup:
        if name not in self._group_by_name:
            has = listing(self._group_by_name, 5) or "none"
            raise AttachError(
                f"no adapter '{name}'; available: {has}.{did_you_mean(name, self._group_by_name)}"
            )
        return self._group_by_name[name]
