"""`ossicle params`: how many parameters a recipe trains."""

from typing import Annotated

import typer

from ossicle.cli import options as o
from ossicle.paths import check_name

FINAL_NORM = "norm.final"


def params(
    backbone: o.Backbone,
    recipe: o.RecipeText,
    head: o.HeadName = "mean",
    classes: Annotated[
        int, typer.Option(min=0, max=10**7, help="Number of head outputs; 0 leaves the head out.")
    ] = 10,
    json: o.AsJson = False,
) -> None:
    """Count trainable and total parameters by part, site and layer, without loading weights."""
    check_name(backbone)

    import torch

    from ossicle.adapters.count import count
    from ossicle.backbones import load_backbone
    from ossicle.heads import build_head
    from ossicle.recipes.recipe import Recipe

    plan = Recipe.parse(recipe)
    model = load_backbone(backbone, weights=False)
    with torch.device("meta"):
        seen = plan.seen_by_head(model.anatomy)
        top = build_head(head, seen, classes) if classes else None
    found = count(model, plan, top)
    if json:
        o.print_json(found.to_dict())
        return
    groups: dict[tuple[str, str, str], list[tuple[int | None, int]]] = {}
    for row in found.rows:
        key = (row.part, row.method, row.site)
        groups.setdefault(key, []).append((row.layer, row.count))
    rows = [
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
    if top is not None:
        rows.append(["head", head, "-", "-", f"{found.head:,}", f"{found.head:,}"])
    o.print_table(["part", "method", "site", "layers", "each", "sum"], rows, right=4)
    parts = ", ".join(
        f"{name} {found.to_dict()[name]:,}" for name in ("adapter", "norm", "backbone", "head")
    )
    print(f"recipe: {plan}")
    print(f"trainable {found.trainable:,} of {found.total:,} ({found.percent:.3f} %): {parts}")
    if any(row.site == FINAL_NORM and row.part == "norm" for row in found.rows):
        bare = sum(row.count for row in found.rows if row.site != FINAL_NORM)
        print(f"without head and final norm, as in Cappellazzo et al. 2023: {bare:,}")


def _each(counts: list[int]) -> str:
    return f"{counts[0]:,}" if len(set(counts)) == 1 else "varies"


def _layers(layers: list[int | None]) -> str:
    numbers = [layer for layer in layers if layer is not None]
    if not numbers:
        return "-"
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]}-{numbers[-1]}"
    return ",".join(str(number) for number in numbers)
