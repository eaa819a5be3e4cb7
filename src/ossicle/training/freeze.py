"""The parts of a parent run that do not train: `--freeze lora,@ffn[0:4],head`.

    lora              the placements of a method
    0                 the placement of that number, as in the keys of `ossicle inspect`
    @ffn              everything at a site
    [0:4]             everything in layers, as in recipes
    lora@attn.q[0:4]  what all of these have in common
    head, gates       the head; the gates of mixtures

Everything is found by the keys of tensors in `recipe.json`, without torch.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from ossicle.errors import RunError, did_you_mean
from ossicle.recipes.layers import select_layers

WHOLE: Final = ("head", "gates")
_ITEM: Final = re.compile(
    r"(?P<name>[\w-]+)?\s*(@\s*(?P<site>[\w.]+))?\s*(\[(?P<layers>[^\]]*)\])?"
)


def check_freeze(freeze: str | None, facts: Mapping[str, Any]) -> set[str]:
    """Return the parts of a parent that are left to train, as `AdaptedModel.use` names them.

    Args:
        freeze: The parts that do not train, separated by commas; None: everything trains.
        facts: The content of the parent's `recipe.json`.

    Raises:
        RunError: an item cannot be read, or matches nothing.
        RecipeError: its layers cannot be read.
        RecipeMismatch: the backbone has no such layers.
    """
    parts = {key.rpartition("/")[0] for key in facts["tensors"]}
    left = set(parts)
    for item in re.split(r",(?![^\[]*\])", freeze) if freeze is not None else ():
        found = {part for part in parts if _matches(item.strip(), part, facts)}
        if not found:
            raise RunError(_no_match(item.strip(), parts, facts))
        left -= found
    return left


def _matches(item: str, part: str, facts: Mapping[str, Any]) -> bool:
    """Return whether an item names a part, such as `0/7/attn.q`, `head` or `gates`."""
    match = _ITEM.fullmatch(item)
    if not item or match is None:
        raise RunError(
            f"'{item:.80}' in --freeze is not a part of a run; write a method (lora), a site "
            "(@ffn), layers ([0:4]), these together (lora@attn.q[0:4]), or head"
        )
    name, site, layers = match["name"], match["site"], match["layers"]
    if part in WHOLE or name in WHOLE:
        return part == item
    number, layer, place = part.split("/")
    if name not in (None, number, _method(number, facts)) or site not in (None, place):
        return False
    if layers is None:
        return True
    chosen = select_layers(layers, facts["backbone"]["layers"], item)
    return layer != "-" and int(layer) in chosen


def _method(number: str, facts: Mapping[str, Any]) -> str:
    """Return the method of a placement."""
    method: str = facts["recipe"]["placements"][int(number)]["method"]
    return method


def _no_match(item: str, parts: set[str], facts: Mapping[str, Any]) -> str:
    """Return the message for an item that names no part of the parent."""
    there: dict[str, dict[str, set[int]]] = {}
    for part in sorted(parts - set(WHOLE)):
        number, layer, site = part.split("/")
        of_method = there.setdefault(_method(number, facts), {})
        of_method.setdefault(site, set()).update({int(layer)} if layer != "-" else set())
    shown = [f"{name}@{site}{_range(n)}" for name, at in there.items() for site, n in at.items()]
    shown += sorted(parts & set(WHOLE))
    near = did_you_mean(item, [*there, *(f"@{site}" for at in there.values() for site in at)])
    return f"--freeze '{item}' names no part of the parent run. It has: {', '.join(shown)}.{near}"


def _range(layers: set[int]) -> str:
    if not layers:
        return ""
    numbers = sorted(layers)
    if numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"[{numbers[0]}:{numbers[-1] + 1}]"
    return f"[{','.join(map(str, numbers))}]"
