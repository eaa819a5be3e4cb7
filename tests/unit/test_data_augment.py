"""The effect of each augmentation on a wave, and its dependence on the seed."""

import numpy as np
import pytest

from ossicle.data import AUGMENTATIONS, parse_augment
from ossicle.errors import DataError
from tones import SAMPLE_RATE, tone


def wave(hz: float = 440.0) -> np.ndarray:
    return tone(hz, 1.0, seed=0).astype(np.float32)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_seed_decides(name: str) -> None:
    made = [
        AUGMENTATIONS[name](wave(), SAMPLE_RATE, np.random.default_rng(seed)) for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(made[0], made[1])
    assert made[0].shape != made[2].shape or not np.array_equal(made[0], made[2])
    assert made[0].dtype == np.float32


def test_speed_changes_length_and_pitch() -> None:
    found = set()
    for seed in range(12):
        made = AUGMENTATIONS["speed"](wave(), SAMPLE_RATE, np.random.default_rng(seed))
        pitch = np.abs(np.fft.rfft(made)).argmax() * SAMPLE_RATE / len(made)
        factor = SAMPLE_RATE / len(made)
        assert pitch == pytest.approx(440 * factor, rel=0.01)
        found.add(round(factor, 2))
    assert found == {0.9, 1.0, 1.1}


def test_noise_lies_between_ten_and_thirty_decibels_below() -> None:
    for seed in range(12):
        made = AUGMENTATIONS["noise"](wave(), SAMPLE_RATE, np.random.default_rng(seed))
        ratio = np.mean(wave() ** 2) / np.mean((made - wave()) ** 2)
        assert 9.8 <= 10 * np.log10(ratio) <= 30.2


def test_masks_leave_out_spans_and_bands_and_no_more() -> None:
    silent, changed = 0, 0
    for seed in range(20):
        made = AUGMENTATIONS["mask"](wave(), SAMPLE_RATE, np.random.default_rng(seed))
        assert len(made) == SAMPLE_RATE
        zeros = int((made == 0).sum())
        assert zeros <= 2 * 0.1 * SAMPLE_RATE
        silent += zeros > 10
        changed += not np.allclose(made, wave(), atol=1e-6)
    assert silent
    assert changed > silent  # bands too


def test_names_are_checked() -> None:
    assert parse_augment("speed, mask") == ("speed", "mask")
    assert parse_augment("") == ()
    with pytest.raises(DataError, match=r"no augmentation 'spead'; .* Did you mean 'speed'"):
        parse_augment("spead")
