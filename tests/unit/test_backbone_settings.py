"""Validation of config.json and preprocessor_config.json, which may be hostile."""

import io
import json
import logging
import os
from pathlib import Path

import pytest
import torch

from ossicle.backbones import load_backbone
from ossicle.errors import BackboneError

CONFIG, EXTRACTOR = "config.json", "preprocessor_config.json"
DIGITS = "1" * 5000
CODE = """
from pathlib import Path
Path(__file__).with_name("marker").write_text("ran")
Path({marker!r}).write_text("ran")
from transformers import HubertConfig as Own, Wav2Vec2FeatureExtractor as OwnExtractor
"""


@pytest.fixture
def write(build, tmp_path):
    """Function that writes a folder of a kind with changed settings, and returns it."""

    def written(kind: str, file: str = CONFIG, **changes) -> Path:
        build(kind).save(tmp_path)
        edit(tmp_path / file, **changes)
        return tmp_path

    return written


def edit(file: Path, **changes) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def message_of(folder: Path) -> str:
    with pytest.raises(BackboneError) as caught:
        load_backbone(str(folder))
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 800
    return message


@pytest.mark.parametrize("file", [CONFIG, EXTRACTOR])
def test_code_of_a_folder_never_runs_and_nothing_prompts(
    write, file, monkeypatch, tmp_path_factory, caplog, build
):
    marker = tmp_path_factory.mktemp("elsewhere") / "marker"
    classes = {"AutoConfig": "own.Own", "AutoFeatureExtractor": "own.OwnExtractor"}
    folder = write("hubert", file, auto_map=classes, processor_class="Own")
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\ny\ny\n"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("a question was asked"))
    with caplog.at_level(logging.WARNING):
        loaded = load_backbone(str(folder))
    assert loaded.fingerprint == build("hubert").fingerprint
    assert not marker.exists()
    assert not (folder / "marker").exists()
    assert f"auto_map in {file} is ignored: it names remote code, which is never run" in caplog.text


def test_code_of_an_unknown_type_never_runs(write, monkeypatch, tmp_path_factory):
    marker = tmp_path_factory.mktemp("elsewhere") / "marker"
    folder = write("hubert", model_type="mine", auto_map={"AutoConfig": "own.Own"})
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert "has model_type 'mine' in its config.json" in message_of(folder)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quantization_config": {"load_in_8bit": True}}, "requests quantised weights"),
        ({"_attn_implementation": "flash_attention_2"}, "ossicle computes attention itself"),
        ({"attn_implementation": "flex_attention"}, "ossicle computes attention itself"),
    ],
)
@torch.no_grad()
def test_settings_for_other_kernels_are_ignored_with_a_warning(
    write, build, noise, caplog, settings, words
):
    folder, made = write("hubert", **settings), build("hubert")
    with caplog.at_level(logging.WARNING):
        loaded = load_backbone(str(folder))
    assert words in caplog.text
    inputs = made.batch(noise(4000))
    assert torch.equal(loaded(*inputs).hidden, made(*inputs).hidden)


