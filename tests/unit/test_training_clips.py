"""Random crops and augmentations depend on recording, epoch and seed only."""

from pathlib import Path

import pytest
import soundfile
import torch

from ossicle.anatomy import VALUES
from ossicle.backbones import FAMILIES, Backbone, random_backbone
from ossicle.data import Clips, Utterance
from ossicle.frozen.batches import Batch, training_batches, window_batches
from ossicle.frozen.cut import Cut
from ossicle.frozen.part import FrozenPart
from tones import SAMPLE_RATE, tone

NOTHING_KEPT = FrozenPart(Cut(VALUES))


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return random_backbone(FAMILIES["hubert"], FAMILIES["hubert"].tiny(), "tiny")


def rows(clips: Clips, backbone: Backbone, *, seed: int = 0, epoch: int = 1) -> torch.Tensor:
    """Return the values of a batch of all recordings, in their order."""
    plan = [list(range(len(clips.utterances)))]
    (batch,) = training_batches(clips, plan, backbone, NOTHING_KEPT, seed=seed, epoch=epoch)
    return values(batch)


def values(batch: Batch) -> torch.Tensor:
    return torch.stack([row.model_input[0] for row in batch.rows if row.model_input is not None])


def test_every_recording_is_augmented_apart_and_the_same_again(
    tmp_path: Path, backbone: Backbone
) -> None:
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(440, 0.2, seed=0), SAMPLE_RATE)
    twins = tuple(Utterance(str(number), file, "x") for number in range(2))
    clips = Clips(twins, (3200, 3200), 16_000, ("noise",))
    first, second = rows(clips, backbone)
    assert not torch.equal(first, second)
    torch.testing.assert_close(rows(clips, backbone), torch.stack((first, second)), rtol=0, atol=0)
    assert not torch.equal(rows(clips, backbone, epoch=2)[0], first)
    assert not torch.equal(rows(clips, backbone, seed=1)[0], first)
    (batch,) = window_batches(clips, clips.window_batches(2), backbone, NOTHING_KEPT)
    assert torch.equal(*values(batch))
    plain = rows(Clips(twins, (3200, 3200), 16_000), backbone)
    torch.testing.assert_close(values(batch), plain, rtol=0, atol=0)


def test_a_change_that_makes_a_piece_too_short_or_too_long_is_left_out(
    tmp_path: Path, backbone: Backbone
) -> None:
    file = tmp_path / "a.wav"
    shortest = backbone.min_samples
    soundfile.write(file, tone(440, shortest / SAMPLE_RATE, seed=0), SAMPLE_RATE)
    one = (Utterance("a", file, "x"),)
    limit = Clips(one, (shortest,), shortest, ("speed",))
    lengths = {rows(limit, backbone, epoch=epoch).shape[1] for epoch in range(1, 13)}
    assert lengths == {shortest}  # neither 0.9 nor 1.1 times as fast fits


def test_every_recording_is_cropped_apart_and_elsewhere_in_each_epoch(
    tmp_path: Path, backbone: Backbone
) -> None:
    file = tmp_path / "a.wav"
    soundfile.write(file, tone(440, 0.5, seed=0), SAMPLE_RATE)
    twins = tuple(Utterance(str(number), file, "x") for number in range(3))
    clips = Clips(twins, (8000,) * 3, 3200)
    crops = rows(clips, backbone)
    assert crops.shape == (3, 3200)
    drawn = [*crops, *rows(clips, backbone, epoch=2), *rows(clips, backbone, seed=1)]
    assert len({tuple(crop.tolist()) for crop in drawn}) == 9
    torch.testing.assert_close(rows(clips, backbone), crops, rtol=0, atol=0)
