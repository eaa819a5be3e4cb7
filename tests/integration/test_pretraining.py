"""The scripts that pretrained the shipped backbones: targets, front ends, and resuming."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from transformers import ASTFeatureExtractor, AutoModel

SCRIPTS = Path(__file__).parents[2] / "pretraining"
NO_FILTER = "ignore:At least one mel filter has all zero"


@pytest.fixture(autouse=True)
def _scripts_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Miniature output of speech.py and sounds.py, made of noise."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("made")
    starts = np.arange(0, 11) * 96000  # ten utterances of 6 s
    steps = starts[-1] // 160
    words = np.full(steps, -1, np.int16)
    for number, start in enumerate(range(50, steps - 100, 150)):
        words[start : start + 40] = number % 20
    (folder / "speech").mkdir()
    (folder / "sounds").mkdir()
    save_file(
        {
            "wave": rng.integers(-9000, 9000, starts[-1]).astype(np.int16),
            "phones": rng.integers(0, 30, steps).astype(np.uint8),
            "words": words,
            "starts": starts.astype(np.int64),
            "voices": np.arange(10, dtype=np.int32),
            "pitches": rng.random((10, 3)).astype(np.float32),
        },
        folder / "speech/shard-000.safetensors",
    )
    facts = {"symbols": [str(number) for number in range(40)], "voices": 10}
    (folder / "speech/symbols.json").write_text(json.dumps(facts), encoding="utf-8")
    save_file(
        {
            "wave": rng.integers(-9000, 9000, (6, 81920)).astype(np.int16),
            "kinds": np.eye(33, dtype=np.float32)[:6],
        },
        folder / "sounds/shard-000.safetensors",
    )
    return folder


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.filterwarnings(NO_FILTER)
@pytest.mark.parametrize(
    ("script", "second"), [("tiny_hubert", False), ("tiny_hubert", True), ("tiny_ast", False)]
)
def test_going_on_reaches_the_weights_of_an_uninterrupted_run(
    script, second, made, tmp_path, monkeypatch
):
    module = __import__(script)
    monkeypatch.setattr(module, "SCENES", 4, raising=False)
    monkeypatch.setattr(module, "BATCH_S", 4.0, raising=False)

    def run(out: str, steps: int) -> dict[str, torch.Tensor]:
        given = [f"--speech={made}/speech", f"--sounds={made}/sounds", f"--out={tmp_path / out}"]
        given += [f"--start={tmp_path}/before"] if second and out != "before" else []
        monkeypatch.setattr(sys, "argv", [script, *given, f"--steps={steps}", "--threads=1"])
        module.main()
        return load_file(tmp_path / out / "checkpoint.safetensors")

    if second:
        before = run("before", 1)
    first = run("parts", 1)
    resumed, whole = run("parts", 2), run("whole", 2)
    assert resumed.keys() == whole.keys()
    assert int(whole["step"]) == 2
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    moved = [
        n for n in whole if n.startswith("parameter/model") and not torch.equal(first[n], whole[n])
    ]
    still = [n for n in whole if n.startswith("parameter/model") and n not in moved]
    assert len(still) <= 1, f"these did not train: {still}"
    if second:  # the clusters are kept, and a layer is initialised again
        assert torch.equal(whole["other/cepstra"], before["other/cepstra"])
        norm = "parameter/model.encoder.layer_norm.weight"
        assert (whole[norm] - 1).abs().max() < 1e-3
        assert any(name.startswith("parameter/last.") for name in whole)
    exported = AutoModel.from_pretrained(tmp_path / "whole/export").state_dict()
    for name, value in exported.items():  # stored in half precision, read in float32
        assert torch.equal(value, whole[f"parameter/model.{name}"].half().float())


@pytest.mark.filterwarnings(NO_FILTER)
def test_the_mel_bands_are_those_of_the_feature_extractor():
    import tiny_ast

    wave = np.random.default_rng(0).normal(0, 0.1, 82000).astype(np.float32)
    expected = ASTFeatureExtractor(max_length=511, do_normalize=False)(wave, sampling_rate=16000)
    bands = tiny_ast.MelBands()(torch.from_numpy(wave)[None])[0]
    np.testing.assert_allclose(bands, expected["input_values"][0], rtol=1e-3, atol=1e-3)


def test_patches_are_in_the_order_of_the_model():
    import tiny_ast

    values = torch.arange(512 * 128, dtype=torch.float32).view(1, 512, 128)  # frame * 128 + band
    config = tiny_ast.ASTConfig(frequency_stride=16, time_stride=16, max_length=512, hidden_size=12)
    embeddings = tiny_ast.ASTModel(config).embeddings.patch_embeddings
    conv = embeddings.projection
    with torch.no_grad():
        conv.weight.zero_()
        conv.bias.zero_()
        conv.weight[0, 0, 3, 5] = 1  # band 3, frame 5 of every patch
        picked = embeddings(values)[0, :, 0]
    patches = tiny_ast.as_patches(values)[0]
    spikes = torch.zeros(4, 512, 128)
    for number, patch in enumerate((0, 1, 32, 255)):
        row, column = divmod(patch, 32)
        assert picked[patch] == (16 * column + 5) * 128 + 16 * row + 3
        spikes[number, 16 * column + 5, 16 * row + 3] = 1
    highest = tiny_ast.as_patches(spikes).flatten(1).argmax(dim=1)  # band 3, frame 5 of the patch
    assert highest.tolist() == [256 * patch + 16 * 3 + 5 for patch in (0, 1, 32, 255)]
    assert patches.shape == (256, 256)
    torch.testing.assert_close(patches.mean(dim=1), torch.zeros(256), rtol=0, atol=1e-4)


@pytest.mark.parametrize("hertz", [100, 160, 250])
def test_the_pitch_of_a_buzz_is_its_own_or_a_whole_fraction_of_it(hertz):
    import features

    time = torch.arange(16000) / 16000
    buzz = sum(torch.sin(2 * math.pi * hertz * k * time) / k for k in range(1, 8))
    fractions = [hertz / k for k in (1, 2, 3, 4) if hertz / k >= 60]
    expected = [1 + int(math.log(f / 60) / math.log(500 / 60) * 24) for f in fractions]
    found = features.pitch_class(buzz[None])
    assert found.shape == (1, 47)  # (16000 - 1120) / 320 + 1
    assert torch.stack([(found - one).abs() for one in expected]).amin(dim=0).max() <= 1
    noise = torch.randn(1, 16000, generator=torch.Generator().manual_seed(0))
    assert (features.pitch_class(noise) == 0).float().mean() > 0.9


def test_levels_are_steps_of_six_decibels_below_the_loudest_frame():
    import features

    wave = torch.randn(1, 32000, generator=torch.Generator().manual_seed(0)) * 0.1
    wave[:, 16000:] /= 10 ** (15 / 20)  # 15 dB lower: class 2, give or take the noise's own 2 dB
    levels = features.level_class(features.log_mel(wave))[0]
    assert levels[:45].float().mean() < 0.7
    assert 2 <= levels[-40:].float().mean() < 3.2


def test_masks_cover_the_share_asked_for():
    from augment import spans

    mask = spans(400, 200, 0.35, 10, torch.Generator().manual_seed(0))
    assert mask.shape == (400, 200)
    assert mask[:, 20:].float().mean() == pytest.approx(0.35, abs=0.02)


def test_a_rate_rises_is_held_and_falls_to_nothing():
    import stage

    rates = [stage.rate(step, 2000, 1.0) for step in range(2001)]
    assert rates[0] == pytest.approx(1 / 400)
    assert rates[399] == rates[900] == 1
    assert rates[1450] == pytest.approx(0.5)  # halfway from 900 to 2000
    assert rates[2000] == 0
