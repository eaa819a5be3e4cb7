"""`ossicle inspect`: the content of an adapter folder, and the backbone it was trained on."""

from math import prod
from pathlib import Path
from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.errors import listing


def inspect(
    run: Annotated[Path, typer.Argument(help="Run or adapter folder.")],
    json: o.AsJson = False,
) -> None:
    """Show recipe, backbone, task and tensors of an adapter, without loading weights."""
    from ossicle.adapters.folder import read_folder
    from ossicle.recipes.table import HEADER, recipe_rows

    folder = read_folder(run)
    facts = folder.facts
    count = sum(prod(shape) for shape in folder.shapes.values())
    if json:
        tensors = {key: list(shape) for key, shape in folder.shapes.items()}
        about = {**facts, "tensors": tensors, "parameters": count, "bytes": folder.num_bytes}
        o.print_json(about)
        return
    backbone, head = facts["backbone"], facts["head"]
    lists = (value for value in facts["task"].values() if isinstance(value, list))
    labels = listing(map(str, next(lists, [])), 20)
    print(f"recipe    {facts['recipe'].get('name') or facts['expression']}")
    print(
        f"backbone  {backbone['name']} ({backbone['family']}, {backbone['layers']} layers of width "
        f"{backbone['width']}, fingerprint {backbone['fingerprint']})"
    )
    print(f"head      {head['name']}, {head['outputs']} outputs" if head else "head      none")
    print(f"task      {facts['task'].get('name')}{': ' if labels else ''}{labels}")
    print(
        f"size      {count:,} parameters in {len(folder.shapes)} tensors, "
        f"{folder.num_bytes / 1000:,.0f} kB; saved by ossicle {facts['ossicle']}"
    )
    if facts["recipe"]["placements"]:
        o.print_table(HEADER, recipe_rows(facts["recipe"]))
    rows = [[key, " x ".join(str(n) for n in shape)] for key, shape in folder.shapes.items()]
    o.print_table(["tensor", "shape"], rows, right=1)
