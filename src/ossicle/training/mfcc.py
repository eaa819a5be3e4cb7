"""Mel-frequency cepstral coefficients, MFCC, of a recording, and their statistics over time.

    c_t = DCT-II of the log mel energies of frame t       20 of 40 coefficients, frames of 25 ms
    d_t = sum_n n (c_t+n - c_t-n) / (2 sum_n n^2)         n = 1, 2, as in HTK
    x   = [mean c, std c, mean d, std d]                  80 numbers

Sources: Davis and Mermelstein 1980; deltas as in Young et al., "The HTK Book", section 5.9.
"""

from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from ossicle.backbones.filterbank import (
    HOP,
    SAMPLE_RATE,
    WINDOW,
    kaldi_bank,
    log_mel,
    num_mel_frames,
)

NUM_MELS: Final = 40
NUM_COEFFICIENTS: Final = 20
NUM_STATISTICS: Final = 4 * NUM_COEFFICIENTS
_DELTA_FRAMES: Final = 5
_BLOCK: Final = 6000  # frames at a time: a minute


class Input:
    """The recordings that MFCC can be computed of."""

    sample_rate: Final = SAMPLE_RATE
    min_samples: Final = WINDOW


def mfcc(wave: NDArray[np.float32]) -> Float[np.ndarray, "T 20"]:
    """Return the coefficients of a wave (N,) at 16 kHz; computed in float64."""
    from scipy.fft import dct

    count = num_mel_frames(len(wave))
    blocks = []
    for first in range(0, count, _BLOCK):
        last = min(first + _BLOCK, count)
        part = wave[first * HOP : (last - 1) * HOP + WINDOW]
        blocks.append(log_mel(kaldi_bank(NUM_MELS), part, torch.float64).numpy())
    mels = np.concatenate(blocks).astype(np.float64)
    return np.asarray(dct(mels, type=2, norm="ortho")[:, :NUM_COEFFICIENTS])


def statistics(coefficients: Float[np.ndarray, "T 20"]) -> Float[np.ndarray, " 80"]:
    """Return mean and standard deviation of the coefficients and of their deltas over time."""
    from scipy.signal import savgol_filter  # takes 30 MB

    deltas = savgol_filter(  # a line through five frames: the regression of HTK
        coefficients, _DELTA_FRAMES, polyorder=1, deriv=1, axis=0, mode="nearest"
    )
    parts = [of(one, axis=0) for one in (coefficients, deltas) for of in (np.mean, np.std)]
    return np.concatenate(parts)
