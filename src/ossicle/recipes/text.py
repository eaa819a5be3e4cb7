"""Recipes as text: expressions, and lists of them separated by commas.

An expression is one placement, or several joined by ` + `:

    lora                                     a preset, or a method at its default sites
    lora(rank=4)@attn.q,attn.v               settings in parentheses, sites after @
    bottleneck(width=32)@ffn[6:12]           layers in brackets, as in Python: 6 to 11
    norm@norm.ffn[-2:] + bias(lr=1e-4)       two placements, one with its own learning rate
    bottleneck(insertion=parallel, position=before, reads=layer)@ffn      x is the layer's input
    lora(gate=softmax) + bias(gate=softmax)  candidates of a mixture: `ossicle.adapters.gates`
    lora(gate=layers:a) + bottleneck(gate=layers:a) + skip(gate=layers)     the first two are one
    linear                                   the head only
"""

import re
from typing import Final

from ossicle.anatomy import SITE_NAMES
from ossicle.errors import RecipeError
from ossicle.recipes.placement import RATE, Placement, find_method
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.settings import CALL, check_setting, read_value, split_pairs, typed

MAX_PLACEMENTS: Final = 256
MAX_LENGTH: Final = 16_384  # characters of an expression
_PLACEMENT = re.compile(CALL + r"\s*(@\s*(?P<sites>[\w.,\s]+))?(\[(?P<layers>[^\[\]]*)\])?")


def parse_placements(text: str) -> list[Placement]:
    """Return the placements of an expression.

    Raises:
        UnknownRecipe: no method has the name.
        RecipeError: the text is not an expression, or a setting is wrong.
    """
    if text == HEAD_ONLY:
        return []
    parts = re.split(r"\+(?![^(]*\))", text)
    check_count(len(parts))
    return [_placement(part.strip()) for part in parts]


def _placement(text: str) -> Placement:
    match = _PLACEMENT.fullmatch(text)
    if match is None:
        raise RecipeError(
            f"'{text:.200}' is not a recipe. Write method(setting=value)@site,site[layers], "
            "e.g. lora(rank=8)@attn.q,attn.v[6:12]; join several with ' + '"
        )
    method = find_method(match["name"])
    texts = split_pairs(match["inside"] or "", ",", RecipeError)
    lr, reads, gate = (texts.pop(name, None) for name in ("lr", "reads", "gate"))
    rate = None
    if lr is not None:
        rate = read_value(f"lr of '{method.name}'", lr, (float,), RATE, RecipeError)
    kinds = method.setting_kinds()
    for key in texts:
        check_setting(f"'{method.name}'", key, kinds, RecipeError)
    settings = {key: typed(value, kinds[key]) for key, value in texts.items()}
    at = tuple(site.strip() for site in (match["sites"] or "").split(",") if site.strip())
    if match["sites"] and not at:
        raise RecipeError(f"'{text}' names no site after @")
    return Placement(method.from_settings(settings), at, match["layers"], rate, reads, gate)


def split_recipes(text: str) -> list[str]:
    """Split a list of recipes at its commas, but not at those inside an expression.

    A part that is the name of a site belongs to the expression before it.
    """
    check_length(text)
    parts: list[str] = []
    for part in re.split(r",(?![^(\[]*[)\]])", text):
        if parts and part.split("[")[0].split("+")[0].strip() in SITE_NAMES:
            parts[-1] += f",{part.strip()}"
        elif part.strip():
            parts.append(part.strip())
    return parts


def check_length(text: str) -> None:
    """Raise RecipeError for an expression that is too long."""
    if len(text) > MAX_LENGTH:
        raise RecipeError(
            f"the recipe has {len(text)} characters; expected at most {MAX_LENGTH}. Write it to a "
            ".toml file"
        )


def check_count(count: int) -> None:
    """Raise RecipeError for too many placements."""
    if count > MAX_PLACEMENTS:
        raise RecipeError(f"the recipe has {count} placements; expected at most {MAX_PLACEMENTS}")
