"""Our forward pass and frames against transformers' own, and where the two must differ."""

import numpy as np
import pytest
import torch

from ossicle.backbones.attention import ATTENTION
from ossicle.backbones.frames import num_frames, receptive_field


@torch.no_grad()
@pytest.mark.parametrize("size", [4800, 3840])  # two columns of patches, and one
def test_equal_lengths_give_the_output_of_transformers(build, kind, noise, size):
    backbone = build(kind)
    values, lengths = backbone.batch(noise(size, size))
    encoded = backbone(values, lengths)
    assert encoded.frame_mask.all() or kind == "whisper"
    backbone.model.config._attn_implementation = "eager"
    if kind.startswith("whisper"):  # it expects the bands first, and a length that is its own
        first = backbone.model.embed_positions.weight[: encoded.hidden.shape[1]]
        backbone.model.embed_positions = torch.nn.Embedding.from_pretrained(first)
        backbone.model.config.max_source_positions = encoded.hidden.shape[1]
        values = values.transpose(1, 2)
    if kind == "ast-own-length":  # it expects every position of a grid with 8 rows
        embeddings, columns = backbone.model.embeddings, (encoded.hidden.shape[1] - 2) // 8
        positions = embeddings.position_embeddings.detach()
        grid = positions[:, 2:].unflatten(1, (8, -1))[:, :, :columns].flatten(1, 2)
        first = torch.cat((positions[:, :2], grid), dim=1)
        embeddings.position_embeddings = torch.nn.Parameter(first)
    expected = backbone.model(values).last_hidden_state
    torch.testing.assert_close(encoded.hidden, expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "data2vec-audio", "wav2vec2-conformer"])
def test_padding_changes_a_row_of_transformers_and_none_of_ours(build, kind, noise):
    backbone = build(kind)
    waves = noise(8000, 4800)
    values, lengths = backbone.batch(waves)
    mask = torch.arange(values.shape[1]) < lengths[:, None]
    backbone.model.config._attn_implementation = "sdpa"
    alone = backbone.model(values[1:, :4800]).last_hidden_state[0]
    stock = backbone.model(values, attention_mask=mask).last_hidden_state[1, : len(alone)]
    backbone.model.config._attn_implementation = ATTENTION
    ours = backbone(values, lengths).hidden[1, : len(alone)]
    assert (stock - alone).norm() > 0.01 * alone.norm()
    torch.testing.assert_close(ours, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert", "wavlm"])
def test_num_frames_is_the_length_of_transformers_and_of_the_cnn(build, kind):
    backbone = build(kind)
    config = backbone.model.config
    shortest = backbone.min_samples
    assert shortest == receptive_field(config.conv_kernel, config.conv_stride)
    for size in [*range(shortest, shortest + 200, 7), 4000, 16001]:
        frames = num_frames(size, config.conv_kernel, config.conv_stride)
        theirs = backbone.model._get_feat_extract_output_lengths(torch.tensor(size))
        assert frames == int(theirs)
        assert frames == backbone.model.feature_extractor(torch.zeros(1, size)).shape[2]


@torch.no_grad()
def test_the_shortest_wave_gives_a_frame_and_one_sample_less_gives_none(build, kind, noise):
    backbone = build(kind)
    encoded = backbone(*backbone.batch(noise(backbone.min_samples)))
    assert encoded.hidden.shape[1] >= 1
    assert encoded.hidden.isfinite().all()
    config = backbone.model.config
    if hasattr(config, "conv_kernel"):
        assert num_frames(backbone.min_samples - 1, config.conv_kernel, config.conv_stride) == 0


@torch.no_grad()
def test_ast_reads_the_mel_frames_of_its_longest_wave_and_no_more(build, noise):
    backbone = build("ast")
    longest = backbone.max_samples
    wave = noise(longest + 4000)[0]
    whole, cut, short = (backbone.values(wave[:size]) for size in (None, longest, longest - 160))
    assert torch.equal(whole, cut)
    assert not torch.equal(short[-1], cut[-1])
    assert cut.shape == (64, 128)
    assert np.isclose(longest / backbone.sample_rate, 0.655)  # 63 hops of 10 ms and 25 ms


@torch.no_grad()
def test_w2v_bert_reads_the_frames_of_its_extractor_in_a_padded_batch(build, noise):
    backbone = build("w2v-bert")
    waves = noise(4000, 6100)
    given = backbone.extractor(waves, sampling_rate=16000, return_tensors="pt", padding=True)
    backbone.model.config._attn_implementation = "eager"
    stock = backbone.model(**given).last_hidden_state
    backbone.model.config._attn_implementation = ATTENTION
    ours = backbone(*backbone.batch(waves))
    real = given["attention_mask"].bool()
    assert ours.frame_mask.sum(1).tolist() == real.sum(1).tolist() == [11, 18]
    torch.testing.assert_close(ours.hidden[ours.frame_mask], stock[real], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_whisper_reads_a_whole_chunk_and_heads_only_the_wave(build, noise):
    backbone = build("whisper")
    wave = noise(4001)[0]  # 25.006 hops of 10 ms, two of them a frame
    made = backbone.extractor(wave, sampling_rate=16000, return_tensors="pt")["input_features"]
    backbone.model.config._attn_implementation = "eager"
    stock = backbone.model(made).last_hidden_state
    backbone.model.config._attn_implementation = ATTENTION
    ours = backbone(*backbone.batch([wave]))
    torch.testing.assert_close(ours.hidden, stock, rtol=1e-4, atol=1e-5)
    assert ours.frame_mask.sum() == 13
    assert (backbone.min_samples, backbone.max_samples) == (320, 16000)
