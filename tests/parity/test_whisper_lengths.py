"""Whisper at a clip's own length and in shorter windows, against transformers' own encoder."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from kinds import tiny_backbone
from ossicle.adapters.check import attach
from ossicle.backbones import load_backbone, random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.errors import BackboneError, RecipeMismatch
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe

SIZES = (320, 4000, 4801, 5000, 9000, 16_000)  # 1 to 50 frames; 25 mel frames are an odd number


def stock(backbone, frames):
    """Return transformers' encoder with the first positions of a backbone's."""
    config = copy.deepcopy(backbone.model.config)
    config.max_source_positions, config._attn_implementation = frames, "eager"
    encoder = WhisperEncoder(config).eval()
    weights = backbone.model.state_dict()
    weights["embed_positions.weight"] = weights["embed_positions.weight"][:frames]
    encoder.load_state_dict(weights)
    return encoder


@torch.no_grad()
@pytest.mark.parametrize("size", [4801, 9600])
def test_at_its_own_length_a_clip_gives_what_an_encoder_of_that_length_gives(noise, size):
    backbone = tiny_backbone("whisper-own-length")
    (wave,) = noise(size)
    mels = backbone.extractor(wave, sampling_rate=16_000, padding=False, return_tensors="pt")
    frames = size // 320
    expected = stock(backbone, frames)(mels["input_features"]).last_hidden_state
    made = backbone(*backbone.batch([wave]))
    assert made.frame_mask.sum() == frames == backbone.num_frames(size)
    torch.testing.assert_close(made.hidden, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_an_odd_number_of_mel_frames_gives_the_frames_of_both_convolutions(noise):
    backbone = tiny_backbone("whisper-own-length")
    values, lengths = backbone.batch(noise(4000))
    model = backbone.model
    hidden = F.gelu(model.conv2(F.gelu(model.conv1(values.transpose(1, 2))))).transpose(1, 2)
    expected = hidden + model.embed_positions.weight[:13]
    assert (lengths.tolist(), expected.shape[1], backbone.num_frames(4000)) == ([25], 13, 13)
    made = backbone.family.embed(model, values, backbone.forward_state)
    torch.testing.assert_close(made, expected, rtol=0, atol=0)


def test_the_mel_frames_of_a_clip_are_normalised_by_its_own_maximum(noise):
    own = tiny_backbone("whisper-own-length")
    for wave in (*noise(*SIZES), np.zeros(5000, np.float32)):
        row, length = own.row(wave)
        theirs = own.extractor([wave], sampling_rate=16_000, padding="longest")["input_features"][0]
        assert np.array_equal(row.numpy(), np.asarray(theirs, np.float32).T)
        assert len(row) == length == len(wave) // 160
    assert len(own.row(noise(20_000)[0])[0]) == 100, "no more than a chunk"


@torch.no_grad()
def test_a_row_at_its_own_length_does_not_depend_on_its_batch(noise):
    backbone = tiny_backbone("whisper-own-length")
    recipe = Recipe.parse("lora + bottleneck(width=4)@attn,ffn + prompt(length=2, keep=true)")
    model = attach(backbone, recipe, build_head("meanstd", backbone.anatomy, 3)).eval()
    waves = noise(*SIZES)
    values, lengths = backbone.batch(waves)
    outputs, encoded = model.outputs(values, lengths).values, model.encode(values, lengths)
    assert encoded.frame_mask.sum(dim=1).tolist() == [
        2 + frames for frames in (1, 13, 15, 16, 28, 50)
    ]
    for wave, output in zip(waves, outputs, strict=True):
        (alone,) = model.outputs(*backbone.batch([wave])).values
        torch.testing.assert_close(output, alone, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_a_window_of_half_a_second_is_an_encoder_of_25_positions(noise):
    backbone = tiny_backbone("whisper", length="0.5")
    assert (backbone.max_samples, backbone.min_samples, backbone.frame_rate) == (8000, 320, 50)
    waves = noise(8000, 4001, 330)
    padded = [np.pad(wave, (0, 8000 - len(wave))) for wave in waves]
    mels = backbone.extractor(padded, sampling_rate=16_000, padding=False, return_tensors="pt")
    made = backbone(*backbone.batch(waves))
    expected = stock(backbone, 25)(mels["input_features"]).last_hidden_state
    torch.testing.assert_close(made.hidden, expected, rtol=1e-5, atol=1e-5)
    frames = made.frame_mask.sum(dim=1).tolist()
    assert frames == [backbone.num_frames(len(wave)) for wave in waves] == [25, 13, 2]
    assert backbone.num_frames(10**6) == 25


def test_a_method_that_needs_positions_has_those_of_its_window():
    attach(tiny_backbone("whisper", length="0.5"), Recipe.parse("prompt(length=25)"))
    for length, frames in (("0.5", 25), ("own", 50)):
        with pytest.raises(RecipeMismatch, match=f"more than the {frames} tokens"):
            attach(tiny_backbone("whisper", length=length), Recipe.parse("prompt(length=51)"))


def test_lengths_have_fingerprints_of_their_own_and_the_whole_chunk_none():
    lengths = (None, "1", "own", "0.5", "0.501", "0.4")
    made = [tiny_backbone("whisper", length=length).fingerprint for length in lengths]
    assert made[0] == made[1], "as without the option"
    assert made[3] == made[4], "rounded to frames of 20 ms"
    assert len(set(made)) == 4


@pytest.mark.parametrize("length", ["0", "0.01", "30.5", "all", "-1", "nan", "1e9"])
def test_a_length_that_does_not_exist_is_refused_with_those_that_do(length):
    said = (
        rf"length is '{length}' in '.*: whisper takes length=own, or a number of seconds from 0\.02"
    )
    with pytest.raises(BackboneError, match=f"{said} to 30 that every recording is padded to"):
        load_backbone(f"config:whisper-tiny?length={length}", weights=False)
    with pytest.raises(BackboneError, match=f"{said} to 1 that every"):
        tiny_backbone("whisper", length=length)


@pytest.mark.parametrize(("length", "frames"), [(None, 50), ("own", 15), ("0.5", 25)])
def test_a_decoder_reads_the_frames_of_that_length(noise, length, frames):
    family = WITH_DECODER["whisper"]
    backbone = random_backbone(family, family.tiny(), "tiny", length=length)
    encoded = backbone(*backbone.batch(noise(4800, 4800)))
    assert encoded.frame_mask.sum(dim=1).tolist() == [frames] * 2
    (site, _) = backbone.anatomy.find("dec.cross.k")
    assert site.max_tokens == {None: 50, "own": 50, "0.5": 25}[length]