@pytest.mark.parametrize("file", [CONFIG, EXTRACTOR])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000 + "]" * 100_000, "more than 32 levels"),
        (f'{{"hidden_size": {DIGITS}}}', "integer string conversion"),
        ("[]", "its top level is a list; expected an object"),
        ("3", "its top level is a number"),
        ('{"model_type": NaN}', "NaN is not a JSON number"),
        ('{"layer_norm_eps": 1e999}', "too large for 64 bits"),
    ],
)
def test_malformed_json_is_a_one_line_error(write, file, text, words):
    folder = write("hubert")
    (folder / file).write_text(text)
    message = message_of(folder)
    assert f"{file} cannot be read: " in message
    assert words in message


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("hubert", {"num_attention_heads": 0}, "num_attention_heads=0; it must lie from 1"),
        ("hubert", {"num_attention_heads": -1}, "num_attention_heads=-1"),
        ("hubert", {"num_attention_heads": 3}, "is not a valid architecture"),
        ("whisper", {"encoder_attention_heads": 0}, "encoder_attention_heads=0"),
        ("ast", {"num_attention_heads": 0}, "num_attention_heads=0"),
        ("ast", {"patch_size": [1, 2]}, "patch_size"),
        ("ast", {"time_stride": 0}, "time_stride=0"),
        ("hubert", {"conv_dim": [32]}, "is not a valid architecture"),
        ("hubert", {"conv_kernel": [8, 4, 4]}, "is not a valid architecture"),
        ("w2v-bert", {"num_attention_heads": 0}, "num_attention_heads=0"),
        ("hubert", {"conv_stride": [0, 4]}, "conv_stride=0"),
        ("hubert", {"conv_stride": ["a", 4]}, "conv_stride='a'; expected a whole number"),
        ("hubert", {"conv_dim": 5}, "is not a valid architecture"),
        ("hubert", {"conv_dim": [32] * 1000}, "1000 values for conv_dim; at most 256"),
        ("hubert", {"hidden_size": "64"}, "hidden_size='64'; expected a whole number"),
        ("hubert", {"hidden_size": None}, "hidden_size=None; expected a whole number"),
        ("hubert", {"hidden_size": True}, "hidden_size=True; expected a whole number"),
        ("hubert", {"hidden_size": 64.0}, "hidden_size=64.0; expected a whole number"),
        ("hubert", {"hidden_size": 10**9}, "hidden_size=1000000000; it must lie from 1 to 32768"),
        ("hubert", {"num_hidden_layers": 10**6}, "num_hidden_layers=1000000; it must lie from 1"),
        ("whisper", {"encoder_layers": 10**6}, "encoder_layers=1000000"),
        ("whisper", {"max_source_positions": 10**9}, "max_source_positions=1000000000"),
        ("hubert", {"layer_norm_eps": 1e308}, "layer_norm_eps=1e+308"),
        ("hubert", {"layer_norm_eps": -1e-5}, "layer_norm_eps=-1e-05"),
        ("hubert", {"layer_norm_eps": []}, "layer_norm_eps"),
        ("hubert", {"initializer_range": 1e308}, "initializer_range=1e+308"),
        ("hubert", {"mask_time_prob": 2.0}, "mask_time_prob=2; it must lie from 0 to 1"),
        ("hubert", {"hidden_dropout": "a"}, "is not a valid architecture"),
        ("hubert", {"hidden_act": 3}, "is not a valid architecture"),
        ("hubert", {"hidden_act": "gulu"}, "is not a valid architecture"),
        ("hubert", {"feat_extract_norm": "batch"}, "is not a valid architecture"),
        ("hubert", {"model_type": ["hubert"]}, "has model_type ['hubert']"),
        ("hubert", {"model_type": None}, "has model_type None"),
    ],
)
def test_an_impossible_configuration_is_a_one_line_error(write, kind, settings, words):
    assert words in message_of(write(kind, **settings))


@pytest.mark.parametrize(
    "settings",
    [
        {"num_labels": 10**9},
        {"id2label": 5},
        {"torch_dtype": "float99", "dtype": 5},
        {"use_return_dict": 5},
        {"to_dict": 5, "__class__": 5},
        {"task_specific_params": [[]]},
    ],
)
def test_settings_of_other_things_than_the_architecture_are_not_read(write, build, settings):
    loaded = load_backbone(str(write("hubert", **settings)))
    assert loaded.fingerprint == build("hubert").fingerprint


@pytest.mark.parametrize(
    ("kind", "settings", "words"),
    [
        ("hubert", {"sampling_rate": 0}, "sampling_rate=0; it must lie from 1000 to 192000"),
        ("hubert", {"sampling_rate": "16k"}, "sampling_rate='16k'; expected a whole number"),
        ("hubert", {"sampling_rate": 16000.0}, "sampling_rate=16000.0; expected a whole number"),
        ("hubert", {"feature_size": 2}, "feature_size=2"),
        ("hubert", {"do_normalize": "yes"}, "do_normalize='yes'; expected true or false"),
        ("hubert", {"padding_value": 1e308}, "padding_value=1e+308"),
        ("hubert", {"feature_extractor_type": "WhisperFeatureExtractor"}, "hubert needs Wav2Vec"),
        ("hubert", {"feature_extractor_type": "NoSuchThing"}, "hubert needs Wav2Vec2Feature"),
        ("hubert", {"feature_extractor_type": 5}, "has feature_extractor_type 5; hubert needs"),
        ("whisper", {"feature_size": 128}, "feature_size=128 and config.json num_mel_bins=80"),
        (
            "whisper",
            {"chunk_length": 30},
            "chunk_length=30, that is frames=1500 and config.json max_source_positions=50",
        ),
        ("whisper", {"hop_length": 80}, "that is frames=100 and config.json"),
        ("whisper", {"chunk_length": 10**6}, "chunk_length=1000000; it must lie from 1 to 120"),
        ("whisper", {"feature_extractor_type": "ASTFeatureExtractor"}, "whisper needs Whisper"),
        ("whisper", {"n_fft": 10**9}, "n_fft=1000000000"),
        ("ast", {"num_mel_bins": 80}, "num_mel_bins=80 and config.json num_mel_bins=128"),
        ("ast", {"max_length": 32}, "max_length=32 and config.json max_length=64"),
        ("ast", {"std": 0}, "std=0; it must lie from 1e-06"),
        ("ast", {"mean": True}, "mean=True; expected a number like -4.2"),
        ("ast", {"mean": "a"}, "mean='a'; expected a number like -4.2"),
        ("w2v-bert", {"num_mel_bins": 128}, "num_mel_bins * stride=256 and config.json feature_p"),
        ("w2v-bert", {"stride": 4}, "stride=4"),
    ],
)
def test_an_extractor_that_does_not_fit_its_model_is_a_one_line_error(write, kind, settings, words):
    assert words in message_of(write(kind, EXTRACTOR, **settings))


