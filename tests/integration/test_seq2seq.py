"""A text decoder is trained on a few recordings: what it learns, keeps and is compared with."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from ossicle.errors import RunError, SplitError
from ossicle.training.config import TrainConfig
from ossicle.training.outputs import keep_outputs, read_outputs
from ossicle.training.result import RunResult, read_result
from ossicle.training.run import train
from ossicle.training.trained import Trained

BACKBONE = (
    "config:whisper-tiny?d_model=16&encoder_layers=1&encoder_attention_heads=2&encoder_ffn_dim=16&"
    "decoder_layers=1&decoder_attention_heads=2&decoder_ffn_dim=16&vocab_size=1790&"
    "max_target_positions=16&pad_token_id=0&length=1"
)


def write(folder: Path, seed: int, text: str = "no") -> Path:
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows = ["path,text,split"]
    for number, side in enumerate(("train",) * 4 + ("valid", "valid", "test", "test")):
        soundfile.write(folder / f"{number}.wav", rng.normal(0, 0.1, 3200), 16_000)
        rows.append(f"{number}.wav,{text},{side}")
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    return folder / "t.csv"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    root = tmp_path_factory.mktemp("texts")
    return TrainConfig(
        backbone=BACKBONE,
        recipe="full@decoder,dec.embed",
        data=str(write(root / "own", 0)),
        task="seq2seq(language=de)",
        also=str(write(root / "other", 1, "na")),
        also_task="seq2seq(language=fr)",
        epochs=25,
        batch_size=4,
        lr=3e-2,
        schedule="constant",
        track="none",
    )


@pytest.fixture(scope="module")
def run(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
    folder = tmp_path_factory.mktemp("run") / "run"
    return folder, train(config, folder)


def test_a_text_is_learnt_with_its_end(run: tuple[Path, RunResult]) -> None:
    assert run[1].test_metrics["wer"] == 0.0
    assert [one["predicted"] for one in run[1].test_metrics["recordings"]] == ["no", "no"]


def test_the_model_before_training_is_in_the_result_though_its_own_weights_change(
    run: tuple[Path, RunResult], config: TrainConfig, tmp_path: Path
) -> None:
    folder, result = run
    assert result.bare is not None
    assert result.bare["test"]["wer"] >= 1.0
    # A run that does not move its weights is the model before training.
    still = train(replace(config, lr=1e-30, epochs=1, also=None, also_task=None), tmp_path / "s")
    for side, own in (("valid", still.valid), ("test", still.test_metrics)):
        shown = {key: own[key] for key in ("wer", "cer")}
        assert {key: result.bare[side][key] for key in shown} == shown
    assert read_result(folder) == result


def test_another_corpus_is_tested_before_and_after_and_chooses_nothing(
    run: tuple[Path, RunResult],
) -> None:
    found = run[1].also
    assert found is not None
    assert found["before"]["wer"] >= 1.0
    assert found["after"]["cer"] <= 0.5 + 1e-9  # "no" for "na", in another language
    assert found["after"]["count"] == 2


def test_another_corpus_shares_no_recording_with_an_earlier_stage(
    config: TrainConfig, run: tuple[Path, RunResult], tmp_path: Path
) -> None:
    stage = replace(
        config,
        parent=str(run[0]),
        backbone="",
        recipe="",
        data=str(write(tmp_path / "later", 2)),
        also=f"{config.data}?split=no",
        also_task=None,
    )
    with pytest.raises(SplitError, match=r"6 of the 8 test recordings of --also .* earlier stage"):
        train(stage, tmp_path / "two")


def test_another_corpus_shares_no_recording_and_no_other_task(
    config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match="--also-task is 'asr', and the task of the run is seq2seq"):
        train(replace(config, also_task="asr"), tmp_path / "a")
    own = replace(config, also=f"{config.data}?split=no")
    with pytest.raises(SplitError, match=r"6 of the 8 test recordings of --also .* are among"):
        train(own, tmp_path / "b")
    with pytest.raises(RunError, match="--also-task is for the corpus of --also"):
        replace(config, also=None)
    assert not (tmp_path / "a").exists()


def test_a_run_goes_on_after_its_first_evaluation_and_computes_it_once(
    config: TrainConfig, tmp_path: Path
) -> None:
    config = replace(config, epochs=2, also=None, also_task=None)
    folder = tmp_path / "run"
    first = train(config, folder, on_epoch=lambda _: True, test=False)
    assert first.bare is not None
    assert first.bare["test"] is None
    again = train(config, folder, resume=True)
    assert again.bare is not None
    assert again.bare["valid"] == first.bare["valid"]
    assert again.bare["test"]["count"] == 2
    assert json.loads((folder / "before.json").read_text())["bare"] == again.bare


def test_kept_outputs_are_texts_with_their_tokenizer(run: tuple[Path, RunResult]) -> None:
    folder, _ = run
    keep_outputs(folder)
    kept = read_outputs(folder)
    assert kept is not None
    assert [kept.task.decode(one)["label"] for one in kept.test.outputs] == ["no", "no"]
    assert kept.task.combine_members([*kept.test.outputs]).shape[1] == 4


def test_a_trained_run_predicts_and_takes_a_prompt(run: tuple[Path, RunResult]) -> None:
    trained = Trained.open(run[0])
    wave = Path(read_result(run[0]).data).parent / "7.wav"
    (found,) = trained.predict([wave])
    assert found["label"] == "no"
    (asked,) = trained.predict([wave], prompt="x")
    assert isinstance(asked["label"], str)
    with pytest.raises(RunError, match="the prompt has 20 tokens, and the decoder takes 7"):
        trained.predict([wave], prompt="x" * 19)
    assert torch.is_grad_enabled()


def test_the_bare_model_has_no_adapters_of_any_kind(
    run: tuple[Path, RunResult], config: TrainConfig, tmp_path: Path
) -> None:
    prompts = replace(
        config, recipe="prompt(length=4)@decoder", epochs=1, also=None, also_task=None
    )
    found = train(prompts, tmp_path / "p").bare
    assert found is not None
    assert run[1].bare is not None
    for side in ("valid", "test"):
        assert {key: found[side][key] for key in ("wer", "cer")} == {
            key: run[1].bare[side][key] for key in ("wer", "cer")
        }


def test_ways_that_compare_frames_need_something_that_changes_them(
    run: tuple[Path, RunResult], config: TrainConfig, tmp_path: Path
) -> None:
    other = write(tmp_path / "more", 2)
    stage = replace(
        config, recipe="", parent=str(run[0]), data=str(other), also=None, also_task=None
    )
    with pytest.raises(RunError, match="only the head or the decoder trains here"):
        train(replace(stage, keep="dann"), tmp_path / "d")


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("recipe", "layers"),
    [("lora@dec.attn.q,dec.cross.v", 1), ("lora@dec.attn.q + lora@attn.q[1:]", 2)],
    ids=["the encoder's output", "the lower layers of the encoder"],
)
def test_training_on_what_is_cached_of_the_encoder_has_the_same_bits(
    config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, layers: int
) -> None:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    plain = replace(
        config,
        backbone=BACKBONE.replace("encoder_layers=1", f"encoder_layers={layers}"),
        recipe=recipe,
        epochs=2,
        also=None,
        also_task=None,
    )
    results = {
        cache: train(replace(plain, cache=cache), tmp_path / cache)
        for cache in ("off", "float32", "float16")
    }
    weights = {cache: load_file(tmp_path / cache / "adapter.safetensors") for cache in results}
    for name, tensor in weights["off"].items():
        assert torch.equal(weights["float32"][name], tensor), name
        torch.testing.assert_close(weights["float16"][name], tensor, rtol=0.02, atol=2e-3)
    counts = {cache: result.cache for cache, result in results.items()}
    # Recordings are heard 18 times: 2 and 2 before training, 4 and 2 in each epoch, 2 to test.
    assert (counts["off"]["computed"], counts["off"]["read"]) == (18, 0)
    for cache in ("float32", "float16"):
        assert (counts[cache]["computed"], counts[cache]["read"]) == (8, 10)


@pytest.mark.thorough
def test_a_text_is_learnt_in_half_precision(config: TrainConfig, tmp_path: Path) -> None:
    half = replace(config, also=None, also_task=None, precision="bfloat16")
    assert train(half, tmp_path / "run").test_metrics["wer"] == 0.0


@pytest.mark.exhaustive
@pytest.mark.thorough
def test_a_text_is_learnt_by_compiled_layers(config: TrainConfig, tmp_path: Path) -> None:
    options = {
        "backbone": config.backbone,
        "recipe": config.recipe,
        "data": config.data,
        "task": config.task,
        "epochs": config.epochs,
        "batch-size": config.batch_size,
        "lr": config.lr,
        "schedule": config.schedule,
        "track": "none",
        "out": tmp_path / "run",
    }
    said = [f"--{name}={value}" for name, value in options.items()]
    # In a process of its own: the tests' checks of shapes cannot be compiled.
    command = [sys.executable, "-m", "ossicle", "train", "--compile", *said]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert read_result(tmp_path / "run").test_metrics["wer"] == 0.0
