"""Count the parameters that a recipe trains, by part, method, site and layer; no weights needed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from torch import nn

from ossicle.adapters.adapter_set import AdapterSet
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.slots import Slot, build_slots
from ossicle.backbones import Backbone
from ossicle.heads import Head
from ossicle.methods.base import Part
from ossicle.recipes.recipe import Recipe

COLUMNS: Final = ["part", "method", "site", "layers", "each", "sum"]


@dataclass(frozen=True, slots=True)
class CountRow:
    """The parameters of one adapter.

    Attributes:
        part: `adapter`, `norm` or `backbone` (trained in place).
        method: Its name.
        site: Its site.
        layer: Its layer; None outside the layers.
        count: Trainable parameters.
    """

    part: Part
    method: str
    site: str
    layer: int | None
    count: int


@dataclass(frozen=True, slots=True)
class Count:
    """The parameters of a recipe on a backbone.

    Attributes:
        frozen: Parameters that do not train: of the backbone and of frozen adapters.
        head: Trainable parameters of the head.
        rows: Trainable parameters of each adapter, and of the gates of each layer.
    """

    frozen: int
    head: int
    rows: tuple[CountRow, ...]

    def of(self, part: Part) -> int:
        """Return the trainable parameters of one part."""
        return sum(row.count for row in self.rows if row.part == part)

    @property
    def trainable(self) -> int:
        """Everything that trains, the head included."""
        return self.head + sum(row.count for row in self.rows)

    @property
    def total(self) -> int:
        """All parameters: the backbone, the adapters and the head."""
        return self.frozen + self.trainable

    @property
    def percent(self) -> float:
        """Trainable parameters in percent of the total."""
        return 100 * self.trainable / self.total

    def to_dict(self) -> dict[str, float]:
        """Return the sums as plain data; `backbone` is what trains in place."""
        return {
            "total": self.total,
            "trainable": self.trainable,
            "adapter": self.of("adapter"),
            "norm": self.of("norm"),
            "backbone": self.of("backbone"),
            "head": self.head,
            "percent": self.percent,
        }


def count(backbone: Backbone, recipe: Recipe, head: Head | None = None) -> Count:
    """Return the parameters that a recipe would train on a backbone, which stays as it is.

    The backbone may be on the meta device: `load_backbone(name, weights=False)`.
    """
    item = AdapterSet(recipe, build_slots(backbone, recipe), head)
    return _count(backbone, item.slots, item.tensors(backbone), {})


def tally(model: AdaptedModel) -> Count:
    """Return the parameters that train in a model, as `AdaptedModel.use` has chosen them."""
    trainable, every = model.trainable(), model.tensors()
    frozen = {key: parameter for key, parameter in every.items() if key not in trainable}
    return _count(model.backbone, model.active_slots, trainable, frozen)


def active_count(model: AdaptedModel) -> Count:
    """Return the parameters of the active sets, whether they train or are frozen."""
    return _count(model.backbone, model.active_slots, model.tensors(), {})


def _count(
    backbone: Backbone,
    slots: Sequence[Slot],
    trainable: Mapping[str, nn.Parameter],
    frozen: Mapping[str, nn.Parameter],
) -> Count:
    size_by_key = {key: parameter.numel() for key, parameter in trainable.items()}

    def size(start: str) -> int:
        return sum(size for key, size in size_by_key.items() if key.startswith(start))

    rows = [
        CountRow(
            slot.placement.method.part,
            slot.placement.method.name,
            slot.site.name,
            slot.site.layer,
            size(f"{slot.key}/"),
        )
        for slot in slots
    ]
    for key, numel in size_by_key.items():
        if key.startswith("gates/"):
            mixture, layer = key.removeprefix("gates/").rsplit(".", 1)
            rows.append(CountRow("adapter", "gates", mixture, int(layer), numel))
    own = {id(parameter) for parameter in backbone.parameters()}
    everything = sum(parameter.numel() for parameter in backbone.parameters())
    in_place = sum(p.numel() for p in trainable.values() if id(p) in own)
    added = sum(p.numel() for p in frozen.values() if id(p) not in own)
    return Count(everything - in_place + added, size("head/"), tuple(rows))


def count_rows(found: Count) -> list[list[str]]:
    """Return a row for each method and site, in the columns of `COLUMNS`."""
    groups: dict[tuple[str, str, str], list[tuple[int | None, int]]] = {}
    for row in found.rows:
        key = (row.part, row.method, row.site)
        groups.setdefault(key, []).append((row.layer, row.count))
    return [
        [
            part,
            method,
            site,
            _layers([layer for layer, _ in of_one]),
            _each([n for _, n in of_one]),
            f"{sum(n for _, n in of_one):,}",
        ]
        for (part, method, site), of_one in groups.items()
    ]


def _each(counts: list[int]) -> str:
    return f"{counts[0]:,}" if len(set(counts)) == 1 else "varies"


def _layers(layers: list[int | None]) -> str:
    numbers = [layer for layer in layers if layer is not None]
    if not numbers:
        return "-"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(str(number) for number in numbers)
