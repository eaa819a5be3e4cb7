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
from typing import Annotated, Any, Final, NotRequired, TypedDict

from msgspec import Meta
from safetensors import SafetensorError, safe_open

from ossicle import strict_json
from ossicle.checksums import unseal
from ossicle.errors import AdapterFileError, listing

TENSORS: Final = "adapter.safetensors"
FACTS: Final = "recipe.json"
COHORT: Final = "cohort.safetensors"  # of verification: see `ossicle.inference.cohort`
FORMAT: Final = 2
_KEY = re.compile(r"(head|gates|\d+/(-|\d+)/[a-z][a-z0-9.]*)/\w[\w.]*")


class _Backbone(TypedDict):
    name: str
    family: str
    layers: int
    width: int
    fingerprint: str


class _Placement(TypedDict):
    """What `ossicle inspect` shows of a placement; `Recipe.from_dict` checks the rest."""

    method: str
    at: list[str]
    settings: NotRequired[dict[str, Any]]
    layers: NotRequired[str]
    reads: NotRequired[str]
    gate: NotRequired[str]


class _Recipe(TypedDict):
    placements: list[_Placement]


class _Head(TypedDict):
    name: str
    outputs: Annotated[int, Meta(ge=0)]


class _Facts(TypedDict):
    """The types of `recipe.json` that are relied on without another check."""

    format: int
    ossicle: Any
    backbone: _Backbone
    recipe: _Recipe
    expression: Any
    head: _Head | None
    task: dict[str, Any]
    tensors: dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    """The content of an adapter folder, without the values of its tensors.

    Attributes:
        path: The folder.
        facts: The content of `recipe.json`.
        shapes: Shape of each tensor, by key.
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
        if (path / "metrics.json").is_file():
            what += "; the result of a baseline has no adapter, only metrics.json"
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
    try:
        strict_json.fit(facts, _Facts)
    except ValueError as error:
        raise AdapterFileError(f"'{file}' is damaged: {error}. Copy it again") from error
    for key in facts["tensors"]:
        if not _KEY.fullmatch(key):
            raise AdapterFileError(
                f"'{file}' names a tensor '{key}', not one of a site; do not trust this folder"
            )
    return facts


def _check_outputs(
    file: Path, head: Mapping[str, Any] | None, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Raise where a head has more outputs than numbers, or numbers for none, before it is built."""
    numbers = sum(prod(shape) for key, shape in shapes.items() if key.startswith("head/"))
    if head is not None and numbers and not head["outputs"]:  # a text decoder has none of its own
        raise AdapterFileError(
            f"'{file}' is damaged: head.outputs is 0; expected a whole number, 1 or more. Copy it "
            "again"
        )
    if head is not None and head["outputs"] > numbers:
        raise AdapterFileError(
            f"'{file}' says that the head has {head['outputs']} outputs, but {TENSORS} holds "
            f"{numbers} numbers of a head. Copy both files again"
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
