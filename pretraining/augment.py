"""Augmentation of waveforms: equalisers, rooms, noise, other voices."""

import math
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

SAMPLE_RATE: Final = 16000
KNOTS: Final = 10
ROOM_S: Final = 0.4


def _pick(rows: int, share: float, generator: torch.Generator) -> Tensor:
    return (torch.rand(rows, 1, generator=generator) < share).float()


def _between(rows: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(rows, 1, generator=generator)


def scaled(wave: Tensor) -> Tensor:
    """Return rows with mean 0 and variance 1, as the feature extractor does."""
    centred = wave - wave.mean(dim=1, keepdim=True)
    return centred / (centred.square().mean(dim=1, keepdim=True) + 1e-7).sqrt()


def channel(wave: Tensor, generator: torch.Generator) -> Tensor:
    """Return rows through random smooth filters, some band-limited, some in a room."""
    rows, size = wave.shape
    bins = size // 2 + 1
    spectrum = torch.fft.rfft(wave)
    knots = torch.randn(rows, 1, KNOTS, generator=generator) * 4  # dB
    gains_db = F.interpolate(knots, size=64, mode="linear", align_corners=True)
    warped = torch.linspace(0, 1, bins).sqrt()  # finer at low frequencies
    at = (warped * 63).long().clamp(max=63)
    gain = 10 ** (gains_db[:, 0, at] / 20)
    frequency = torch.linspace(0, SAMPLE_RATE / 2, bins)
    cut = _between(rows, 3300, 4000, generator)
    limited = _pick(rows, 0.35, generator)
    gain = gain * (1 - limited + limited / (1 + (frequency / cut) ** 16))
    spectrum = spectrum * gain
    length = int(ROOM_S * SAMPLE_RATE)
    half = 10 ** _between(rows, -2.2, -0.9, generator)  # seconds
    time = torch.arange(length) / SAMPLE_RATE
    tail = torch.randn(rows, length, generator=generator) * 0.5 ** (time / half)
    strength = _between(rows, 0.1, 1.0, generator) * _pick(rows, 0.5, generator)
    tail = tail / tail.norm(dim=1, keepdim=True) * strength
    tail[:, 0] = 1
    total = size + length
    wet = torch.fft.irfft(
        torch.fft.rfft(torch.fft.irfft(spectrum, size), total) * torch.fft.rfft(tail, total), total
    )
    return wet[:, :size]


def disturbed(wave: Tensor, generator: torch.Generator) -> Tensor:
    """Return rows of variance 1 with coloured noise of varying level, or mixed with another row."""
    rows, size = wave.shape
    wave = scaled(wave)
    frequency = torch.linspace(0, SAMPLE_RATE / 2, size // 2 + 1).clamp(min=30)
    slope = _between(rows, -1.2, 0.3, generator)
    spectrum = torch.fft.rfft(torch.randn(rows, size, generator=generator))
    noise = scaled(torch.fft.irfft(spectrum * (frequency / 1000) ** slope, size))
    knots = torch.rand(rows, 1, 6, generator=generator) * 1.5 + 0.25
    noise = noise * F.interpolate(knots, size=size, mode="linear", align_corners=True)[:, 0]
    ratio_db = _between(rows, 0, 40, generator)
    level = 10 ** (-ratio_db / 20) * _pick(rows, 0.8, generator)
    shift = 1 + int(torch.randint(max(1, rows - 1), (1,), generator=generator))
    beneath = 10 ** (-_between(rows, 3, 20, generator) / 20) * _pick(rows, 0.2, generator)
    return scaled(wave + level * noise + beneath * wave.roll(shift, dims=0))


def spans(rows: int, frames: int, share: float, length: int, generator: torch.Generator) -> Tensor:
    """Return a mask (rows, frames) that is True in spans covering about that fraction."""
    starts = torch.rand(rows, frames, generator=generator) < -math.log(1 - share) / length
    kernel = torch.ones(1, 1, length)
    covered = F.conv1d(F.pad(starts.float()[:, None], (length - 1, 0)), kernel)[:, 0]
    return covered > 0
