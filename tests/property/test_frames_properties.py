"""Samples to frames agrees with running a stack of convolutions, for any stack and length."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from kinds import KINDS
from ossicle.backbones.frames import num_frames, receptive_field

layers = st.lists(st.tuples(st.integers(1, 12), st.integers(1, 6)), min_size=1, max_size=4)


@given(layers=layers, extra=st.integers(0, 400))
def test_it_is_the_length_of_the_cnn(layers, extra):
    kernels, strides = zip(*layers, strict=True)
    size = receptive_field(kernels, strides) + extra
    cnn = nn.Sequential(*(nn.Conv1d(1, 1, kernel, stride) for kernel, stride in layers))
    with torch.no_grad():
        assert num_frames(size, kernels, strides) == cnn(torch.zeros(1, 1, size)).shape[-1]


@given(layers=layers, samples=st.integers(0, 2000))
def test_the_receptive_field_is_the_shortest_wave_with_a_frame(layers, samples):
    kernels, strides = zip(*layers, strict=True)
    field = receptive_field(kernels, strides)
    assert (num_frames(samples, kernels, strides) > 0) == (samples >= field)


@given(layers=layers, samples=st.integers(0, 2000))
def test_more_samples_never_make_fewer_frames(layers, samples):
    kernels, strides = zip(*layers, strict=True)
    assert num_frames(samples + 1, kernels, strides) - num_frames(samples, kernels, strides) in (
        0,
        1,
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10)
@given(more=st.integers(0, 9000))
@torch.no_grad()
def test_a_backbone_knows_its_number_of_real_frames(build, noise, kind, more):
    backbone = build(kind)
    size = backbone.min_samples + more
    encoded = backbone(*backbone.batch(noise(size)))
    assert backbone.num_frames(size) == int(encoded.frame_mask.sum())
