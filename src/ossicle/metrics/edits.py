"""Error rates of transcripts: words, characters, phones.

    rate = (substitutions + deletions + insertions) / units of the references

over all recordings together, as jiwer counts them.
"""

from collections.abc import Sequence

import jiwer
import numpy as np
from jaxtyping import Int


def word_edits(references: Sequence[str], hypotheses: Sequence[str]) -> Int[np.ndarray, "N 2"]:
    """Return errors and number of reference words of each recording."""
    return _rows(jiwer.process_words(list(references), list(hypotheses)))


def character_edits(references: Sequence[str], hypotheses: Sequence[str]) -> Int[np.ndarray, "N 2"]:
    """Return errors and number of reference characters of each recording."""
    return _rows(jiwer.process_characters(list(references), list(hypotheses)))


def rate(edits: Int[np.ndarray, "N 2"]) -> float:
    """Return errors per unit of the references; above 1 with many insertions.

    Where the references have no units, which a rule may remove, the number of errors.
    """
    errors, units = edits.sum(axis=0)
    return float(errors / max(units, 1))


def _rows(found: jiwer.WordOutput | jiwer.CharacterOutput) -> Int[np.ndarray, "N 2"]:
    rows = []
    for reference, chunks in zip(found.references, found.alignments, strict=True):
        errors = sum(
            max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx)
            for c in chunks
            if c.type != "equal"
        )
        rows.append((errors, len(reference)))
    return np.array(rows, dtype=np.int64)
