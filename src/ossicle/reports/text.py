"""Text from users' files, made fit for a page, a table file and a parser."""

import re
from typing import Final

# Control characters but for tab and line feed, and halves of surrogate pairs
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text with U+FFFD in place of each character that a page or file cannot hold."""
    if text.isprintable():  # nearly always, and fast
        return text
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))
