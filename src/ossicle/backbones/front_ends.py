"""Model inputs computed from padded waves by tensor operations, for graphs that are exported.

Each module maps waves (B, N) and their lengths (B,) to the model input and the lengths of its rows,
and computes what `Family.values` computes of each wave alone. Padding may hold anything.

    frames (B, T, W) @ spectra (W, 2 F)     window and Fourier transform of a frame are linear, so
                                            that they are one matrix

Spectrograms are computed in float64: the logarithm magnifies the rounding errors of quiet bands.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.backbones.filterbank import FLOOR, HOP, WINDOW, FilterBank, spectra
from ossicle.backbones.graph import first

EPS_OF_WAVE = 1e-7  # what the feature extractor of wav2vec 2.0 adds to the variance of a wave


class WaveFrontEnd(nn.Module):
    """The samples of a wave, with mean 0 and variance 1 if the extractor normalises."""

    def __init__(self, *, normalise: bool) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(
        self, waves: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B N"], Int[Tensor, " B"]]:
        """Return the waves with zeros as padding."""
        real = first(waves.shape[1], lengths)
        waves = waves.masked_fill(~real, 0.0)
        if not self.normalise:
            return waves, lengths
        mean, variance = _moments(waves, real, correction=0)
        return ((waves - mean) / torch.sqrt(variance + EPS_OF_WAVE)).masked_fill(
            ~real, 0.0
        ), lengths


class KaldiMels(nn.Module):
    """Kaldi's log-mel filter bank over whole frames, in float64."""

    of_sample: Tensor
    filters: Tensor

    def __init__(self, bank: FilterBank) -> None:
        super().__init__()
        alone = torch.eye(WINDOW, dtype=torch.float64)
        of_sample = spectra(alone, torch.from_numpy(bank.window).double())  # (W, F, 2)
        self.register_buffer("of_sample", of_sample.flatten(1))
        self.register_buffer("filters", torch.from_numpy(bank.mel_filters).double())

    def forward(
        self, waves: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T M"], Int[Tensor, " B"]]:
        """Return the mel frames, zero where they are not whole, and their numbers."""
        waves = waves.masked_fill(~first(waves.shape[1], lengths), 0.0).double()
        count = (waves.shape[1] - WINDOW) // HOP + 1
        frames = waves[:, _places(count, WINDOW, HOP)]  # (B, T, W)
        mels = (_power(frames, self.of_sample) @ self.filters).clamp(min=FLOOR).log()
        counts = (lengths - WINDOW) // HOP + 1
        return mels.masked_fill(~first(count, counts)[..., None], 0.0), counts


class PaddedMels(nn.Module):
    """Mel frames padded with zeros to a fixed number, or not at all, then normalised: AST."""

    def __init__(self, bank: FilterBank, frames: int | None, mean: float, scale: float) -> None:
        super().__init__()
        self.mels = KaldiMels(bank)
        self.frames, self.mean, self.scale = frames, mean, scale

    def forward(
        self, waves: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B F M"], Int[Tensor, " B"]]:
        """Return the mel frames; of rows of unequal length without padding, zeros at the end."""
        mels, counts = self.mels(waves, lengths)
        if self.frames is None:
            normed = (mels - self.mean) / self.scale
            return normed.masked_fill(~first(mels.shape[1], counts)[..., None], 0.0).float(), counts
        mels = F.pad(mels, (0, 0, 0, self.frames))[:, : self.frames]
        return ((mels - self.mean) / self.scale).float(), torch.full_like(counts, self.frames)


class StackedMels(nn.Module):
    """Mel frames with every band normalised over the wave, in groups: w2v-BERT."""

    def __init__(self, bank: FilterBank, stacked: int, full_scale: float, eps: float) -> None:
        super().__init__()
        self.mels = KaldiMels(bank)
        self.stacked, self.full_scale, self.eps = stacked, full_scale, eps

    def forward(
        self, waves: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B T M"], Int[Tensor, " B"]]:
        """Return the groups, without a last frame that has no partner."""
        mels, counts = self.mels(waves * self.full_scale, lengths)
        mels = mels.float().double()  # the extractor normalises rounded frames
        real = first(mels.shape[1], counts)[..., None]
        mean, variance = _moments(mels, real, correction=1)
        normed = ((mels - mean) / torch.sqrt(variance + self.eps)).masked_fill(~real, 0.0)
        groups = mels.shape[1] // self.stacked
        rows = normed[:, _places(groups, self.stacked, self.stacked)].flatten(2)
        counts = counts // self.stacked
        return rows.masked_fill(~first(groups, counts)[..., None], 0.0).float(), counts


class WhisperMels(nn.Module):
    """Whisper's log-mel spectrogram, of a window of silence or of the wave alone.

    The wave is mirrored at its ends, frames are centred, and a row has values at most 8 powers of
    ten below its largest.
    """

    of_sample: Tensor
    filters: Tensor

    def __init__(self, extractor: Any, samples: int | None) -> None:
        super().__init__()
        self.size, self.hop, self.samples = extractor.n_fft, extractor.hop_length, samples
        window = torch.hann_window(self.size, dtype=torch.float64)
        of_sample = torch.view_as_real(torch.fft.rfft(torch.diag(window)))  # (W, F, 2)
        self.register_buffer("of_sample", of_sample.flatten(1))
        self.register_buffer("filters", torch.from_numpy(extractor.mel_filters).double())

    def forward(
        self, waves: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Float[Tensor, "B F M"], Int[Tensor, " B"]]:
        """Return the mel frames, and how many of them the wave fills."""
        waves = waves.masked_fill(~first(waves.shape[1], lengths), 0.0).double()
        if self.samples is None:
            count, ends, counts = waves.shape[1] // self.hop, lengths, lengths // self.hop
        else:
            waves = F.pad(waves, (0, self.samples))[:, : self.samples]
            count, ends = self.samples // self.hop, torch.full_like(lengths, self.samples)
            counts = ((lengths + self.hop - 1) // self.hop).clamp(max=count)
        mels = _power(self._frames(waves, count, ends), self.of_sample) @ self.filters
        logs = mels.clamp(min=1e-10).log10()
        real = first(count, ends // self.hop)[..., None]
        most = logs.masked_fill(~real, -10.0).amax(dim=(1, 2), keepdim=True)
        levels = (torch.maximum(logs, most - 8.0) + 4.0) / 4.0
        return levels.masked_fill(~real, 0.0).float(), counts

    def _frames(
        self, waves: Float[Tensor, "B N"], count: int, ends: Int[Tensor, " B"]
    ) -> Float[Tensor, "B T W"]:
        """Return centred frames of each wave, mirrored at 0 and at its last sample."""
        last = ends[:, None] - 1
        places = (_places(count, self.size, self.hop).flatten() - self.size // 2).abs()[None]
        mirrored = (last - (last - places).abs()).clamp(min=0)
        return waves.gather(1, mirrored).view(-1, count, self.size)


def _moments(
    values: Float[Tensor, "B T ..."], real: Any, correction: int
) -> tuple[Float[Tensor, "B 1 ..."], Float[Tensor, "B 1 ..."]]:
    """Return mean and variance over the real entries of each row."""
    sizes = real.sum(dim=1, keepdim=True).to(values.dtype)
    mean = values.masked_fill(~real, 0.0).sum(dim=1, keepdim=True) / sizes
    squares = (values - mean).masked_fill(~real, 0.0).square()
    return mean, squares.sum(dim=1, keepdim=True) / (sizes - correction)


def _places(count: int, size: int, hop: int) -> Int[Tensor, "T W"]:
    """Return the numbers of the samples of each frame."""
    return torch.arange(count)[:, None] * hop + torch.arange(size)


def _power(
    frames: Float[Tensor, "B T W"], of_sample: Float[Tensor, "W P"]
) -> Float[Tensor, "B T F"]:
    """Return the power spectrum of frames, given real and imaginary part of each sample alone."""
    parts: Tensor = (frames @ of_sample).view(*frames.shape[:2], -1, 2)
    return parts.square().sum(dim=-1)
