"""BLEU and chrF of translations, as sacrebleu computes them.

Both are computed from counts that add up over recordings, so a resample needs only a sum.

Sources: Papineni et al. 2002; Popović 2015; Post 2018, https://arxiv.org/abs/1804.08771.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int


class Counts:
    """Counts of n-grams of each recording, from which a score of any of them follows.

    Attributes:
        by_recording: Counts as sacrebleu adds them up.
    """

    def __init__(self, metric: Any, references: Sequence[str], hypotheses: Sequence[str]) -> None:
        self._metric = metric
        rows = metric._extract_corpus_statistics(list(hypotheses), [list(references)])
        self.by_recording: Int[np.ndarray, "N K"] = np.array(rows, dtype=np.int64)

    def score(self, rows: Int[np.ndarray, " M"]) -> float:
        """Return the score of these recordings together, from 0 to 1."""
        summed = self.by_recording[rows].sum(axis=0).tolist()
        return float(self._metric._compute_score_from_stats(summed).score) / 100


def bleu_counts(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """Return the counts of BLEU, with sacrebleu's default tokenizer (13a) and smoothing (exp)."""
    from sacrebleu.metrics.bleu import BLEU

    return Counts(BLEU(), references, hypotheses)


def chrf_counts(references: Sequence[str], hypotheses: Sequence[str]) -> Counts:
    """Return the counts of chrF: characters up to 6-grams, no words, beta 2."""
    from sacrebleu.metrics.chrf import CHRF

    return Counts(CHRF(), references, hypotheses)
