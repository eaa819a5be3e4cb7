"""Saved tasks: the entries of `recipe.json` that describe a task, read as typed values."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from msgspec import Meta, Struct, structs

from ossicle.errors import AdapterFileError
from ossicle.strict_json import fit

Names = Annotated[list[str], Meta(min_length=1)]
Fraction = Annotated[float, Meta(ge=0, lt=1)]

_Saved = TypeVar("_Saved", bound=Struct)


def read_saved(data: Mapping[str, Any], kind: type[_Saved]) -> _Saved:
    """Return the entries of a saved task; entries that the type does not name are ignored.

    Raises:
        AdapterFileError: an entry is missing or has a wrong type or value, or a list of names has
            a name twice.
    """
    try:
        saved = fit(dict(data), kind)
    except ValueError as error:
        raise AdapterFileError(f"the saved task: {error}. Copy the file again") from error
    for entry, value in structs.asdict(saved).items():
        for names in value.values() if isinstance(value, dict) else [value]:
            if isinstance(names, list) and len(set(names)) < len(names) and _are_texts(names):
                raise AdapterFileError(
                    f"the saved task: {entry} has a name twice: {names!r:.200}. Copy the file again"
                )
    return saved


def _are_texts(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)
