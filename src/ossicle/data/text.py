"""The form in which texts are compared: Unicode's composed form, NFC.

"café" can be written with four code points or with five, which look the same. Labels, transcripts,
tags, speakers and the names of columns are composed where they are read, so that both are one class
and one character. Names of files are never changed: a file system may tell them apart.
"""

import unicodedata
from functools import lru_cache


def composed(text: str) -> str:
    """Return a text in Unicode's composed form, NFC."""
    return text if text.isascii() else _composed(text)


@lru_cache(maxsize=4096)
def _composed(text: str) -> str:
    """Return one object for a label, on however many rows it is."""
    return unicodedata.normalize("NFC", text)
