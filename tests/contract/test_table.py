"""Which method fits which family: the reference page is generated from what `attach` accepts.

Regenerate the table with `PYTHONPATH=tests python tests/contract/test_table.py`.
"""

import re
from pathlib import Path

import pytest

from kinds import KINDS, tiny_backbone
from ossicle.adapters.check import attach
from ossicle.backbones import FAMILIES
from ossicle.errors import RecipeMismatch, SiteNotFound
from ossicle.heads import build_head
from ossicle.methods import METHODS
from ossicle.recipes.recipe import Recipe

PAGE = Path(__file__).parents[2] / "docs/reference/methods.md"
REFUSED = {  # all other pairs fit
    ("chapter", "w2v-bert"),
    ("chapter", "whisper"),
    ("chapter", "ast"),
    ("p-adapter", "whisper"),
    ("p-adapter", "ast"),
}


def attaches(kind: str, method: str) -> bool:
    """Return whether a method attaches to a kind of backbone and trains."""
    recipe = Recipe.parse(METHODS[method].example or method)
    backbone = tiny_backbone(kind)
    head = build_head("mean", recipe.seen_by_head(backbone.anatomy), 2)
    try:
        attach(backbone, recipe, head)
    except (SiteNotFound, RecipeMismatch):
        return False
    return True


def table() -> list[str]:
    """Return the rows of the table; both forms of a family that has two must agree."""
    rows = [f"| method | {' | '.join(FAMILIES)} |", "|---" * (len(FAMILIES) + 1) + "|"]
    for method in METHODS:
        cells = []
        for family in FAMILIES:
            found = {attaches(kind, method) for kind, (name, _) in KINDS.items() if name == family}
            assert len(found) == 1, f"{method} on {family} depends on the place of the norms"
            cells.append("✓" if found.pop() else "–")
        rows.append(f"| `{method}` | {' | '.join(cells)} |")
    return rows


@pytest.mark.slow
@pytest.mark.thorough
def test_the_table_of_the_reference_is_what_attaches():
    rows = table()
    refused = {
        (method, family)
        for method, row in zip(METHODS, rows[2:], strict=True)
        for family, cell in zip(FAMILIES, re.findall("✓|–", row), strict=True)
        if cell == "–"
    }
    assert refused == REFUSED
    assert "\n".join(rows) in PAGE.read_text(encoding="utf-8")


if __name__ == "__main__":
    print("\n".join(table()))  # noqa: T201 - output for the page
