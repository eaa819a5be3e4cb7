"""Features of the frames of a waveform: log-mel bands, cepstra, pitch and level, in torch.

Frames are those of tiny-hubert: one every 20 ms, with a receptive field of 70 ms; the features of a
frame are computed around its middle. They are targets that need no labels.
"""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.audio_utils import mel_filter_bank

SAMPLE_RATE: Final = 16000
HOP: Final = 320
FIELD: Final = 1120
WINDOW: Final = 400
FFT: Final = 512
NUM_MELS: Final = 40
NUM_CEPSTRA: Final = 13
PITCH_WINDOW: Final = 640
LOWEST_HZ: Final = 60.0
HIGHEST_HZ: Final = 500.0
PITCH_BINS: Final = 24
LEVEL_BINS: Final = 8
VOICED: Final = 0.5


def num_frames(num_samples: int) -> int:
    """Return the number of frames of tiny-hubert for a waveform."""
    return (num_samples - FIELD) // HOP + 1


def log_mel(wave: Tensor) -> Tensor:
    """Return log-mel bands of (B, N) as (B, T, 40)."""
    start = (FIELD - WINDOW) // 2
    pieces = wave[:, start:].unfold(1, WINDOW, HOP)[:, : num_frames(wave.shape[1])]  # (B, T, W)
    power = torch.fft.rfft(pieces * torch.hann_window(WINDOW, device=wave.device), FFT).abs() ** 2
    filters = mel_filter_bank(FFT // 2 + 1, NUM_MELS, 40.0, 7800.0, SAMPLE_RATE, norm="slaney")
    mels = power @ torch.as_tensor(filters, dtype=wave.dtype, device=wave.device)
    return (mels + 1e-6).log()


def cepstra(mels: Tensor) -> Tensor:
    """Return cepstra with first and second differences, normalised over time: (B, T, 39)."""
    places = torch.arange(NUM_MELS, device=mels.device) + 0.5
    orders = torch.arange(NUM_CEPSTRA, device=mels.device)
    basis = torch.cos(math.pi / NUM_MELS * places[:, None] * orders)  # (40, 13)
    plain = mels @ basis
    first = _difference(plain)
    return _normalised(torch.cat((plain, first, _difference(first)), dim=-1))


def smooth_mels(mels: Tensor) -> Tensor:
    """Return log-mel bands averaged over three frames, normalised over time."""
    averaged = F.avg_pool1d(mels.transpose(1, 2), 3, 1, 1, count_include_pad=False).transpose(1, 2)
    return _normalised(averaged)


def pitch_class(wave: Tensor) -> Tensor:
    """Return a class for each frame, from the highest peak of the autocorrelation.

    0 is unvoiced; 1 to 24 are logarithmic steps from 60 to 500 Hz. A very regular voice may fall to
    a half or a third of its pitch (240 Hz to 80 Hz); the shipped weights were trained on these
    targets, so they stay.
    """
    start = (FIELD - PITCH_WINDOW) // 2
    pieces = wave[:, start:].unfold(1, PITCH_WINDOW, HOP)[:, : num_frames(wave.shape[1])]
    pieces = pieces - pieces.mean(dim=-1, keepdim=True)
    window = torch.hann_window(PITCH_WINDOW, device=wave.device)
    size = 2 * PITCH_WINDOW
    shape = torch.fft.irfft(torch.fft.rfft(pieces * window, size).abs() ** 2)
    own = torch.fft.irfft(torch.fft.rfft(window, size).abs() ** 2)
    low, high = int(SAMPLE_RATE / HIGHEST_HZ), int(SAMPLE_RATE / LOWEST_HZ)
    likeness = shape[..., low : high + 1] / own[low : high + 1] * own[0] / (shape[..., :1] + 1e-5)
    value, lag = likeness.max(dim=-1)
    hertz = SAMPLE_RATE / (lag + low)
    step = (hertz / LOWEST_HZ).log() / math.log(HIGHEST_HZ / LOWEST_HZ) * PITCH_BINS
    made: Tensor = torch.where(value > VOICED, step.long().clamp(0, PITCH_BINS - 1) + 1, 0)
    return made


def level_class(mels: Tensor) -> Tensor:
    """Return a class for each frame: 6 dB steps below the loudest frame of its row."""
    level = mels.exp().sum(dim=-1).log() * 10 / math.log(10)  # (B, T) in dB
    below = level.amax(dim=1, keepdim=True) - level
    return (below / 6).long().clamp(0, LEVEL_BINS - 1)


def nearest(features: Tensor, centres: Tensor) -> Tensor:
    """Return for each frame the index of the nearest centre."""
    rows = features.reshape(-1, features.shape[-1])
    found: Tensor = (centres.square().sum(dim=1) - 2 * rows @ centres.T).argmin(dim=1)
    return found.view(features.shape[:-1])


def _difference(frames: Tensor) -> Tensor:
    padded = F.pad(frames.transpose(1, 2), (2, 2), mode="replicate").transpose(1, 2)
    return (2 * (padded[:, 4:] - padded[:, :-4]) + padded[:, 3:-1] - padded[:, 1:-3]) / 10


def _normalised(frames: Tensor) -> Tensor:
    return (frames - frames.mean(dim=1, keepdim=True)) / (frames.std(dim=1, keepdim=True) + 1e-3)
