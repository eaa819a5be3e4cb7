"""How many parameters a recipe trains, by part, placement, site and layer. No weights needed."""

from collections.abc import Iterator
from dataclasses import dataclass

from ossicle.adapters.model import AdaptedModel, AdapterSet, build_slots
from ossicle.backbones import Backbone
from ossicle.heads import Head
from ossicle.methods.base import Part
from ossicle.recipes.recipe import Recipe


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
        frozen: The backbone's parameters that do not train.
        head: The head's.
        rows: One for each adapter.
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
        """The backbone and everything beside it."""
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
    return tally(AdaptedModel(backbone), item)


def tally(model: AdaptedModel, item: AdapterSet) -> Count:
    """Return the parameters that a set trains on its backbone."""
    in_place = {key: parameter.numel() for key, parameter in model.thawed(item).items()}
    everything = sum(parameter.numel() for parameter in model.backbone.parameters())

    def rows() -> Iterator[CountRow]:
        for slot in item.slots:
            if slot.adapter is None:
                size = sum(n for key, n in in_place.items() if key.startswith(f"{slot.key}/"))
            else:
                size = sum(parameter.numel() for parameter in slot.adapter.parameters())
            method = slot.placement.method
            yield CountRow(method.part, method.name, slot.site.name, slot.site.layer, size)

    in_head = sum(parameter.numel() for parameter in item.head.parameters()) if item.head else 0
    return Count(everything - sum(in_place.values()), in_head, tuple(rows()))
