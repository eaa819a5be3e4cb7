"""Bad input: one clear message, exit status 2, nothing half-written."""

import json
import os
import re
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ossicle.adapters.folder import FACTS, TENSORS
from ossicle.checksums import DIGEST
from ossicle.files import write_sealed
from ossicle.training.checkpoint import CHECKPOINT
from tones import SAMPLE_RATE, tone, write_tone

Command = Callable[..., Any]


@pytest.fixture
def train(ossicle: Command, backbone: str, corpus: Path, tmp_path: Path) -> Callable[..., str]:
    """Train with changed options, expect it to fail, and return its one message."""

    def fail(**changes: object) -> str:
        out = tmp_path / "out"
        given = {"backbone": backbone, "recipe": "lora", "data": corpus, "out": out, "epochs": 1}
        given |= changes
        done = ossicle("train", *(f"--{k.replace('_', '-')}={v}" for k, v in given.items()))
        assert not out.exists()
        return message_of(done)

    return fail


SIZES = re.compile(r"(train|valid|test): \d|Warning: (valid|test) has ")  # of data that are read


def message_of(done: Any, *, progress: bool = False) -> str:
    """Return the message of a command that failed as it should, at once or after some progress."""
    assert done.status == 2
    assert done.out == ""
    assert done.err.count("Error:") == 1
    assert "Traceback" not in done.err
    before, _, text = done.err.strip().partition("Error: ")
    begun = [line for line in before.splitlines() if not SIZES.match(line)]
    assert bool(begun) == progress
    return text


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"cache": "flaot16"}, "use auto, off, float32, float16. Did you mean 'float16'?"),
        ({"recipe": "lroa"}, "no recipe or method 'lroa'. Did you mean 'lora'?"),
        ({"recipe": "lora@attn.qq"}, "no site 'attn.qq'; available: "),
        ({"recipe": "lora(ranc=4)"}, "'lora' has no setting 'ranc'; available: "),
        ({"recipe": "lora@ffn1.in"}, "ffn1.in"),
        ({"recipe": "lora[7]"}, "this backbone has 2 layers, numbered from 0 to 1"),
        ({"recipe": "missing.toml"}, "recipe file 'missing.toml' cannot be read"),
        ({"head": "mena"}, "no head 'mena'; available: mean, cls, meanstd, superb"),
        ({"head": "mena"}, "Did you mean 'mean'?"),
        ({"head": "frames"}, "head 'frames' does not suit the task classification; use mean or"),
        ({"task": "asrr"}, "no task 'asrr'; available: classification, intent, "),
        ({"task": "verification(los=x)"}, "task 'verification' has no setting 'los'"),
        ({"task": "regression"}, "is not a number; expected one such as 3.5"),
        ({"task": "asr(", "epochs": "1"}, "'asr(' is not a task; write name or name(setting=value"),
        ({"schedule": "liner"}, "no schedule 'liner'; available: linear, cosine, constant, step"),
        ({"optimizer": "adamm"}, "no optimizer 'adamm'; available: adamw, adam"),
        ({"augment": "spead"}, "no augmentation 'spead'; available: speed, noise, mask"),
        ({"precision": "fp16"}, "precision is 'fp16'; use float32, bfloat16, float16, auto"),
        ({"track": "tensorbord"}, "no tracker 'tensorbord'; available: none, aim"),
        ({"settings": "ast/esc5"}, "no published settings 'ast/esc5'; available: ast/esc50"),
        ({"clip": "-1"}, "clip is -1; expected a number from 0 to"),
        ({"patience": "0"}, "patience is 0; expected a whole number from 1 to"),
        ({"accumulate": "0"}, "accumulate is 0; expected a whole number from 1 to"),
        ({"batch_seconds": "0"}, "batch_seconds is 0; expected a number above 0"),
        ({"backbone": "config:tiny-hubret"}, "Did you mean 'tiny-hubert'?"),
        ({"backbone": "./nowhere"}, "there is no folder './nowhere'"),
        ({"device": "gpu0"}, "device 'gpu0' cannot be used here"),
        ({"device": "meta"}, "device 'meta' cannot be used here"),
        ({"epochs": "-1"}, "epochs is -1; expected a whole number from 1 to"),
        ({"epochs": "0"}, "epochs is 0; expected a whole number from 1 to"),
        ({"batch_size": "0"}, "batch_size is 0; expected a whole number from 1 to"),
        ({"lr": "-0.1"}, "lr is -0.1; expected a number above 0"),
        ({"lr": "nan"}, "lr is 'nan'; expected a number above 0"),
        ({"max_seconds": "inf"}, "max_seconds is 'inf'; expected a number above 0"),
        ({"weight_decay": "-1"}, "weight_decay is -1; expected a number from 0 to 1000"),
        ({"warmup": "1"}, "warmup is 1; expected a number from 0 to below 1"),
        ({"seed": "-1"}, "seed is -1; expected a whole number from 0 to 4294967295"),
        ({"seed": str(2**70)}, "expected a whole number from 0 to 4294967295"),
        ({"data": "audiofolder:nowhere"}, "nowhere does not exist (reader audiofolder)"),
        ({"data": "audiofoldr:nowhere"}, "is neither a reader"),
        ({"data": "nowhere"}, "'nowhere' is neither a reader nor an existing folder"),
    ],
)
def test_a_wrong_setting_is_named(
    changes: dict[str, str], match: str, train: Callable[..., str]
) -> None:
    assert match in train(**changes)