def test_an_extractor_may_be_in_the_file_of_a_processor(write):
    folder = write("hubert")
    settings = json.loads((folder / EXTRACTOR).read_text()) | {"do_normalize": False}
    (folder / EXTRACTOR).unlink()
    (folder / "processor_config.json").write_text(json.dumps({"feature_extractor": settings}))
    assert load_backbone(str(folder)).extractor.do_normalize is False


def test_an_extractor_need_not_name_its_class(write):
    folder = write("hubert")
    settings = json.loads((folder / EXTRACTOR).read_text())
    del settings["feature_extractor_type"]
    (folder / EXTRACTOR).write_text(json.dumps(settings))
    assert load_backbone(str(folder)).sample_rate == 16000


@pytest.mark.parametrize("name", ["a" * 300, "~nouser", "/" + "a" * 5000, "~nouser/model"])
@pytest.mark.filterwarnings("ignore:A test tried to use socket")
def test_a_name_that_is_not_a_path_is_a_one_line_error(name):
    with pytest.raises(BackboneError, match=r"there is no folder|config\.json cannot be read") as e:
        load_backbone(name)
    assert len(str(e.value)) < 800


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("config:hubert-base?hidden_size=1000000000", "hidden_size=1000000000; it must lie"),
        ("config:hubert-base?num_hidden_layers=1000000", "num_hidden_layers=1000000; it must"),
        (
            "config:hubert-base?layer_norm_eps=1e308",
            "layer_norm_eps of 'hubert-base' is 1e.308; expected",
        ),
        (
            "config:hubert-base?layer_norm_eps=nan",
            "layer_norm_eps of 'hubert-base' is 'nan'; expected a number",
        ),
        (
            "config:hubert-base?hidden_dropout=inf",
            "hidden_dropout of 'hubert-base' is 'inf'; expected a number",
        ),
        (
            f"config:hubert-base?hidden_size={DIGITS}",
            "hidden_size of 'hubert-base' is '11+; expected a whole",
        ),
        (f"config:hubert-base?seed={DIGITS}", "seed in .* is '11+; expected a whole"),
        ("config:hubert-base?seed=-1", "seed in .* is -1; expected a whole number from 0"),
        ("config:hubert-base?seed=1&seed=2", "the setting 'seed' is given twice"),
        (
            "config:hubert-base?hidden_size=12288&intermediate_size=65536",
            r"has \d+ parameters; random weights are limited to 4000000000",
        ),
        ("config:whisper-tiny?vocab_size=2000", "is not a valid architecture: Padding_idx"),
        ("config:whisper-tiny?num_mel_bins=128", "feature_size=80 and config.json num_mel_bins"),
        (
            "config:whisper-tiny?max_source_positions=50",
            "that is frames=1500 and config.json max_source_positions=50",
        ),
    ],
)
def test_a_random_architecture_has_limits(name, words):
    with pytest.raises(BackboneError, match=words) as caught:
        load_backbone(name)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("file", [CONFIG, EXTRACTOR, "model.safetensors"])
def test_a_pipe_in_a_folder_is_not_waited_for(write, file):
    folder = write("hubert")
    (folder / file).unlink()
    os.mkfifo(folder / file)
    assert f"{file} cannot be read: it is not a" in message_of(folder)
