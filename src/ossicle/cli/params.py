"""`ossicle params`: how many parameters a recipe trains."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ossicle.cli import options as o
from ossicle.errors import BudgetError
from ossicle.paths import check_name
from ossicle.recipes.budget import parse_count, parse_weights

if TYPE_CHECKING:
    from ossicle.adapters.budget import Fitted

FINAL_NORM = "norm.final"


def params(
    backbone: o.Backbone,
    recipe: o.RecipeText,
    head: o.HeadName = "mean",
    classes: Annotated[
        int, typer.Option(min=0, max=10**7, help="Number of head outputs; 0 leaves the head out.")
    ] = 10,
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            help="Choose the sizes of the recipe (rank, width, length) that train at most this "
            "many parameters without the head, such as 30000, 250k or 1M.",
        ),
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W:W",
            help="How methods with a size share the budget, such as 1:2. Default: equally.",
        ),
    ] = None,
    json: o.AsJson = False,
) -> None:
    """Count trainable and total parameters by part, site and layer, without loading weights."""
    wanted = None if budget is None else parse_count(budget)
    shares = None if weights is None else parse_weights(weights)
    if shares is not None and wanted is None:
        raise BudgetError("--weights share a budget; add --budget, or leave --weights out")
    check_name(backbone)

    import torch

    from ossicle.adapters.budget import fit_budget
    from ossicle.adapters.count import COLUMNS, count, count_rows
    from ossicle.backbones import load_backbone
    from ossicle.heads import build_head
    from ossicle.recipes.recipe import Recipe

    plan = Recipe.parse(recipe)
    writes = head == "decoder" or plan.in_decoder
    head = "decoder" if writes else head
    model = load_backbone(backbone, weights=False, decoder=writes)
    fitted = None if wanted is None else fit_budget(model, plan, wanted, shares)
    plan = plan if fitted is None else fitted.recipe
    with torch.device("meta"):
        seen = plan.seen_by_head(model.anatomy)
        top = build_head(head, seen, classes) if classes else None
    found = count(model, plan, top)
    if json:
        o.print_json(found.to_dict() | ({} if fitted is None else _fitted(fitted)))
        return
    rows = count_rows(found)
    if top is not None:
        rows.append(["head", head, "-", "-", f"{found.head:,}", f"{found.head:,}"])
    o.print_table(COLUMNS, rows, right=4)
    parts = ", ".join(
        f"{name} {found.to_dict()[name]:,}" for name in ("adapter", "norm", "backbone", "head")
    )
    print(f"recipe: {plan}")
    print(f"trainable {found.trainable:,} of {found.total:,} ({found.percent:.3f} %): {parts}")
    if fitted is not None:
        near = f"{fitted.count:,} parameters without the head, {100 * fitted.share:.1f} %"
        print(f"budget {fitted.budget:,}: {fitted.note or near}")
    if any(row.site == FINAL_NORM and row.part == "norm" for row in found.rows):
        bare = sum(row.count for row in found.rows if row.site != FINAL_NORM)
        print(f"without head and final norm, as in Cappellazzo et al. 2023: {bare:,}")


def _fitted(fitted: "Fitted") -> dict[str, Any]:
    """Return what JSON tells of a fitted recipe, in addition to its count."""
    return {
        "recipe": str(fitted.recipe),
        "budget": fitted.budget,
        "share": fitted.share,
        "note": fitted.note,
    }