def test_a_wrong_option_of_a_reader_is_named(train: Callable[..., str], corpus: Path) -> None:
    assert "tset" in train(data=f"audiofolder:{corpus}?tset=0.2")


def broken(kind: str, file: Path) -> None:
    """Write a recording that cannot be used."""
    if kind == "empty":
        file.write_bytes(b"")
    elif kind == "corrupt":
        file.write_bytes(b"RIFF" + bytes(range(256)))
    elif kind == "no samples":
        soundfile.write(file, np.zeros(0), SAMPLE_RATE)
    elif kind == "silent":
        soundfile.write(file, np.zeros(4800), SAMPLE_RATE)
    elif kind == "nan":
        soundfile.write(file, np.full(4800, np.nan), SAMPLE_RATE, subtype="FLOAT")
    elif kind == "short":
        soundfile.write(file, tone(500, 0.002, seed=1), SAMPLE_RATE)
    else:
        raise AssertionError(kind)


KINDS = {
    "empty": "cannot be decoded",
    "corrupt": "cannot be decoded",
    "no samples": "has no samples",
    "silent": "is silent",
    "nan": "4800 samples that are NaN or infinite",
    "short": "is 2 ms long, but the backbone needs",
}


def test_every_unusable_recording_of_a_training_set_is_listed(
    train: Callable[..., str], corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(corpus, tmp_path / "tones")
    files = sorted((tmp_path / "tones").glob("*.wav"))
    for kind, file in zip(KINDS, files, strict=False):
        broken(kind, file)
    message = train(data=tmp_path / "tones")
    assert message.startswith("6 of 18 recordings cannot be used:")
    for (_, words), file in zip(KINDS.items(), files, strict=False):
        (line,) = [line for line in message.splitlines() if file.name in line]
        assert words in line


@pytest.mark.parametrize(
    ("header", "row", "match"),
    [
        ("path,label,speaker,split", "b.wav,high,anna,test", "speaker 'anna' is in train and in"),
        ("path,class,split", "b.wav,high,test", "has no column 'label'"),
        ("file,label,split", "b.wav,high,test", "has no column 'path'"),
        (
            "path,label,split",
            "gone.wav,high,test\nalso.wav,low,test",
            "2 of 5 recordings are",
        ),
        (
            "path,label,split",
            "b.wav,noise,test",
            "1 utterances of test (such as b.wav) have the label",
        ),
        ("path,label,split", "b.wav,high,", "have no split"),
    ],
)
def test_a_list_that_cannot_be_used_says_why(
    header: str, row: str, match: str, train: Callable[..., str], tmp_path: Path
) -> None:
    for seed, name in enumerate("acdb"):
        write_tone(tmp_path / f"{name}.wav", "high", 0.3, seed)
    speakers = ("anna", "anna", "ben")
    rows = [
        ",".join([f"{name}.wav", label, *([speaker] if "speaker" in header else []), side])
        for name, label, speaker, side in zip(
            "acd", ("high", "low", "low"), speakers, ("train", "train", "valid"), strict=True
        )
    ]
    (tmp_path / "list.csv").write_text("\n".join([header, *rows, row]))
    message = train(data=f"manifest:{tmp_path / 'list.csv'}")
    assert match in message
    if "missing" in match:
        assert "row 5: gone.wav, row 6: also.wav" in message


def test_one_class_cannot_be_trained_on(train: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "sounds" / "dog").mkdir(parents=True)
    for seed in range(8):
        write_tone(tmp_path / "sounds" / "dog" / f"{seed}.wav", "high", 0.3, seed)
    assert "training utterances are 'dog'. Use data with at least two labels." in train(
        data=tmp_path / "sounds"
    )


def test_a_folder_in_use_is_left_alone(
    ossicle: Command, backbone: str, corpus: Path, run: Path, tmp_path: Path
) -> None:
    given = ("train", "--backbone", backbone, "--recipe=lora", "--data", corpus, "--out")
    before = {file: file.read_bytes() for file in run.iterdir() if file.is_file()}
    assert "is not empty; choose another folder, or continue its run with" in message_of(
        ossicle(*given, run)
    )
    assert {file: file.read_bytes() for file in run.iterdir() if file.is_file()} == before
    (tmp_path / "notes.txt").write_text("mine")
    assert message_of(ossicle(*given, tmp_path)).endswith("is not empty; choose another folder")
    assert "is a file" in message_of(ossicle(*given, tmp_path / "notes.txt"))


def test_resume_needs_a_run_and_its_own_settings(
    ossicle: Command, run: Path, tmp_path: Path
) -> None:
    message = message_of(ossicle("train", "--out", tmp_path / "none", "--resume"))
    assert "is not a run folder: it has no config.json; leave --resume out to start one" in message
    assert not (tmp_path / "none").exists()
    done = ossicle("train", "--out", run, "--resume", "--epochs=9", "--seed=3")
    assert "has other values of epochs, seed; resume it with its own settings" in message_of(done)
    done = ossicle("train", "--out", run, "--resume", "--recipe=bitfit")
    assert "has other values of recipe" in message_of(done)
    assert ossicle("train", "--out", run, "--resume", "--epochs=2").status == 0


def test_a_run_needs_a_backbone_a_recipe_and_data(ossicle: Command, tmp_path: Path) -> None:
    done = ossicle("train", "--out", tmp_path / "out", "--recipe=lora")
    assert message_of(done).startswith("--backbone, --data missing: required for a new run")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["train", "--out=x", "--epochs=two"], "two|integer"),
        (["train", "--out=x", "--epohcs=2"], "--epochs"),
        (["trian"], "Did you mean 'train'"),
        (["train"], "--out"),
    ],
)
def test_a_mistyped_command_says_what_was_meant(
    arguments: list[str], match: str, ossicle: Command
) -> None:
    done = ossicle(*arguments)
    assert done.status == 2
    assert done.out == ""
    assert any(word in done.err for word in match.split("|"))
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda folder: (folder / TENSORS).unlink(), "has no adapter.safetensors"),
        (lambda folder: (folder / FACTS).unlink(), "not an adapter folder: it has no recipe.json"),
        (lambda folder: os.truncate(folder / TENSORS, 500), "is damaged"),
        (lambda folder: flip(folder / TENSORS), "does not match its hash"),
        (lambda folder: os.truncate(folder / FACTS, 50), "recipe.json' cannot be read"),
        (lambda folder: shutil.rmtree(folder), "there is no such folder"),
    ],
)
def test_a_damaged_adapter_folder_is_refused(
    damage: Callable[[Path], None],
    match: str,
    ossicle: Command,
    run: Path,
    corpus: Path,
    tmp_path: Path,
) -> None:
    shutil.copytree(run, tmp_path / "run")
    damage(tmp_path / "run")
    file = corpus / "cleo-high-0.wav"
    assert match in message_of(ossicle("predict", tmp_path / "run", file))
    assert match in message_of(ossicle("evaluate", tmp_path / "run", "--data", corpus))
    if "hash" not in match:  # inspect reads no tensors
        assert match in message_of(ossicle("inspect", tmp_path / "run"))


