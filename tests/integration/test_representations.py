"""Representations of test recordings, layer by layer, and their similarity to the backbone's."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ossicle.adapters.check import attach
from ossicle.data import Clips, Utterance
from ossicle.errors import AdapterFileError
from ossicle.inference.representations import represent
from ossicle.recipes.recipe import Recipe
from ossicle.statistics.cka import linear_cka
from ossicle.training.representations import (
    REPRESENTATIONS,
    compute_representations,
    read_representations,
)
from tones import write_tone


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """Three recordings, the last of two windows."""
    sizes = (4800, 3200, 6400)
    for number, size in enumerate(sizes):
        write_tone(tmp_path / f"{number}.wav", "high", size / 16_000, seed=number)
    utterances = tuple(Utterance(f"{n}", tmp_path / f"{n}.wav", "high") for n in range(3))
    return Clips(utterances, sizes, limit=4800)


@pytest.mark.parametrize("kind", ["hubert", "whisper"])
@torch.no_grad()
def test_a_representation_is_the_mean_of_what_transformers_gives_for_each_layer(build, clips, kind):
    backbone = build(kind)
    means = []
    for wave in (clips.read(piece, 16_000) for piece in clips.windows()):
        values = backbone.values(wave)
        values = values.T if kind == "whisper" else values  # (M, T)
        states = backbone.model(values[None], output_hidden_states=True)
        real = backbone.num_frames(len(wave))  # Whisper pads every wave with silence
        means.append(torch.stack([one[0, :real].mean(0) for one in states.hidden_states[1:]]))
    expected = torch.stack((means[0], means[1], (means[2] + means[3]) / 2))
    found = torch.from_numpy(represent(backbone, clips, batch_size=4))
    end = -1 if kind == "whisper" else None  # transformers puts its last state through a norm
    torch.testing.assert_close(found[:, :end], expected[:, :end], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_adapters_change_their_layer_and_those_above(build, clips):
    backbone = build("hubert")
    bare = represent(backbone, clips, 4)
    model = attach(backbone, Recipe.parse("bottleneck@ffn[-1]"))
    for parameter in model.trainable().values():
        parameter.add_(torch.randn_like(parameter))
    found = represent(model.backbone, clips, 4)
    assert np.array_equal(found[:, :-1], bare[:, :-1])
    assert np.abs(found[:, -1] - bare[:, -1]).max() > 0.01


def test_representations_of_a_run_are_kept_with_their_similarity_to_the_backbone(
    finished, tmp_path
):
    run, bare = Path(shutil.copytree(finished, tmp_path / "run")), {}
    assert read_representations(run) is None
    made = compute_representations(run, device="cpu", bare=bare)
    stored = read_representations(run)
    assert stored.keys == made.keys
    assert len(made.keys) == 6
    assert np.array_equal(stored.hidden, made.hidden)
    (of_bare,) = bare.values()
    expected = [linear_cka(made.hidden[:, k], of_bare[:, k]) for k in range(made.hidden.shape[1])]
    assert stored.with_bare.tolist() == pytest.approx(expected)
    assert max(expected) < 1 - 1e-9  # LoRA has learnt in every layer
    bare[next(iter(bare))] = made.hidden  # what is known is not computed again
    again = compute_representations(run, device="cpu", bare=bare)
    assert again.with_bare.tolist() == pytest.approx([1] * len(expected))


def test_damaged_representations_are_named(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    (run / REPRESENTATIONS).write_bytes(b"damaged")
    with pytest.raises(AdapterFileError, match=r"representations\.safetensors' is damaged\..*expl"):
        read_representations(run)
