"""The form in which texts are compared: Unicode's composed form, NFC.

"café" can be written with four code points or with five, which look the same. Labels, transcripts,
tags, speakers and the names of columns are composed where they are read, so that both are one class
and one character. Names of files are never changed: a file system may tell them apart.
"""

import unicodedata
from functools import lru_cache
from typing import Any


def composed(text: str) -> str:
    """Return a text in Unicode's composed form, NFC."""
    return text if text.isascii() else _composed(text)


def composed_data(data: Any) -> Any:
    """Return plain data, such as the labels of a saved task, with all of its texts composed."""
    if isinstance(data, str):
        return composed(data)
    if isinstance(data, dict):
        return {composed(key): composed_data(value) for key, value in data.items()}
    return [composed_data(one) for one in data] if isinstance(data, list) else data


@lru_cache(maxsize=4096)
def _composed(text: str) -> str:
    """Return one object for a label, on however many rows it is."""
    return unicodedata.normalize("NFC", text)
