"""Loading backbones: random architectures, folders in the hub's layout, and errors."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    BertConfig,
    Wav2Vec2ForCTC,
    Wav2Vec2ForSequenceClassification,
)

from kinds import saved_name
from ossicle.backbones import FAMILIES, load_backbone
from ossicle.errors import BackboneError


@pytest.fixture
def folder(build, kind, tmp_path) -> Path:
    """A tiny checkpoint in the hub's layout."""
    return written(build(kind), tmp_path / "checkpoint")


def written(backbone, path: Path) -> Path:
    backbone.save(path)
    return path


def edit(file: Path, **changes) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@torch.no_grad()
def test_a_folder_in_the_layout_of_the_hub_gives_the_same_model(build, kind, folder, noise):
    name, made = saved_name(kind, folder), build(kind)
    loaded = load_backbone(name)
    assert loaded.name == name
    assert loaded.anatomy == made.anatomy
    assert loaded.fingerprint == made.fingerprint
    assert not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    waves = noise(4000, 3000)
    for mine, other in zip(loaded.batch(waves), made.batch(waves), strict=True):
        assert torch.equal(mine, other)
    inputs = made.batch(waves)
    assert torch.equal(loaded(*inputs).hidden, made(*inputs).hidden)


def test_half_precision_weights_are_loaded_as_float32(build, kind, tmp_path):
    half = build(kind)
    half.model.half()
    loaded = load_backbone(saved_name(kind, written(half, tmp_path)))
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert loaded.fingerprint == build(kind).fingerprint


def test_a_folder_is_counted_without_reading_its_weights(folder, build, kind):
    (folder / "model.safetensors").unlink()
    counted = load_backbone(str(folder), weights=False)
    real = [name for name, value in counted.model.named_parameters() if not value.is_meta]
    assert set(real) <= {"masked_spec_embed"}  # transformers makes it on the CPU whatever is asked
    assert counted.fingerprint == ""
    numbers = [sum(p.numel() for p in b.parameters()) for b in (counted, build(kind))]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize("head", [Wav2Vec2ForCTC, Wav2Vec2ForSequenceClassification])
def test_a_checkpoint_with_a_head_is_loaded_without_it(build, tmp_path, head):
    made = build("wav2vec2")
    model = head(made.model.config)
    model.wav2vec2.load_state_dict(made.model.state_dict())
    model.save_pretrained(tmp_path)
    made.extractor.save_pretrained(tmp_path)
    assert (
        "lm_head.weight" in load_file(tmp_path / "model.safetensors") or head is not Wav2Vec2ForCTC
    )
    loaded = load_backbone(str(tmp_path))
    assert type(loaded.model).__name__ == "Wav2Vec2Model"
    assert loaded.fingerprint == made.fingerprint
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)


