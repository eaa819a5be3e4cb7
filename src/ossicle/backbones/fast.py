"""Faster CPU implementations of the frozen CNN and of the positional convolution.

Equal to transformers' modules up to rounding (bounds in `tests/parity/test_fast.py`). Used in
float32 on a CPU, at sizes where they were measured to be faster, and only if nothing inside the
module trains or has a hook. `load_backbone(..., fast=False)` turns them off.

CNN: activations run in place. For the two kinds of norm:

    group norm over time    the norm is folded into the first convolution, whose output has mean
                            W m and variance W S W^T, where m and S are those of the input windows
    layer norm per frame    every convolution is a sum of matrix products over views of (T, C), so
                            that the norm needs no transpose:

        kernel 3, stride 2      y_t = x_2t W_0 + x_2t+1 W_1 + x_2t+2 W_2
                                      |-- (2 C) -- one row --|   |- next row's first half -|

Positions: the grouped convolution over 128 frames runs as overlap-save in the frequency domain:

    frames  |---- block ----|
                     |---- block ----|      each block gives BLOCK - kernel + 1 frames
"""

import math
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import GELUActivation

BLOCK: Final = 256  # frames in an FFT block, at least twice the kernel
CHANNELS: Final = 512  # fewest CNN channels for which `run_cnn` saves time
PRODUCTS: Final = 1024  # fewest multiplications per output value for which the FFT saves time


def can_run_cnn(cnn: Any, values: Tensor) -> bool:
    """Return whether `run_cnn` may replace this CNN for this input."""
    return (
        values.device.type == "cpu"
        and values.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and cnn.conv_layers[-1].conv.in_channels >= CHANNELS
        and all(isinstance(layer.activation, GELUActivation | nn.GELU) for layer in cnn.conv_layers)
        and not _is_watched(cnn)
    )


def run_cnn(cnn: Any, wave: Float[Tensor, " N"]) -> Float[Tensor, "T C"]:
    """Return the CNN output for one wave."""
    first = cnn.conv_layers[0]
    with torch.no_grad():
        if isinstance(getattr(first, "layer_norm", None), nn.GroupNorm):
            return _normed_over_time(cnn, wave)
        return _normed_by_frame(cnn, wave)


def _normed_over_time(cnn: Any, wave: Float[Tensor, " N"]) -> Float[Tensor, "T C"]:
    first, *others = cnn.conv_layers
    windows = wave.unfold(0, first.conv.kernel_size[0], first.conv.stride[0])  # (T, K)
    weight, bias = _folded(first, windows)
    with_one = F.pad(windows, (0, 1), value=1.0)  # the bias is one more weight
    hidden = _gelu(torch.cat((weight, bias[:, None]), dim=1) @ with_one.t())[None]  # (1, C, T)
    for layer in others:
        hidden = _gelu(layer.conv(hidden))
    return hidden[0].t()


def _folded(
    layer: Any, windows: Float[Tensor, "T K"]
) -> tuple[Float[Tensor, "C K"], Float[Tensor, " C"]]:
    """Return weight and bias of the convolution with the norm over these windows folded in."""
    seen = windows.double()
    mean = seen.mean(dim=0)
    covariance = seen.t() @ seen / len(seen) - torch.outer(mean, mean)
    weight = layer.conv.weight[:, 0].double()  # (C, K)
    # the norm would cancel a bias of the convolution
    spread = ((weight @ covariance) * weight).sum(dim=1).clamp(min=0)
    norm = layer.layer_norm
    gain = norm.weight.double() * torch.rsqrt(spread + norm.eps)
    bias = norm.bias.double() - weight @ mean * gain
    return (weight * gain[:, None]).float(), bias.float()


def _normed_by_frame(cnn: Any, wave: Float[Tensor, " N"]) -> Float[Tensor, "T C"]:
    hidden = wave[:, None]  # (N, 1)
    for layer in cnn.conv_layers:
        hidden = _convolved(layer.conv, hidden)
        if (norm := getattr(layer, "layer_norm", None)) is not None:
            hidden = norm(hidden)
        hidden = _gelu(hidden)
    return hidden


