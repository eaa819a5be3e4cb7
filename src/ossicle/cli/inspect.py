"""`ossicle inspect`: the content of an adapter or ensemble folder, and its backbone."""

from math import prod
from pathlib import Path

from ossicle.cli import options as o
from ossicle.cli.ensemble import print_ensemble
from ossicle.cli.stages import chain_lines, chain_of
from ossicle.errors import listing


def inspect(
    run: o.Run,
    json: o.AsJson = False,
) -> None:
    """Show recipe, backbone, task and tensors of an adapter, without loading weights.

    Of an ensemble: its members, its vote, and their metrics on validation recordings.
    """
    from ossicle.adapters.folder import read_folder
    from ossicle.recipes.table import HEADER, recipe_rows
    from ossicle.training.ensemble_folder import is_ensemble
    from ossicle.training.located import locate_run

    run = locate_run(run)
    if is_ensemble(run):
        _inspect_ensemble(run, json=json)
        return

    folder = read_folder(run)
    facts = folder.facts
    chain = chain_of(run)
    count = sum(prod(shape) for shape in folder.shapes.values())
    if json:
        tensors = {key: list(shape) for key, shape in folder.shapes.items()}
        about = {**facts, "tensors": tensors, "parameters": count, "bytes": folder.num_bytes}
        o.print_json(about | ({"stages": chain} if chain else {}))
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
    for line in chain_lines(chain):
        print(line)
    if facts["recipe"]["placements"]:
        o.print_table(HEADER, recipe_rows(facts["recipe"]))
    rows = [[key, " x ".join(str(n) for n in shape)] for key, shape in folder.shapes.items()]
    o.print_table(["tensor", "shape"], rows, right=1)


def _inspect_ensemble(run: Path, *, json: bool) -> None:
    """Print the members, the vote and the metrics of an ensemble."""
    from ossicle.adapters.folder import read_folder
    from ossicle.training.ensemble_folder import read_ensemble

    made = read_ensemble(run)
    members = {one.name: read_folder(one.folder) for one in made.members}
    if json:
        facts = {name: folder.facts for name, folder in members.items()}
        o.print_json({**made.to_dict(), "facts": facts})
        return
    rows = [
        [
            name,
            "\n".join(
                o.wrapped(folder.facts["recipe"].get("name") or folder.facts["expression"], 40)
            ),
            folder.facts["backbone"]["name"],
            f"{sum(prod(shape) for shape in folder.shapes.values()):,}",
        ]
        for name, folder in members.items()
    ]
    o.print_table(["member", "recipe", "backbone", "parameters"], rows, right=3)
    print(f"members      {'linked' if made.linked else 'copied'}")
    print_ensemble(made)