def test_a_checkpoint_may_lack_the_embedding_that_only_pretraining_uses(build, tmp_path):
    folder = written(build("hubert"), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["masked_spec_embed"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert load_backbone(str(folder)).fingerprint == build("hubert").fingerprint


def test_normalisation_is_what_the_checkpoint_says(build, tmp_path, noise):
    wave = noise(4000)[0] * 3 + 0.5
    folder = written(build("wav2vec2"), tmp_path)
    normalised = load_backbone(str(folder)).values(wave).numpy()
    expected = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    np.testing.assert_allclose(normalised, expected, rtol=1e-5, atol=1e-5)
    edit(folder / "preprocessor_config.json", do_normalize=False)
    np.testing.assert_array_equal(load_backbone(str(folder)).values(wave).numpy(), wave)


def test_the_mel_settings_are_those_of_the_checkpoint(build, tmp_path, noise):
    wave = noise(8000)[0]
    folder = written(build("ast"), tmp_path)
    first = load_backbone(str(folder)).values(wave).numpy()
    edit(folder / "preprocessor_config.json", mean=1.5, std=0.25)
    second = load_backbone(str(folder)).values(wave).numpy()
    mels = first * (2 * 4.5689974) - 4.2677393
    np.testing.assert_allclose(second, (mels - 1.5) / (2 * 0.25), rtol=1e-4, atol=1e-4)
    edit(folder / "preprocessor_config.json", do_normalize=False)
    np.testing.assert_allclose(load_backbone(str(folder)).values(wave), mels, rtol=1e-4, atol=1e-4)


def test_the_sample_rate_is_that_of_the_checkpoint(build, tmp_path):
    folder = written(build("hubert"), tmp_path)
    edit(folder / "preprocessor_config.json", sampling_rate=8000)
    assert load_backbone(str(folder)).sample_rate == 8000


def test_a_seed_decides_the_weights(build, kind):
    first, again, other = build(kind), build(kind), build(kind, seed=1)
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_making_random_weights_leaves_the_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_backbone("config:tiny-hubert")
    assert torch.equal(torch.rand(3), expected)


def test_the_fingerprint_survives_storage_in_half_precision(build, kind):
    backbone = build(kind)
    before = backbone.fingerprint
    backbone.model.half().float()
    assert backbone._fingerprint() == before


def test_a_fingerprint_sees_a_change_in_any_layer(build, kind):
    backbone = build(kind)
    before = backbone.fingerprint
    for site in ("attn.q", "ffn.out", "norm.ffn"):
        for found in backbone.anatomy.find(site):
            weight = backbone.model.get_submodule(found.owned_modules[0]).weight
            weight.data.flatten()[0] += 1.0
            assert backbone._fingerprint() != before
            weight.data.flatten()[0] -= 1.0


def test_the_settings_of_a_named_architecture_can_be_changed():
    backbone = load_backbone(
        "config:tiny-ast?max_length=128&seed=3&hidden_act=relu&qkv_bias=false", weights=False
    )
    config = backbone.model.config
    assert (config.max_length, config.hidden_act, config.qkv_bias) == (128, "relu", False)
    assert backbone.extractor.max_length == 128
    pre_norm = load_backbone("config:wavlm-base?do_stable_layer_norm=true", weights=False)
    assert "norm.final" in pre_norm.anatomy.site_names


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config:wavlm-bse", r"no architecture 'wavlm-bse'; .* Did you mean 'wavlm-base'\?"),
        ("config:", r"no architecture ''; available: wav2vec2-base"),
        ("config:wavlm-base?hidden=3", r"'wavlm-base' has no setting 'hidden'"),
        ("config:wavlm-base?hiden_size=3", r"Did you mean 'hidden_size'\?"),
        (
            "config:wavlm-base?hidden_size=big",
            r"hidden_size of 'wavlm-base' is 'big'; expected a whole number",
        ),
        ("config:wavlm-base?hidden_size=1.5", r"hidden_size of 'wavlm-base' is '1\.5'"),
        ("config:wavlm-base?hidden_size", r"'hidden_size' is not a setting; write name=value"),
        ("config:wavlm-base?=3", r"'=3' is not a setting"),
        ("config:wavlm-base?seed=x", r"seed in .* is 'x'; expected a whole number"),
        ("config:wavlm-base?hidden_size=100", r"is not a valid architecture: .*divisible"),
        (
            "config:hubert-base?num_attention_heads=0",
            r"num_attention_heads=0; it must lie from 1 to",
        ),
        ("config:wavlm-base?feat_extract_norm=batch", r"is not a valid architecture: .*batch"),
        ("config:wavlm-base?hidden_act=gulu", r"is not a valid architecture: .*gulu"),
        (
            "config:wavlm-base?add_adapter=true",
            r"this wavlm checkpoint has adapter layers of its own",
        ),
    ],
)
def test_a_wrong_architecture_says_what_is_wrong(name, message):
    with pytest.raises(BackboneError, match=message):
        load_backbone(name, weights=False)


@pytest.mark.parametrize(
    "name", ["./no/such", "/no/such", "~/no-such-folder", "no/such/folder", "../no"]
)
def test_a_folder_that_is_not_there_says_so(name):
    with pytest.raises(BackboneError, match=f"there is no folder '{name}'"):
        load_backbone(name)


@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_hub_id_that_cannot_be_reached_says_so():
    with pytest.raises(
        BackboneError,
        match=r"backbone 'nobody/nothing': config.json cannot be read: .* \(there is no local fo",
    ):
        load_backbone("nobody/nothing")


