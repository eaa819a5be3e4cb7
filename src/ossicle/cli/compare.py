"""`ossicle compare`: train several recipes with several seeds, print one table."""

import sys
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.cli.early import check_started
from ossicle.cli.run_options import RunCommand, RunOptions, check_given
from ossicle.errors import RunError
from ossicle.paths import expand, fault
from ossicle.training.config import TrainConfig


class CompareCommand(RunCommand):
    """A command with the options of a run except recipe and seed: a comparison has several."""

    own = frozenset({"recipe", "seed"})


def compare(
    context: typer.Context,
    *,
    recipes: Annotated[
        str,
        typer.Option(
            help="Recipes, separated by commas; a paired test compares each with the first."
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write, with a run folder for each recipe and seed.")
    ],
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    json: o.AsJson = False,
) -> None:
    """Train all recipes with all seeds on the same split and print one table.

    If the command is repeated, it keeps finished runs and continues with the rest.
    """
    options: RunOptions = context.obj
    check_given(options.values, "backbone", "data")
    try:
        numbers = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise RunError(f"--seeds is '{seeds}'; expected whole numbers, e.g. 0,1,2") from error

    out = expand(out)
    check_started(options.values["backbone"], options.values["data"])
    if why := fault(out):
        raise RunError(f"'{out}' cannot be created: {why}; choose another folder")

    config = TrainConfig(recipe="", **options.values)

    from ossicle.cli.progress import Lines, progress_bars
    from ossicle.recipes.text import split_recipes
    from ossicle.studies.compare import compare as run
    from ossicle.studies.compare import notes, table

    names = split_recipes(recipes)

    def started(recipe: str, seed: int, number: int, total: int) -> None:
        if isinstance(bars, Lines):
            bars.end()  # of the run before
        print(f"[{number}/{total}] {recipe}, seed {seed}", file=sys.stderr, flush=True)

    with progress_bars() as bars:
        found = run(config, names, numbers, out, started=started, progress=bars)
    if json:
        o.print_json(found)
        return
    for note in notes(found):
        print(fill(note, get_terminal_size().columns, break_on_hyphens=False))
    header, rows = table(found)
    metrics = [0, *range(3, len(header) - 3), len(header) - 1]
    costs = [0, 1, 2, len(header) - 3, len(header) - 2]
    for part in (metrics, costs):  # two halves that fit on a terminal
        chosen_rows = [
            ["\n".join(o.wrapped(row[0], 26)), *(row[i] for i in part[1:])] for row in rows
        ]
        o.print_table([header[column] for column in part], chosen_rows, right=1)
