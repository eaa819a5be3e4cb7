"""The adapter folder on disk: `adapter.safetensors` and `recipe.json`. No framework needed.

`recipe.json` says what the tensors are and what they fit on; it does not change while a run
improves them. Tensors are keyed by site, `placement/layer/site/tensor`, so that a renaming of
modules does not touch them: `0/7/attn.q/down`, `1/-/norm.final/gain`, `head/linear.weight`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from ossicle import strict_json
from ossicle.checksums import unseal
from ossicle.errors import AdapterFileError, listing

TENSORS: Final = "adapter.safetensors"
FACTS: Final = "recipe.json"
FORMAT: Final = 2
_ENTRIES = ("format", "ossicle", "backbone", "recipe", "expression", "head", "task", "tensors")
_BACKBONE: Final = {"name": str, "family": str, "layers": int, "width": int, "fingerprint": str}
_KEY = re.compile(r"(head|gates|\d+/(-|\d+)/[a-z][a-z.]*)/\w[\w.]*")


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """What an adapter folder says about itself.

    Attributes:
        path: The folder.
        facts: The content of `recipe.json`.
        shapes: Of every tensor, by key.
        num_bytes: Size of the tensor file.
    """

    path: Path
    facts: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    num_bytes: int


def read_folder(path: Path) -> AdapterFolder:
    """Return what a folder holds, without reading a tensor.

    Raises:
        AdapterFileError: a file is missing, truncated or malformed, or the two do not agree.
    """
    facts = _read_facts(path)
    tensors = path / TENSORS
    if not tensors.is_file():
        raise AdapterFileError(
            f"'{path}' has no {TENSORS}. A run writes it after its first epoch; "
            "finish the run with `ossicle train --resume`"
        )
    try:
        with safe_open(tensors, framework="numpy") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118 - a safetensors file is no mapping
    except (SafetensorError, OSError) as error:
        raise AdapterFileError(
            f"'{tensors}' is damaged ({error}); copy it again, or train again"
        ) from error
    _compare(tensors, {key: tuple(s) for key, s in facts["tensors"].items()}, shapes)
    _check_outputs(path / FACTS, facts["head"], shapes)
    return AdapterFolder(path, facts, shapes, tensors.stat().st_size)


def _read_facts(path: Path) -> dict[str, Any]:
    file = path / FACTS
    if not file.is_file():
        what = "there is no such folder" if not path.is_dir() else f"it has no {FACTS}"
        raise AdapterFileError(f"'{path}' is not an adapter folder: {what}")
    try:
        facts = strict_json.read_object(file)
    except (OSError, ValueError) as error:
        raise AdapterFileError(f"'{file}' cannot be read: {error}") from error
    if facts.get("format") != FORMAT:
        raise AdapterFileError(
            f"'{file}' has format {facts.get('format')!r}; this version of ossicle reads format "
            f"{FORMAT}. Use the version that wrote it, or train again"
        )
    try:
        facts = unseal(facts)
    except ValueError as error:
        raise AdapterFileError(
            f"'{file}' was edited or damaged: {error}. Copy it again. If it was edited because the "
            "backbone has moved, name the new place with --backbone instead"
        ) from error
    missing = [entry for entry in _ENTRIES if entry not in facts]
    tables = ("backbone", "recipe", "task", "tensors")
    if missing or not all(isinstance(facts[entry], dict) for entry in tables):
        raise AdapterFileError(f"'{file}' is incomplete: {listing(missing) or 'wrong types'}")
    _check_types(file, facts)
    return facts


def _check_types(file: Path, facts: Mapping[str, Any]) -> None:
    """Raise unless everything that is read without another check is of its type."""
    backbone, head, recipe = facts["backbone"], facts["head"], facts["recipe"]
    placements = recipe.get("placements")
    if not isinstance(placements, list) or not all(map(_is_placement, placements)):
        raise AdapterFileError(f"'{file}' has no readable list of placements; restore it")
    for entry, kind in _BACKBONE.items():
        if not isinstance(backbone.get(entry), kind):
            raise AdapterFileError(
                f"'{file}' says that {entry} of the backbone is {backbone.get(entry)!r}; restore it"
            )
    named = isinstance(head, dict) and isinstance(head.get("name"), str)
    sized = named and type(head.get("outputs")) is int and head["outputs"] > 0
    if head is not None and not sized:
        raise AdapterFileError(f"'{file}' says that the head is {head!r}; restore it")
    for key, shape in facts["tensors"].items():
        if not _KEY.fullmatch(key):
            raise AdapterFileError(
                f"'{file}' names a tensor '{key}', not one of a site; do not trust this folder"
            )
        if not isinstance(shape, list) or not all(type(size) is int for size in shape):
            raise AdapterFileError(f"'{file}' says that {key} has shape {shape!r}; restore it")


def _check_outputs(
    file: Path, head: Mapping[str, Any] | None, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise where a head has more outputs than numbers, before one of such a size is built."""
    numbers = sum(prod(shape) for key, shape in shapes.items() if key.startswith("head/"))
    if head is not None and head["outputs"] > numbers:
        raise AdapterFileError(
            f"'{file}' says that the head has {head['outputs']} outputs, but {TENSORS} holds "
            f"{numbers} numbers of a head. Copy both files again"
        )


def _is_placement(data: object) -> bool:
    """Return whether data can be shown as a placement; `Recipe.from_dict` checks the rest."""
    return (
        isinstance(data, dict)
        and isinstance(data.get("method"), str)
        and isinstance(data.get("at"), list)
        and all(isinstance(site, str) for site in data["at"])
        and isinstance(data.get("settings", {}), dict)
        and isinstance(data.get("layers", ""), str)
        and isinstance(data.get("reads", ""), str)
        and isinstance(data.get("gate", ""), str)
    )


def _compare(
    file: Path, expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> None:
    problems = [f"{key} is missing" for key in expected if key not in found]
    problems += [f"{key} is not in {FACTS}" for key in found if key not in expected]
    problems += [
        f"{key} has shape {list(found[key])} instead of {list(shape)}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    if problems:
        raise AdapterFileError(
            f"'{file}' does not agree with {FACTS}: {listing(problems)}. "
            "The two files belong together; copy both again, or train again"
        )
