"""Weights that do not fit their configuration are refused; heads and other names are not."""

import json
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from ossicle.backbones import FAMILIES, load_backbone
from ossicle.errors import BackboneError

WEIGHTS = "model.safetensors"
HEADS = [  # the prefix that transformers adds to the same backbone
    ("wav2vec2", "Wav2Vec2ForPreTraining"),
    ("wav2vec2", "Wav2Vec2ForCTC"),
    ("hubert", "HubertForSequenceClassification"),
    ("wavlm", "WavLMForXVector"),  # its head has a 'feature_extractor' of its own
    ("data2vec-audio", "Data2VecAudioForCTC"),
    ("unispeech-sat", "UniSpeechSatForPreTraining"),
    ("wav2vec2-conformer", "Wav2Vec2ConformerForCTC"),
    ("w2v-bert", "Wav2Vec2BertForCTC"),
    ("whisper", "WhisperForConditionalGeneration"),
    ("whisper", "WhisperForAudioClassification"),
    ("ast", "ASTForAudioClassification"),
]


@pytest.fixture
def folder(build, kind, tmp_path) -> Path:
    build(kind).save(tmp_path)
    return tmp_path


def edit(folder: Path, file: str = "config.json", **changes) -> None:
    file = folder / file
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def rewrite(folder: Path, change) -> None:
    """Change the tensors in place, by name."""
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    tensors = {name: value.contiguous() for name, value in tensors.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})


def without(part: str):
    def change(tensors):
        gone = [name for name in tensors if part in name]
        assert gone
        for name in gone:
            del tensors[name]

    return change


def test_one_more_tensor_inside_the_part_is_refused(folder):
    def add(tensors):
        name = max(tensors, key=lambda name: ("attention" in name or "attn" in name, name))
        tensors[name.rpartition(".")[0] + ".gain"] = torch.ones(3)

    rewrite(folder, add)
    with pytest.raises(BackboneError, match=r"do not fit .*: 1 are unexpected in .*\.gain'"):
        load_backbone(str(folder))


def test_a_layer_fewer_in_the_configuration_is_refused(folder, kind):
    edit(folder, **{"encoder_layers" if kind.startswith("whisper") else "num_hidden_layers": 1})
    with pytest.raises(BackboneError, match=r"do not fit .*: \d+ are unexpected in "):
        load_backbone(str(folder))


def test_a_layer_more_in_the_configuration_is_refused(folder, kind):
    edit(folder, **{"encoder_layers" if kind.startswith("whisper") else "num_hidden_layers": 3})
    with pytest.raises(BackboneError, match=r"do not fit .*: \d+ tensors are missing, the first"):
        load_backbone(str(folder))


@pytest.mark.parametrize(("name", "head"), HEADS)
@torch.no_grad()
def test_a_checkpoint_with_a_head_gives_the_frames_of_its_backbone(tmp_path, noise, name, head):
    family = FAMILIES[name]
    config = transformers.AutoConfig.for_model(family.model_type, **family.tiny())
    config.vocab_size = getattr(config, "vocab_size", None) or 8
    if head == "WavLMForXVector":
        config.tdnn_dim, config.tdnn_kernel, config.tdnn_dilation = [8, 8], [3, 1], [1, 1]
    whole = getattr(transformers, head)(config).eval()
    whole.save_pretrained(tmp_path)
    made = load_backbone(f"config:{next(iter(family.named))}", weights=False).extractor
    changed = {"chunk_length": 1} if name == "whisper" else {}
    changed = {"max_length": 64} if name == "ast" else changed
    made.save_pretrained(tmp_path)
    edit(tmp_path, "preprocessor_config.json", **changed)
    loaded = load_backbone(str(tmp_path))
    waves = noise(4000)
    values, lengths = loaded.batch(waves)
    inner = getattr(whole, "encoder", None) or whole.base_model
    inner = inner.get_encoder() if head == "WhisperForConditionalGeneration" else inner
    given = values.transpose(1, 2) if name == "whisper" else values
    expected = inner(given).last_hidden_state
    torch.testing.assert_close(loaded(values, lengths).hidden, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "change", "settings", "message"),
    [
        # layer-norm weights under a group norm: every norm but the first was left out
        ("hubert-pre-norm", None, {"feat_extract_norm": "group"}, "2 are unexpected in hub"),
        # biases in the model and none in the file; the reverse is below
        ("hubert", None, {"conv_bias": True}, "tensors are missing, the first"),
        ("wavlm", None, {"model_type": "hubert"}, "are unexpected in hubert, the first '.*g"),
        ("hubert", None, {"model_type": "wavlm"}, "tensors are missing, the first"),
        ("ast", None, {"qkv_bias": False}, "6 are unexpected in ast"),
        ("w2v-bert", None, {"position_embeddings_type": "rotary"}, "2 are unexpected in w2v"),
        ("whisper", without("conv2.bias"), {}, "tensors are missing, the first"),
        ("hubert", without("layers.0.final_layer_norm.bias"), {}, "1 tensors are missing, the "),
    ],
)
def test_weights_under_another_configuration_are_refused(
    build, tmp_path, kind, change, settings, message
):
    build(kind).save(tmp_path)
    if change:
        rewrite(tmp_path, change)
    edit(tmp_path, **settings)
    with pytest.raises(BackboneError, match=message):
        load_backbone(str(tmp_path))


