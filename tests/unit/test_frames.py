"""Numbers of frames, by hand."""

import pytest

from ossicle.backbones import FAMILIES, load_backbone
from ossicle.backbones.frames import num_frames, receptive_field

KERNELS, STRIDES = (10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)  # every released speech model


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (399, 0), (400, 1), (719, 1), (720, 2), (16000, 49), (16080, 50), (160000, 499)],
)
def test_a_frame_is_25_ms_every_20_ms(samples, frames):
    assert num_frames(samples, KERNELS, STRIDES) == frames


def test_a_frame_of_the_released_models_depends_on_400_samples():
    assert receptive_field(KERNELS, STRIDES) == 400
    for name in ("wav2vec2-base", "hubert-large", "wavlm-large"):
        assert load_backbone(f"config:{name}", weights=False).min_samples == 400


def test_a_stack_of_nothing_keeps_every_sample():
    assert num_frames(7, (), ()) == 7
    assert receptive_field((), ()) == 1


def test_a_stack_needs_a_stride_for_every_kernel():
    with pytest.raises(ValueError, match="zip"):
        num_frames(400, (10, 3), (5,))


def test_ast_reads_at_most_1024_frames_of_10_ms():
    backbone = load_backbone("config:ast-base", weights=False)
    assert backbone.min_samples == 400
    assert backbone.max_samples == 1023 * 160 + 400
    assert {family.name for family in FAMILIES.values()} >= {"ast", "wavlm"}