def _convolved(conv: nn.Conv1d, hidden: Float[Tensor, "S D"]) -> Float[Tensor, "T C"]:
    """Compute the convolution by matrix products over views."""
    (kernel,), (stride,), channels = conv.kernel_size, conv.stride, hidden.shape[1]
    hidden = hidden.contiguous()
    frames = (len(hidden) - kernel) // stride + 1
    # One channel: rows of the view may overlap; the matrix product copies them first.
    step = kernel if channels == 1 else stride
    output: Tensor | None = None
    for start in range(0, kernel, step):
        weight = conv.weight[:, :, start : start + step]  # (C, D, at most S)
        size, begin = weight.shape[2] * channels, hidden.storage_offset() + start * channels
        view = hidden.as_strided((frames, size), (stride * channels, 1), begin)
        matrix = weight.transpose(1, 2).flatten(1).t()
        if output is None:
            bias = conv.bias
            output = view @ matrix if bias is None else torch.addmm(bias, view, matrix)
        else:
            output.addmm_(view, matrix)
    assert output is not None, "a kernel has at least one entry"
    return output


def _gelu(hidden: Tensor) -> Tensor:
    output: Tensor = torch.ops.aten.gelu_(hidden)
    return output


def can_run_positions(embedding: Any, hidden: Tensor) -> bool:
    """Return whether `run_positions` may replace this positional embedding for this input."""
    conv = getattr(embedding, "conv", None)
    return (
        isinstance(conv, nn.Conv1d)
        and getattr(embedding, "batch_norm", None) is None
        and hidden.device.type == "cpu"
        and hidden.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and 2 * conv.kernel_size[0] <= BLOCK
        and conv.kernel_size[0] * conv.in_channels // conv.groups >= PRODUCTS
        and not _is_watched(embedding)
    )


def run_positions(embedding: Any, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
    """Return the positions of frames: FFT convolution, bias and activation."""
    conv = embedding.conv
    batch, frames, _ = hidden.shape
    kernel, groups = conv.kernel_size[0], conv.groups
    gained = BLOCK - kernel + 1
    blocks = math.ceil(frames / gained)
    before = conv.padding[0]
    after = (blocks - 1) * gained + BLOCK - before - frames
    padded = F.pad(hidden.transpose(1, 2), (before, after))  # (B, D, ...)
    cut = padded.unfold(2, BLOCK, gained)  # (B, D, blocks, BLOCK)
    spectra = torch.fft.rfft(cut)  # (B, D, blocks, F)
    columns = spectra.unflatten(1, (groups, -1)).permute(4, 1, 2, 0, 3).flatten(3)
    mixed = _weight_spectrum(conv) @ columns  # (F, G, out, B * blocks)
    mixed = mixed.unflatten(3, (batch, blocks)).permute(3, 1, 2, 4, 0).flatten(1, 2)
    output = torch.fft.irfft(mixed, n=BLOCK)[..., :gained]  # (B, D, blocks, gained)
    whole = output.flatten(2)[..., :frames] + conv.bias[:, None]
    positions: Tensor = embedding.activation(whole).transpose(1, 2)
    return positions


def _weight_spectrum(conv: Any) -> Tensor:
    """Return the conjugate spectrum of the weight (F, G, out, in), cached while it is unchanged."""
    # private: no public counter of changes in place
    version = sum(parameter._version for parameter in conv.parameters())
    kept = getattr(conv, "_ossicle_spectrum", None)
    if kept is None or kept[0] != version:
        with torch.no_grad():
            spectrum = torch.fft.rfft(conv.weight, n=BLOCK).conj()  # (D, in, F)
            ordered = spectrum.unflatten(0, (conv.groups, -1)).permute(3, 0, 1, 2).contiguous()
        # bypasses nn.Module.__setattr__: not a buffer, because no checkpoint has it
        object.__setattr__(conv, "_ossicle_spectrum", (version, ordered.resolve_conj()))
        kept = conv._ossicle_spectrum
    found: Tensor = kept[1]
    return found


def _is_watched(module: nn.Module) -> bool:
    """Return whether a parameter inside trains, or a hook inside would not be called."""
    return any(parameter.requires_grad for parameter in module.parameters()) or any(
        one._forward_hooks or one._forward_pre_hooks  # private: torch lists hooks nowhere else
        for one in module.modules()
    )
