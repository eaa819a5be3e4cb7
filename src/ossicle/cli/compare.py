"""`ossicle compare`: several recipes, several seeds, one table."""

import sys
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.run_options import takes_settings
from ossicle.errors import RunError
from ossicle.paths import expand, fault


@takes_settings
def compare(
    *,
    backbone: o.Backbone,
    recipes: Annotated[
        str, typer.Option(help="Separated by commas; the others are tested against the first.")
    ],
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Holds a run folder for each recipe and seed.")],
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "0",
    json: o.AsJson = False,
    chosen: dict[str, Any],
    written: set[str],  # noqa: ARG001 - only a run that goes on needs it
) -> None:
    """Train all recipes with all seeds on the same split and print one table.

    Given again, the command keeps what is finished and goes on with the rest.
    """
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise RunError(f"--seeds is '{seeds}'; write whole numbers: 0,1,2") from error

    out = expand(out)
    check_started(backbone, data)
    if why := fault(out):
        raise RunError(f"'{out}' cannot be made: {why}; choose another folder")

    from ossicle.training.config import TrainConfig

    TrainConfig(backbone=backbone, recipe="", data=data, **chosen)

    from ossicle.recipes.recipe import split_recipes
    from ossicle.studies.compare import compare as run
    from ossicle.studies.compare import notes, table

    names = split_recipes(recipes)
    config = TrainConfig(backbone=backbone, recipe=names[0] if names else "", data=data, **chosen)

    def started(recipe: str, seed: int, number: int, total: int) -> None:
        print(f"[{number}/{total}] {recipe}, seed {seed}", file=sys.stderr, flush=True)

    found = run(config, names, numbers, out, started=started)
    if json:
        o.print_json(found)
        return
    for note in notes(found):
        print(fill(note, get_terminal_size().columns, break_on_hyphens=False))
    header, rows = table(found)
    figures = [0, *range(3, len(header) - 3), len(header) - 1]
    costs = [0, 1, 2, len(header) - 3, len(header) - 2]
    for part in (figures, costs):  # two halves that fit on a terminal
        chosen_rows = [
            ["\n".join(o.wrapped(row[0], 26)), *(row[i] for i in part[1:])] for row in rows
        ]
        o.print_table([header[column] for column in part], chosen_rows, right=1)
