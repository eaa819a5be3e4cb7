"""Metrics against torchmetrics, on random data."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multilabel_auroc, multilabel_average_precision
from torchmetrics.functional.regression import concordance_corrcoef
from torchmetrics.functional.text import char_error_rate, word_error_rate

from ossicle.metrics.concordance import concordance
from ossicle.metrics.edits import character_edits, rate, word_edits
from ossicle.metrics.ranking import mean_auc, mean_average_precision


def test_concordance():
    rng = np.random.default_rng(0)
    truth = rng.normal(3, 2, 200)
    said = 0.7 * truth + rng.normal(1, 1, 200)
    expected = concordance_corrcoef(torch.from_numpy(said), torch.from_numpy(truth))
    # torchmetrics divides by N - 1; the difference at 200 recordings is below 1 %.
    assert concordance(said, truth) == pytest.approx(float(expected), rel=0.01)


def test_tags():
    rng = np.random.default_rng(0)
    targets = (rng.random((150, 5)) < 0.3).astype(float)
    scores = rng.random((150, 5)) + 0.3 * targets
    pair = torch.from_numpy(scores / scores.max()), torch.from_numpy(targets).long()
    precision = multilabel_average_precision(*pair, num_labels=5)
    assert mean_average_precision(targets, scores) == pytest.approx(float(precision), rel=1e-5)
    auc = multilabel_auroc(*pair, num_labels=5)
    assert mean_auc(targets, scores) == pytest.approx(float(auc), rel=1e-5)


def test_error_rates():
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("ab "), 12)).strip() or "a" for _ in range(60)]
    said = ["".join(rng.choice(list("ab "), 12)).strip() for _ in range(60)]
    texts, said = ([" ".join(text.split()) for text in part] for part in (texts, said))
    assert rate(word_edits(texts, said)) == pytest.approx(float(word_error_rate(said, texts)))
    assert rate(character_edits(texts, said)) == pytest.approx(float(char_error_rate(said, texts)))
