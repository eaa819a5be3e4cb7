"""How much the settings of a method matter: rank, width, learning rate and depth, one at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from ossicle.anatomy.names import LAYER_SITES
from ossicle.errors import RunError
from ossicle.reports.parts import Figure, Section
from ossicle.settings import Help
from ossicle.studies.grid import Cell
from ossicle.studies.study import Study
from ossicle.studies.values import OWN, numbers, whole_numbers
from ossicle.training.config import COUNT, RATE
from ossicle.trials.outcome import Outcome

if TYPE_CHECKING:
    from ossicle.recipes.placement import Placement


@dataclass(frozen=True, kw_only=True)
class Sensitivity(Study):
    """Changes one setting at a time, in every placement that has it."""

    name: ClassVar[str] = "sensitivity"
    about: ClassVar[str] = "rank, width, learning rate and depth, one at a time"
    source: ClassVar[str] = "Lashkarashvili et al. 2024"
    recipes: ClassVar[tuple[str, ...]] = ("lora", "bottleneck")

    rank: Annotated[str, Help("Ranks of LoRA, separated by commas.", OWN)] = "1,4,8,16"
    width: Annotated[
        str, Help("Widths of bottlenecks and other adapters, separated by commas.", OWN)
    ] = "8,32,64,128"
    lr: Annotated[str, Help("Learning rates, separated by commas.", OWN)] = "1e-4,3e-4,1e-3,3e-3"
    depth: Annotated[
        str, Help("Numbers of adapted layers, counted from the top, separated by commas.", OWN)
    ] = "1,3,6"

    def __post_init__(self) -> None:
        for name in ("rank", "width", "depth"):
            whole_numbers(name, getattr(self, name), COUNT)
        numbers("lr", self.lr, RATE)

    def cells(self, recipes: Sequence[Cell]) -> list[Cell]:
        """Return each recipe with each value of each of its settings.

        Raises:
            RunError: no recipe has any of the settings.
        """
        found = [cell for one in recipes for cell in self._varied(one)]
        if not found:
            raise RunError("no recipe of the study has a setting to vary; give others")
        return found

    def _varied(self, cell: Cell) -> list[Cell]:
        if cell.runner != "train":
            return [cell]
        rates = numbers("lr", self.lr, RATE)
        changed = [
            cell.with_value("setting", "lr", lr=rate).with_value("value", rate) for rate in rates
        ]
        for name, change in (("rank", _resized), ("width", _resized), ("depth", _deep)):
            for value in whole_numbers(name, getattr(self, name), COUNT):
                recipe = _changed(cell.recipe, lambda one: change(one, name, value))  # noqa: B023
                if recipe is not None:
                    one = cell.with_value("setting", name, recipe=recipe)
                    changed.append(one.with_value("value", value))
        return changed

    def analyse(self, outcomes: Sequence[Outcome]) -> tuple[list[str], list[Section]]:
        """Return the verdict and the sections of the report."""
        from ossicle.studies.plots import curves
        from ossicle.studies.results import results

        names = dict.fromkeys(str(one.trial.labels.get("setting", "")) for one in outcomes)

        def by(name: str, part: Sequence[Outcome]) -> Figure | None:
            own = [one for one in part if one.trial.labels.get("setting") == name]
            figure = curves(own, over="value", title=f"By {name}", axis=name)
            return None if figure is None else replace(figure, name=f"by-{name}")

        return results(outcomes, against="value", plots=[partial(by, name) for name in names])


def _changed(recipe: str, change: Callable[["Placement"], "Placement"]) -> str | None:
    """Return a recipe with every placement changed; None if that changes nothing."""
    from ossicle.recipes.recipe import Recipe  # imports torch

    before = Recipe.parse(recipe).placements
    after = tuple(change(one) for one in before)
    return str(Recipe(*after)) if after != before else None


def _resized(placement: "Placement", name: str, value: int) -> "Placement":
    if placement.method.size_setting != name:
        return placement
    return replace(placement, method=placement.method.with_size(value))


def _deep(placement: "Placement", _: str, value: int) -> "Placement":
    """Return the placement in the top layers, unless it names its layers or is outside them."""
    if placement.layers is not None or not set(placement.at) <= LAYER_SITES.keys():
        return placement
    # One by one: a slice such as -8: would silently be all layers of a smaller backbone.
    return replace(placement, layers=",".join(str(n) for n in range(-value, 0)))