def flip(file: Path) -> None:
    """Change the last bit of a file."""
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_evaluate_says_which_recordings_it_cannot_use(
    ossicle: Command, run: Path, corpus: Path, tmp_path: Path
) -> None:
    done = ossicle("evaluate", run, "--data", corpus, "--side=all")
    assert f"--data '{corpus}' gives those that the run kept" in message_of(done)
    done = ossicle("evaluate", run, "--data", corpus, "--side=tset")
    assert message_of(done) == "--side is 'tset'; expected test, valid or all"
    (tmp_path / "lwo").mkdir()
    write_tone(tmp_path / "lwo" / "1.wav", "low", 0.3, seed=50)
    done = ossicle("evaluate", run, "--data", tmp_path)
    assert "label 'lwo' was not seen in training" in message_of(done)
    assert "Did you mean 'low'?" in done.err


@contextmanager
def full_disk(most_bytes: int) -> Iterator[None]:
    """Let no file grow past a size; the kernel refuses as it does on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_checkpoint_before_it_whole(
    ossicle: Command, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    given = ["--backbone", backbone, "--data", corpus, "--recipe=full", "--epochs=3", "--lr=0.005"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert ossicle("train", *given, "--out", whole).status == 0
    size = (whole / CHECKPOINT).stat().st_size
    assert size > 1.5 * (whole / TENSORS).stat().st_size
    with full_disk(size // 2):
        message = message_of(ossicle("train", *given, "--out", parts), progress=True)
    assert "checkpoint.safetensors' cannot be written: File too large. What was there" in message
    assert not (parts / CHECKPOINT).exists()
    assert not list(parts.glob(".*"))
    assert ossicle("train", "--out", parts, "--resume").status == 0
    assert (parts / TENSORS).read_bytes() == (whole / TENSORS).read_bytes()
    (parts / "metrics.json").unlink()
    before = {file: file.read_bytes() for file in parts.iterdir() if file.is_file()}
    with full_disk(100):
        message = message_of(ossicle("train", "--out", parts, "--resume"))
    assert "cannot be written" in message
    assert {file: file.read_bytes() for file in parts.iterdir() if file.is_file()} == before


def test_a_config_json_that_was_edited_is_refused(
    ossicle: Command, run: Path, tmp_path: Path
) -> None:
    shutil.copytree(run, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    del config[DIGEST]
    for changes, match in (
        ({"epoch": 3}, "Did you mean 'epochs'?"),
        ({"epochs": "three"}, "epochs is 'three'; expected a whole number"),
    ):
        write_sealed(tmp_path / "run" / "config.json", {**config, **changes})
        assert match in message_of(ossicle("train", "--out", tmp_path / "run", "--resume"))


def test_an_unwritable_cache_is_reported_if_it_was_requested(
    train: Callable[..., str],
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "file"))
    text = train(cache="float32").splitlines()[-1]
    assert "cannot be written to: " in text
    assert "Name another folder in OSSICLE_CACHE, or use --cache off" in text
    given = (f"--backbone={backbone}", f"--data={corpus}", "--recipe=lora", "--epochs=2")
    done = ossicle("train", *given, f"--out={tmp_path / 'run'}")  # auto: it goes on without one
    assert done.status == 0
    assert "cache: off; the cache '" in done.out
    monkeypatch.setenv("OSSICLE_CACHE_GB", "lots")
    assert "OSSICLE_CACHE_GB is 'lots'; expected a number of gigabytes above 0" in train(epochs=2)
