"""Mel-frequency cepstral coefficients and their statistics, against formulas and by hand."""

import numpy as np
import pytest
from transformers import ASTFeatureExtractor

from ossicle.backbones.filterbank import kaldi_bank
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.training.mfcc import mfcc, statistics

RATE, WINDOW, HOP = 16_000, 400, 160


def noise(num_samples: int) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, num_samples).astype(np.float32)


def expected(wave: np.ndarray) -> np.ndarray:
    """Return the coefficients frame by frame, from the definitions."""
    bank, rows = kaldi_bank(40), []
    for start in range(0, len(wave) - WINDOW + 1, HOP):
        frame = wave[start : start + WINDOW].astype(np.float64)
        frame = frame - frame.mean()
        frame = (frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])) * bank.window
        power = np.abs(np.fft.rfft(frame, 512)) ** 2
        mels = np.log(np.maximum(power @ bank.mel_filters, 1.192092955078125e-07))
        places = np.pi / 40 * (np.arange(40) + 0.5)
        row = [np.sqrt(2 / 40) * (mels * np.cos(k * places)).sum() for k in range(20)]
        row[0] /= np.sqrt(2)
        rows.append(row)
    return np.array(rows)


def test_the_filters_are_those_of_kaldi() -> None:
    with quiet_transformers():
        extractor = ASTFeatureExtractor(num_mel_bins=40)
    bank = kaldi_bank(40)
    np.testing.assert_allclose(bank.mel_filters, extractor.mel_filters, atol=1e-12)
    np.testing.assert_allclose(bank.window, extractor.window, atol=1e-12)


@pytest.mark.parametrize("num_samples", [400, 559, 560, 8000])
def test_coefficients_follow_their_definition(num_samples: int) -> None:
    wave = noise(num_samples)
    found = mfcc(wave)
    assert found.shape == (1 + (num_samples - WINDOW) // HOP, 20)
    np.testing.assert_allclose(found, expected(wave), rtol=1e-5, atol=1e-5)


def test_a_long_recording_is_computed_in_blocks_with_the_same_result() -> None:
    wave = noise(61 * RATE)  # 6098 frames; a block has 6000
    found = mfcc(wave)
    assert len(found) == 6098
    tail = 5990 * HOP
    np.testing.assert_allclose(found[5990:], mfcc(wave[tail:]), rtol=1e-5, atol=1e-5)


def test_statistics_are_means_and_deviations_of_values_and_slopes() -> None:
    # 0 to 9: mean 4.5, deviation sqrt(99 / 12). The slope is 1, and at the ends, where the first
    # value is repeated, (1 (1 - 0) + 2 (2 - 0)) / 10 = 0.5 and (1 (2 - 0) + 2 (3 - 0)) / 10 = 0.8.
    ramp = np.tile(np.arange(10.0)[:, None], (1, 20))
    slopes = np.array([0.5, 0.8, *[1.0] * 6, 0.8, 0.5])
    means, deviations, mean_slopes, slope_deviations = np.split(statistics(ramp), 4)
    np.testing.assert_allclose(means, 4.5)
    np.testing.assert_allclose(deviations, np.sqrt(99 / 12))
    np.testing.assert_allclose(mean_slopes, slopes.mean())
    np.testing.assert_allclose(slope_deviations, slopes.std())


def test_one_frame_has_no_slope() -> None:
    found = statistics(mfcc(noise(WINDOW)))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[20:], 0, atol=1e-9)