def test_biases_that_the_configuration_does_not_have_are_refused(build, tmp_path):
    build("hubert", conv_bias=True).save(tmp_path)
    edit(tmp_path, conv_bias=False)
    with pytest.raises(BackboneError, match=r"2 are unexpected in hubert, .*conv\.bias'"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_weights_that_are_not_finite_are_refused_by_name(build, tmp_path, value, dtype):
    build("wav2vec2").save(tmp_path)
    name = "encoder.layers.1.attention.q_proj.weight"

    def spoil(tensors):
        tensors[name] = tensors[name].to(dtype)
        tensors[name][-1, -1] = value

    rewrite(tmp_path, spoil)
    with pytest.raises(BackboneError, match=f"'{name}' holds values that are not finite"):
        load_backbone(str(tmp_path))


def test_a_number_that_float32_cannot_hold_is_refused(build, tmp_path):
    build("wav2vec2").save(tmp_path)

    def enlarge(tensors):
        tensors["encoder.layer_norm.bias"] = torch.full((64,), 1e39, dtype=torch.float64)

    rewrite(tmp_path, enlarge)
    with pytest.raises(BackboneError, match=r"'encoder\.layer_norm\.bias' holds values that"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool])
def test_whole_numbers_without_a_scale_are_refused_by_name(build, tmp_path, dtype):
    build("wav2vec2").save(tmp_path)
    name = "encoder.layers.1.feed_forward.output_dense.weight"
    rewrite(tmp_path, lambda tensors: tensors.update({name: torch.ones(64, 96).to(dtype)}))
    with pytest.raises(BackboneError, match=rf"'{name}' has dtype \w+; ossicle reads F16"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("settings", [{"hidden_size": 32_768}, {"intermediate_size": 131_072}])
def test_a_size_is_compared_with_the_file_before_memory_is_asked_for(build, tmp_path, settings):
    build("wav2vec2").save(tmp_path)  # the configuration describes a model of gigabytes
    edit(tmp_path, **settings)
    with pytest.raises(BackboneError, match=r"describes a model with \d{8,} parameters; the files"):
        load_backbone(str(tmp_path))


def sharded(folder: Path) -> dict[str, str]:
    """Cut the weights in two files with an index."""
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    files = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
    listed = {name: file for file, part in files.items() for name in part}
    index = {"metadata": {}, "weight_map": listed}
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(index))
    return listed


def test_weights_in_several_files_are_read_and_checked(build, tmp_path):
    made = build("wavlm")
    made.save(tmp_path)
    sharded(tmp_path)
    loaded = load_backbone(str(tmp_path))
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)
    edit(tmp_path, num_hidden_layers=1)
    with pytest.raises(BackboneError, match=r"do not fit .*: \d+ are unexpected in wavlm"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (
            "../model-1.safetensors",
            "which is not the name of a .safetensors file in the same folder",
        ),
        ("model-3.safetensors", "model-3.safetensors cannot be read"),
        ("model-1.bin", "which is not the name of a .safetensors file in the same folder"),
        (3, "has no 'weight_map' from names to files"),
    ],
)
def test_an_index_that_names_other_files_is_refused(build, tmp_path, file, message):
    build("wavlm").save(tmp_path)
    listed = sharded(tmp_path)
    listed["encoder.layer_norm.bias"] = file
    (tmp_path / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": listed}))
    with pytest.raises(BackboneError, match=message):
        load_backbone(str(tmp_path))


def test_a_tensor_in_two_files_is_refused(build, tmp_path):
    build("wavlm").save(tmp_path)
    sharded(tmp_path)
    part = load_file(tmp_path / "model-1.safetensors")
    more = load_file(tmp_path / "model-2.safetensors")
    name = next(iter(part))
    save_file(more | {name: part[name] + 1}, tmp_path / "model-2.safetensors", {"format": "pt"})
    with pytest.raises(BackboneError, match=f"'{name}' is in model-1.* and in model-2"):
        load_backbone(str(tmp_path))


def test_older_names_are_read(build, tmp_path):
    """`weight_g` and `weight_v` are older names of torch for the positional convolution."""
    made = build("hubert")
    made.save(tmp_path)
    begin = "encoder.pos_conv_embed.conv."

    def rename(tensors):
        for new, old in ("original0", "weight_g"), ("original1", "weight_v"):
            tensors[begin + old] = tensors.pop(f"{begin}parametrizations.weight.{new}")

    rewrite(tmp_path, rename)
    loaded = load_backbone(str(tmp_path))
    for name, value in made.model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value)


def test_weights_outside_the_encoder_are_ignored(build, tmp_path):
    """ContentVec's checkpoint has no prefix, and a `final_proj` next to the encoder."""
    made = build("hubert")
    made.save(tmp_path)
    rewrite(tmp_path, lambda tensors: tensors.update({"final_proj.weight": torch.ones(4, 64)}))
    assert load_backbone(str(tmp_path)).fingerprint == made.fingerprint


@torch.no_grad()
def test_a_conformer_with_rotary_positions_is_read(build, tmp_path, noise):
    made = build("wav2vec2-conformer", position_embeddings_type="rotary")
    made.save(tmp_path)
    inputs = made.batch(noise(4000))
    assert torch.equal(load_backbone(str(tmp_path))(*inputs).hidden, made(*inputs).hidden)