def test_a_pretrained_backbone_takes_no_settings(tmp_path):
    with pytest.raises(
        BackboneError,
        match=r"pretrained backbone '.*' has no setting 'hidden_size'; available: revision, length",
    ):
        load_backbone(f"{tmp_path}?hidden_size=3")


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json"])
def test_a_missing_file_is_named(folder, file):
    (folder / file).unlink()
    with pytest.raises(BackboneError, match=f"{file} cannot be read: the folder has no {file}"):
        load_backbone(str(folder))


@pytest.mark.parametrize("file", ["config.json", "preprocessor_config.json", "model.safetensors"])
def test_a_damaged_file_is_named(build, tmp_path, file):
    folder = written(build("hubert"), tmp_path)
    (folder / file).write_bytes((folder / file).read_bytes()[:50])
    with pytest.raises(BackboneError, match=f"{file} cannot be read: ") as caught:
        load_backbone(str(folder))
    assert "the folder has no" not in str(caught.value)


def test_missing_weights_are_named(folder):
    (folder / "model.safetensors").unlink()
    message = "model.safetensors cannot be read: the folder has no .safetensors file"
    with pytest.raises(BackboneError, match=message):
        load_backbone(str(folder))


def test_pickled_weights_are_not_read(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    with pytest.raises(BackboneError, match="ossicle does not load pickled weights"):
        load_backbone(str(folder))


def test_weights_that_are_incomplete_are_refused(folder, build, kind):
    query = build(kind).anatomy.find("attn.q")[0].owned_modules[0]
    tensors = load_file(folder / "model.safetensors")
    lost = [name for name in tensors if ".0." in name and name.endswith("weight")]
    assert lost
    assert any(query in name for name in lost) or kind.startswith("ast")  # stored under older names
    for name in lost:
        del tensors[name]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BackboneError, match=r"do not fit .*: \d+ tensors are missing, "):
        load_backbone(str(folder))


def test_weights_of_another_shape_are_refused(build, tmp_path):
    folder = written(build("hubert"), tmp_path)
    edit(folder / "config.json", intermediate_size=48)
    with pytest.raises(
        BackboneError, match=r"6 have another shape, .*: \(96,\) in the file, \(48,"
    ):
        load_backbone(str(folder))


def test_a_model_of_another_type_is_refused(tmp_path):
    config = BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1)
    config.save_pretrained(tmp_path)
    with pytest.raises(
        BackboneError, match=r"has model_type 'bert' in its .* Supported families: wav2vec2"
    ):
        load_backbone(str(tmp_path))


def test_a_model_of_an_unknown_type_is_refused(build, tmp_path):
    folder = written(build("hubert"), tmp_path)
    edit(folder / "config.json", model_type="hubertino")
    with pytest.raises(BackboneError, match=r"has model_type 'hubertino' in its config\.json"):
        load_backbone(str(folder))


def test_adapters_inside_a_checkpoint_are_refused(build, tmp_path):
    folder = written(build("wav2vec2"), tmp_path)
    edit(folder / "config.json", add_adapter=True)
    with pytest.raises(BackboneError, match=r"this wav2vec2 .*\(add_adapter=True\)"):
        load_backbone(str(folder), weights=False)


def test_a_folder_named_like_a_hub_id_is_the_folder(build, tmp_path, monkeypatch):
    shutil.copytree(written(build("hubert"), tmp_path / "a"), tmp_path / "who" / "model")
    monkeypatch.chdir(tmp_path)
    assert load_backbone("who/model").fingerprint == build("hubert").fingerprint


def test_every_family_is_known_to_transformers():
    for family in FAMILIES.values():
        config = AutoConfig.for_model(family.model_type, **family.tiny())
        with torch.device("meta"):
            model = AutoModel.from_config(config)
        anatomy, heard = family.describe(config), family.encoder(model)
        assert anatomy.num_layers == config.num_hidden_layers == 2
        for site in anatomy.sites:
            assert all(heard.get_submodule(path) is not None for path in site.owned_modules)


def test_loading_prints_nothing_and_warns_of_nothing(folder, capfd):
    load_backbone(str(folder))
    assert capfd.readouterr() == ("", "")
