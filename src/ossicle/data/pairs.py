"""Pairs in an option of a data string: `NAME=VALUE,NAME=VALUE`, percent-encoded where needed."""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote

from ossicle.data.text import composed
from ossicle.errors import DataError

WHERE: Final = "where"
MAP: Final = "map"
Options = Mapping[str, str | None]
_MARKS: Final = re.compile(r"[%,=&?+]|^\s|\s$")  # would end a name, a value or an option


def read_pairs(option: str, text: str) -> list[tuple[str, str]]:
    """Return the pairs of an option, decoded and in NFC.

    Args:
        option: Name of the option, for messages.
        text: Its value. A comma, `=`, `&`, `?`, `+` or `%` inside a name or a value is written as
            `%2C`, `%3D`, `%26`, `%3F`, `%2B` or `%25`.

    Raises:
        DataError: a part is not `NAME=VALUE`, or its bytes are not UTF-8.
    """
    pairs = []
    for part in text.split(","):
        name, equals, value = (one.strip() for one in part.partition("="))
        if not (name and equals and value) or "=" in value:
            raise DataError(
                f"{option}={text:.200}: '{part:.80}' is not NAME=VALUE. Separate pairs by commas, "
                "and write a comma inside of one as %2C and an equals sign as %3D."
            )
        pairs.append((_decoded(option, name), _decoded(option, value)))
    return pairs


def pairs_of(option: str, options: Options) -> list[tuple[str, str]]:
    """Return the pairs of an option of a data string; none if it is not given.

    Raises:
        DataError: as `read_pairs`.
    """
    text = options.get(option)
    return read_pairs(option, text) if text else []


def asked_columns(options: Options) -> frozenset[str]:
    """Return the columns that `where` chooses by.

    Raises:
        DataError: as `read_pairs`.
    """
    return frozenset(column for column, _ in pairs_of(WHERE, options))


def write_pairs(pairs: Iterable[tuple[str, str]]) -> str:
    """Return the text that `read_pairs` reads as these pairs."""
    return ",".join(f"{_encoded(name)}={_encoded(value)}" for name, value in pairs)


def _decoded(option: str, text: str) -> str:
    try:
        return composed(unquote(text, errors="strict"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{option}: '{text:.80}' is not percent-encoded UTF-8. Write a percent sign as %25."
        ) from error


def _encoded(text: str) -> str:
    return _MARKS.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)
