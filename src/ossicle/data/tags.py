"""How a table separates the tags of a recording: by `|`, by `;` or by a comma."""

from collections.abc import Sequence
from typing import Final

from ossicle.errors import ManifestError

TAGS: Final = "tags"  # name of a label that is several tags
SEPARATOR: Final = "|"  # what tags are joined by in a label
_SEPARATORS: Final = (SEPARATOR, ";", ",")


def separator_of(table: str, labels: Sequence[str], chosen: str | None) -> str:
    """Return what separates the tags of a table.

    Args:
        table: Its name, for messages.
        labels: Its tags, as they are written.
        chosen: What a user says.

    Raises:
        ManifestError: the labels hold several of `|`, `;` and commas, and no one has chosen; or
            tags hold `|` where something else was chosen.
    """
    if chosen is not None and chosen not in _SEPARATORS:
        raise ManifestError(f"separator={chosen} is not known. Expected |, ; or a comma.")
    found = {}
    for mark in _SEPARATORS:
        if example := next((label for label in labels if mark in label), None):
            found[mark] = example
    if chosen is None and len(found) > 1:
        told = " and ".join(f"'{mark}' as in '{example}'" for mark, example in found.items())
        first = next(iter(found))
        raise ManifestError(
            f"{table}: tags hold {told}, and one of them separates tags. Say which, as in "
            f"separator={first}"
        )
    separator = chosen or next(iter(found), SEPARATOR)
    if separator != SEPARATOR and SEPARATOR in found:
        raise ManifestError(
            f"{table}: the tags '{found[SEPARATOR]}' hold '{SEPARATOR}', which joins tags. Say "
            f"separator={SEPARATOR}, or write them in another way."
        )
    return separator


def joined(label: str, separator: str) -> str:
    """Return tags as a label has them, joined by `|`."""
    return SEPARATOR.join(tag.strip() for tag in label.split(separator))
