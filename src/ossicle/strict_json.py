"""Strict reading of JSON and TOML from untrusted files, and writing of standard JSON.

The parsers of the standard library accept values that later code cannot handle: a thousand nested
lists, `NaN`, numbers beyond float64, duplicate keys, half a surrogate pair. This module refuses
them with a ValueError that says what is wrong, so callers need one `except` clause:

    except (OSError, ValueError) as error:

Files written by ossicle contain no NaN and no Infinity: `dumps` writes null, and the reason.
"""

import json
import math
import re
import tomllib
from collections import Counter
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypeVar

import msgspec

from ossicle.errors import did_you_mean

_T = TypeVar("_T")
MAX_DEPTH: Final = 32  # nested lists and tables
MAX_BYTES: Final = 1 << 26  # of a file
MAX_INTEGER: Final = 1 << 63
UNDEFINED: Final = "undefined"


def loads(text: str) -> Any:
    """Return the data of a JSON text.

    Raises:
        ValueError: it is not JSON, or holds something that is not allowed here.
    """
    try:
        data = json.loads(text, object_pairs_hook=_table, parse_constant=_no_constant)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(data)
    return data


def loads_toml(text: str) -> dict[str, Any]:
    """Return the data of a TOML text, by the same rules as `loads`.

    Raises:
        ValueError: it is not TOML, or holds something that is not allowed here.
    """
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check(data)
    return data


def read(path: Path, most: int = MAX_BYTES) -> Any:
    """Return the data of a file: TOML if its name ends in `.toml`, JSON otherwise.

    Args:
        path: The file.
        most: Maximum size in bytes.

    Raises:
        OSError: the file is missing, or not a regular file.
        ValueError: it is too large, or its text cannot be accepted.
    """
    text = _text(path, most)
    return loads_toml(text) if path.suffix == ".toml" else loads(text)


def read_object(path: Path, most: int = MAX_BYTES) -> dict[str, Any]:
    """Return the data of a file whose top level is an object (a table, in TOML).

    Raises:
        OSError: the file is missing, or not a regular file.
        ValueError: as in `read`, or the top level is not an object.
    """
    data = read(path, most)
    if not isinstance(data, dict):
        raise ValueError(f"its top level is {_KINDS.get(type(data), 'null')}; expected an object")
    return data


def fit(data: Any, kind: type[_T]) -> _T:
    """Return plain data converted to a type: a msgspec Struct, a TypedDict, a list of texts.

    Nothing is converted, except a whole number where a number is expected.

    Raises:
        ValueError: a value has another type, an entry is missing or unknown.
    """
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise ValueError(_reason(str(error), data, kind)) from error


def _reason(message: str, data: Any, kind: Any) -> str:
    """Return the message of a failed conversion as ossicle words it, with the value."""
    what, _, place = message.partition(" - at ")
    path = place.strip("`").removeprefix("$").removeprefix(".")
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        wanted, found = (_in_words(types) for types in match.groups())
        table, any_entry, inner = path.partition("[...]")
        if any_entry:  # msgspec does not say which entry of a table is wrong
            within = f" at {inner}" if inner else ""
            name = "" if inner else _entry_of_type(data, table, match[2])
            return f"an entry of {table}{name} is {found}{within}; expected {wanted}"
        return f"{path or 'the top level'} is {_value_at(data, path)}; expected {wanted}"
    if match := re.fullmatch(r"Expected `int` >= (\d+)", what):
        return f"{path} is {_value_at(data, path)}; expected a whole number, {match[1]} or more"
    within = f" in {path}" if path else ""
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        tables = msgspec.json.schema(kind).get("$defs", {}).values()
        known = {name for table in tables for name in table.get("properties", {})}
        return f"there is no entry '{match[1]:.80}'{within}.{did_you_mean(match[1], known)}"
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"the entry '{match[1]}' is missing{within}"
    return f"{path}: {what}"


def _entry_of_type(data: Any, path: str, found: str) -> str:
    """Return the name of the first entry of a table that has a type, set off by commas."""
    kinds = [kind for kind, name in _MSGSPEC_NAMES.items() if name == found]
    names = (key for key, value in _at(data, path).items() if type(value) in kinds)
    return next((f", '{name:.80}'," for name in names), "")


def _in_words(types: str) -> str:
    return " or ".join(_TYPES.get(one, one) for one in types.split(" | "))


def _value_at(data: Any, path: str) -> str:
    """Return the value at a path such as `placements[0].lr` as text, shortened."""
    return f"{_at(data, path)!r:.60}"


def _at(data: Any, path: str) -> Any:
    for key, number in re.findall(r"([^.\[\]]+)|\[(\d+)\]", path):
        data = data[key] if key else data[int(number)]
    return data


def dumps(data: Any, *, indent: int | None = None) -> str:
    """Return plain data as JSON that every parser can read.

    A number that is not finite is written as null. If the data are an object, its entry `undefined`
    then gives the path of each such number and why it is null.
    """
    try:
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        reasons: dict[str, str] = {}
        data = _finite(data, "", reasons)
        if isinstance(data, dict):
            data = {**data, UNDEFINED: reasons}
        return json.dumps(data, indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(data: Any, path: str, reasons: dict[str, str]) -> Any:
    """Return the data with null for numbers that are not finite; add their paths to `reasons`."""
    if isinstance(data, float) and not math.isfinite(data):
        reasons[path] = "not a number" if math.isnan(data) else "infinite"
        return None
    if isinstance(data, dict):
        return {key: _finite(one, f"{path}.{key}".strip("."), reasons) for key, one in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(one, f"{path}[{number}]", reasons) for number, one in enumerate(data)]
    return data


_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of lists and objects inside one another"
_TYPES: Final = {  # of msgspec
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "array": "a list",
    "object": "an object",
    "null": "null",
}
_MSGSPEC_NAMES: Final = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "array",
    dict: "object",
    NoneType: "null",
}
_KINDS: Final = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    str: "a text",
}


def _text(path: Path, most: int) -> str:
    size = path.stat().st_size
    if not path.is_file():  # a pipe would block
        raise OSError("it is not a regular file")
    if size > most:
        raise ValueError(f"it has {size} bytes; expected at most {most}")
    return path.read_text(encoding="utf-8")


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {_short(twice)} is given twice")
    return table


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _check(data: Any) -> None:
    """Raise if a value at any depth is one that later code cannot handle."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
            else:
                _check_value(value)
        if not inner:
            return
        level = inner
    raise ValueError(_TOO_DEEP)


def _check_value(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is infinite, not a number, or too large for 64 bits")
    if isinstance(value, int) and abs(value) >= MAX_INTEGER:
        raise ValueError("a whole number does not fit into 64 bits")
    if isinstance(value, str) and not _is_text(value):
        raise ValueError(f"the text {_short(value)} is not valid Unicode")


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _short(text: str) -> str:
    return ascii(text if len(text) <= 40 else f"{text[:40]}...")
