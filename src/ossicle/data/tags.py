"""Find how a table separates the tags of a recording: by `|`, `;` or comma."""

from collections.abc import Sequence
from typing import Final

from ossicle.errors import ManifestError

TAGS: Final = "tags"  # name of a label that is several tags
SEPARATOR: Final = "|"  # separator of tags in a label
_SEPARATORS: Final = (SEPARATOR, ";", ",")


def separator_of(table: str, labels: Sequence[str], chosen: str | None) -> str:
    """Return the separator of tags in a table.

    Args:
        table: Name of the table, for messages.
        labels: Tags as written in the table.
        chosen: Value of the option `separator`, if given.

    Raises:
        ManifestError: the labels contain several of `|`, `;` and comma and the option is not given;
            or tags contain `|` and the option is another separator.
    """
    if chosen is not None and chosen not in _SEPARATORS:
        raise ManifestError(f"separator is '{chosen}'; expected |, ; or a comma.")
    found = {}
    for mark in _SEPARATORS:
        if example := next((label for label in labels if mark in label), None):
            found[mark] = example
    if chosen is None and len(found) > 1:
        marks = " and ".join(f"'{mark}' as in '{example}'" for mark, example in found.items())
        first = next(iter(found))
        raise ManifestError(
            f"{table}: tags contain {marks}; only one of them can separate tags. Choose it, as in "
            f"separator={first}"
        )
    separator = chosen or next(iter(found), SEPARATOR)
    if separator != SEPARATOR and SEPARATOR in found:
        raise ManifestError(
            f"{table}: the tags '{found[SEPARATOR]}' contain '{SEPARATOR}', which separates tags "
            f"in labels. Use separator={SEPARATOR}, or rename the tags."
        )
    return separator


def joined(label: str, separator: str) -> str:
    """Return the tags joined by `|`, as in labels."""
    return SEPARATOR.join(tag.strip() for tag in label.split(separator))
