"""The trials of the study of domains.

    alone          one domain; the first stage of every chain that begins with it
    joint          all domains together
    plain          one domain after the other, with all modules trained
    freeze ...     the same, with some modules frozen after the first domain
    keep ...       the same, with a way to keep what was learnt

Chains that begin alike share the trials that they have in common.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, combinations, islice, permutations
from typing import TYPE_CHECKING, Any, Final

from ossicle.continual import KEEPS, parse_keep
from ossicle.errors import RunError, listing
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.recipes.recipe import Recipe
from ossicle.studies.adaptation.data import domains_of
from ossicle.studies.analysis.notes import FEWEST_SEEDS
from ossicle.studies.analysis.text import count
from ossicle.studies.grid import Cell, Grid, check_different, recipe_cells
from ossicle.trials.trial import BEFORE, Label, Trial

if TYPE_CHECKING:
    from ossicle.studies.domains import Domains

_LOGGER: Final = logging.getLogger(__name__)
RUNNER: Final = "domains"
TRAINING: Final = "training"  # label: how a model was trained
TRAINED_ON: Final = "domains"  # label: the domains that it was trained on
ALONE, JOINT, PLAIN, FREEZE, KEEP = "alone", "joint", "plain", "freeze", "keep"
ARROW: Final = " → "
PLUS: Final = " + "
ALL: Final = "all"
MOST_MODULES: Final = 5  # whose subsets are all trained: 31


@dataclass(frozen=True)
class Way:
    """A way to go on to the next domain.

    Attributes:
        name: Its label.
        changes: Fields of `TrainConfig`.
    """

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)


def declared(study: "Domains", grid: Grid) -> list[Trial]:
    """Return the trials of a grid: seeds are outermost, then backbones, budgets and recipes.

    Raises:
        OssicleError: see `Domains.trials`.
    """
    domains = domains_of(study, grid)
    if arrows := [name for name in domains if ARROW in name]:
        raise RunError(
            f"the domain '{arrows[0]}' has an arrow between spaces in its name, which separates "
            "domains in an order; rename it in the data"
        )
    orders = orders_of(study.orders, tuple(domains))
    keeps = keeps_of(study.keeps)
    found: list[Trial] = []
    if len(grid.seeds) < FEWEST_SEEDS:
        _LOGGER.warning(
            f"{count(len(grid.seeds), 'seed')}, fewer than {FEWEST_SEEDS}: the report will show "
            "spread and decide little. Give more --seeds"
        )
    cells = [(cell, ways_of(cell.recipe, study.freeze, keeps)) for cell in recipe_cells(grid)]
    for seed in grid.seeds:
        for backbone in grid.backbones:
            for budget in grid.budgets or (None,):
                for cell, ways in cells:
                    first = _first(grid, cell, seed=seed, backbone=backbone, budget=budget)
                    found += _family(first, domains, orders, ways)
    return found


def _first(grid: Grid, cell: Cell, *, seed: int, backbone: str, budget: int | None) -> Trial:
    """Return a trial of a recipe, on no data yet."""
    labels: dict[str, Label] = {} if len(grid.backbones) == 1 else {"backbone": backbone}
    labels["recipe"] = cell.recipe
    labels |= {} if budget is None else {"budget": budget}
    config = replace(grid.config, backbone=backbone, seed=seed, **cell.changes)
    return Trial(config=config, labels={**labels, "seed": seed}, runner=RUNNER)


def _family(
    first: Trial,
    domains: Mapping[str, str],
    orders: Sequence[tuple[str, ...]],
    ways: Sequence[Way],
) -> list[Trial]:
    """Return the trials of one recipe and seed, each after the one that it starts from."""

    def trained(on: str, data: str, way: str, after: Trial | None = None, **changes: Any) -> Trial:
        return replace(
            first,
            config=replace(first.config, data=data, **changes),
            labels={**first.labels, TRAINED_ON: on, TRAINING: way},
            settings=domains,
            after=after,
        )

    alone = {name: trained(name, data, ALONE) for name, data in domains.items()}
    joint = trained(PLUS.join(domains), PLUS.join(domains.values()), JOINT)
    chains: dict[tuple[str, tuple[str, ...]], Trial] = {}
    for way in ways:
        for order in orders:
            before = alone[order[0]]
            for number in range(2, len(order) + 1):
                key = (way.name, order[:number])
                if key not in chains:
                    chains[key] = trained(
                        ARROW.join(order[:number]),
                        domains[order[number - 1]],
                        way.name,
                        before,
                        recipe=HEAD_ONLY,
                        parent=BEFORE,
                        **way.changes,
                    )
                before = chains[key]
    return [*alone.values(), joint, *chains.values()]


def orders_of(text: str, domains: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return the orders that an option names, each a permutation of the domains.

    Raises:
        RunError: it names none, or one is not an order of the domains.
    """
    most = math.factorial(len(domains))
    if text.strip() == ALL or (text.strip().isascii() and text.strip().isdigit()):
        number = most if text.strip() == ALL else int(text)
        if not 1 <= number <= most:
            raise RunError(f"--orders is {number}; {len(domains)} domains have from 1 to {most}")
        return list(islice(permutations(domains), number))
    orders = [tuple(one.strip() for one in part.split(",")) for part in _parts(text)]
    check_different("orders", [ARROW.join(one) for one in orders])
    for order in orders:
        if sorted(order) != sorted(domains):
            raise RunError(
                f"--orders has '{','.join(order)}'; an order has each of the domains once: "
                f"{listing(domains)}"
            )
    return orders


def keeps_of(text: str) -> list[Way]:
    """Return the ways to keep that an option names.

    Raises:
        RunError: one does not exist, or is given twice.
    """
    names = {ALL: list(KEEPS), "none": []}.get(text.strip(), _parts(text))
    for one in names:
        parse_keep(one)
    check_different("ways to keep", names, some=False)
    return [Way(f"{KEEP} {one}", {"keep": one}) for one in names]


def ways_of(recipe: str, freeze: str, keeps: Sequence[Way]) -> list[Way]:
    """Return the ways to go on with a recipe.

    Args:
        recipe: The recipe.
        freeze: The option: `all`, `each`, `none`, or sets of modules separated by semicolons.
        keeps: Ways to keep what was learnt, with all modules trained.

    Raises:
        RunError: the recipe has too many modules for all sets of them.
    """
    modules = tuple(dict.fromkeys(one.method.name for one in Recipe.parse(recipe).placements))
    written = {"none": [], ALL: None, "each": None}.get(freeze.strip(), _parts(freeze))
    sets = [tuple(part.strip() for part in one.split(",")) for one in written or ()]
    if freeze.strip() == ALL:
        if len(modules) > MOST_MODULES:
            raise RunError(
                f"'{recipe}' has {len(modules)} modules, which are {2 ** len(modules) - 1} sets to "
                "freeze. Give --freeze each, or the sets to compare, as in --freeze "
                f"'{modules[0]}; {modules[0]},{modules[1]}'"
            )
        sizes = range(1, len(modules) + 1)
        sets = list(chain.from_iterable(combinations(modules, size) for size in sizes))
    elif freeze.strip() == "each":
        sets = list(dict.fromkeys([*((one,) for one in modules), modules])) if modules else []
    check_different("sets of modules to freeze", [",".join(one) for one in sets], some=False)
    frozen = [
        Way(
            f"{FREEZE} {ALL if set(one) == set(modules) else PLUS.join(one)}",
            {"freeze": ",".join(one)},
        )
        for one in sets
    ]
    return [Way(PLAIN), *frozen, *keeps]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]
