"""Normalise texts to Unicode's composed form, NFC.

"café" can be written with four code points or with five, which look the same. Labels, transcripts,
tags, speakers and column names are normalised when they are read, so that both are the same class
and the same characters. File names are not changed, because file systems may distinguish them.
"""

import unicodedata
from functools import lru_cache
from typing import Any


def composed(text: str) -> str:
    """Return a text in NFC."""
    return text if text.isascii() else _composed(text)


def composed_data(data: Any) -> Any:
    """Return JSON data, such as the labels of a saved task, with all texts in NFC."""
    if isinstance(data, str):
        return composed(data)
    if isinstance(data, dict):
        return {composed(key): composed_data(value) for key, value in data.items()}
    return [composed_data(one) for one in data] if isinstance(data, list) else data


@lru_cache(maxsize=4096)
def _composed(text: str) -> str:
    """Return the same string object for equal texts, to save memory."""
    return unicodedata.normalize("NFC", text)
