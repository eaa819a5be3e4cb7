"""Exact match and F1 of answers to questions, by the rule of SQuAD.

    text   in lower case, without punctuation, without a, an and the, with single spaces
    exact  whether both texts are the same
    F1     harmonic mean of precision and recall of the words, counted as often as they occur

Source: Rajpurkar et al. 2016, https://arxiv.org/abs/1606.05250, section 6.1. Two empty texts have
an F1 of 1, as in version 2.0 of its script.
"""

import re
import string
from collections import Counter
from typing import Final

_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")


def squad_text(text: str) -> str:
    """Return the text that is compared."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(reference: str, hypothesis: str) -> float:
    """Return 1 for equal texts, else 0."""
    return float(squad_text(reference) == squad_text(hypothesis))


def token_f1(reference: str, hypothesis: str) -> float:
    """Return the F1 of the words, from 0 to 1."""
    right, said = squad_text(reference).split(), squad_text(hypothesis).split()
    if not right or not said:
        return float(right == said)
    common = (Counter(right) & Counter(said)).total()
    return 2 * common / (len(right) + len(said))
