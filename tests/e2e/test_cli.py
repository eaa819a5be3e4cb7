"""The commands, in new processes where the process matters and in this one where it does not."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ossicle import __version__
from ossicle.adapters.folder import FACTS, TENSORS
from ossicle.checksums import DIGEST
from ossicle.files import write_sealed
from ossicle.recipes.presets import PAPERS, PRESETS
from tones import PITCH_HZ, tone

Command = Callable[..., Any]

PROBE = """
import sys
from ossicle.cli.main import main
try:
    main()
finally:
    heavy = {"torch", "transformers", "scipy", "sklearn"} & set(sys.modules)
    sys.exit(f"imported {heavy}" if heavy else 0)
"""


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["--help"], marks=pytest.mark.thorough),
        pytest.param(["--version"], marks=pytest.mark.thorough),
        ["recipes"],
        pytest.param(["corpora", "fsdd"], marks=pytest.mark.thorough),
        ["inspect"],
    ],
)
def test_a_light_command_imports_no_framework(arguments: list[str], run: Path) -> None:
    given = [*arguments, str(run)] if arguments == ["inspect"] else arguments
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *given], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.slow
@pytest.mark.thorough
def test_a_process_trains_and_another_predicts_from_another_folder(
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ("--recipe=bitfit", "--data=tones", "--out=run", "--epochs=1", "--json")
    shutil.copytree(corpus, tmp_path / "here" / "tones")
    trained = subprocess.run(
        [sys.executable, "-m", "ossicle", "train", "--backbone", backbone, *given],
        cwd=tmp_path / "here",
        capture_output=True,
        text=True,
        check=False,
    )
    assert trained.returncode == 0, trained.stderr
    metrics = json.loads(trained.stdout)
    assert metrics["recipe"] == "bitfit"
    assert (tmp_path / "here" / metrics["out"] / TENSORS).is_file()
    (tmp_path / "there").mkdir()
    shutil.copy(corpus / "cleo-low-1.wav", tmp_path / "there" / "new.wav")
    for name in (TENSORS, FACTS):  # nothing else of the run is needed
        shutil.copy(tmp_path / "here" / "run" / name, tmp_path / "there" / name)
    monkeypatch.chdir(tmp_path / "there")
    done = ossicle("predict", ".", "new.wav")
    file, label, probs = done.out.rstrip("\n").split("\t")
    assert (done.status, done.err, file) == (0, "", "new.wav")
    assert label in ("high", "low")
    assert probs.startswith(label)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_behind_stdout_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "ossicle", "recipes"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "Error: the output cannot be written: No space left on device\n"


def test_the_version_is_the_package_s(ossicle: Command) -> None:
    assert ossicle("--version").out == f"ossicle {__version__}\n"


def test_the_list_of_recipes_fits_on_80_columns_and_names_every_source(ossicle: Command) -> None:
    lines = ossicle("recipes").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[:1].isalpha()][: len(PRESETS)] == [*PRESETS]
    for work in PAPERS:
        assert any(preset.source.startswith(work) for preset in PRESETS.values())
        assert any(line.startswith(f"{work}: https://") for line in lines)
    assert json.loads(ossicle("recipes", "--json").out).keys() == PRESETS.keys()


def test_inspect_shows_what_is_inside(ossicle: Command, run: Path, backbone: str) -> None:
    done = ossicle("inspect", run)
    assert done.status == 0
    # LoRA of rank 8 at q and v of 2 layers of width 64, and a head of 64 x 2 + 2.
    assert f"{4 * 8 * (64 + 64) + 130:,} parameters in 10 tensors" in done.out
    assert "classification: high, low" in done.out
    assert backbone in done.out
    found = json.loads(ossicle("inspect", run, "--json").out)
    assert found["tensors"]["0/1/attn.v/up"] == [64, 8]
    assert found["expression"] == "lora"


def test_json_is_one_object_and_nothing_else_on_stdout(
    ossicle: Command, run: Path, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    settings = ("--backbone", backbone, "--recipe=lora", "--head=meanstd")
    trained = ossicle(
        *("train", *settings, "--data", corpus, "--epochs=1", "--out", tmp_path / "new", "--json")
    )
    commands = {
        "train": trained,
        "evaluate": ossicle("evaluate", run, "--data", corpus, "--batch-size=4", "--json"),
        "params": ossicle("params", *settings, "--classes=2", "--json"),
    }
    found = {}
    for name, done in commands.items():
        assert done.status == 0, done.err
        assert done.out.count("\n") == 1, name
        found[name] = json.loads(done.out)
    *sizes, _, _ = trained.err.splitlines()
    assert sizes == [
        *(
            f"{side}: 6 recordings, 1 speaker (high 3, low 3)"
            for side in ("train", "valid", "test")
        ),
        *(
            f"Warning: {side} has fewer than 5 recordings of 2 of 2 classes (high 3, low 3): "
            "metrics of these classes are unreliable."
            for side in ("valid", "test")
        ),
    ]
    assert re.search(
        r"training 1/1  epoch 1  loss \d\.\d{3}\nvalid 6/6  loss \d\.\d{3}  macro_f1 \d\.\d{3}\n$",
        trained.err,
    )
    assert found["train"]["parameters"] == found["params"]
    assert found["params"]["adapter"] == 4 * 8 * (64 + 64)
    assert found["params"]["head"] == 2 * (2 * 64) + 2

    written = json.loads((run / "metrics.json").read_text())["test"]
    assert found["evaluate"] == {"data": str(corpus), **written}


@pytest.mark.parametrize(
    ("recipe", "counted"),
    [("ast/pf-par", "248,976"), ("ast/dpt-25", "230,400"), ("ast/adapter+dpt-14+lora", "488,592")],
)
def test_params_gives_the_counts_of_cappellazzo_et_al(ossicle, recipe, counted):
    done = ossicle("params", "--backbone", "config:ast-base", "--recipe", recipe)
    assert f"without head and final norm, as in Cappellazzo et al. 2023: {counted}\n" in done.out


def test_params_fits_a_recipe_to_a_budget(ossicle):
    settings = ("params", "--backbone=config:wavlm-base", "--recipe=lora + bottleneck")
    done = ossicle(*settings, "--budget=100k", "--weights=1:2", "--json")
    found = json.loads(done.out)
    # 36 864 for a rank, 9 216 + 18 444 for each unit of width
    assert found["recipe"] == "lora(rank=1) + bottleneck(width=2)"
    assert (found["adapter"], found["budget"]) == (82_968, 100_000)
    assert found["share"] == 0.82968
    assert found["note"].startswith("the nearest is 82,968 parameters, 83.0 %; with one size more")
    text = ossicle(*settings, "--budget=100k", "--weights=1:2").out
    assert f"budget 100,000: {found['note']}\n" in text
    refused = ossicle(*settings, "--weights=1:2")
    assert refused.status == 2
    assert "--weights share a budget; add --budget" in refused.err


def test_metrics_are_shown_with_intervals_and_confusions(
    ossicle: Command, run: Path, corpus: Path
) -> None:
    done = ossicle("evaluate", run, "--data", corpus)
    metrics = json.loads((run / "metrics.json").read_text())["test"]
    low, high = metrics["intervals"]["uar"]
    assert "6 recordings; 95 % bootstrap intervals over 6 recordings" in done.out
    assert "All recordings are by one speaker: the intervals do not cover other" in done.out
    assert (
        f"UAR      {100 * metrics['uar']:6.1f} %   [{100 * low:.1f}, {100 * high:.1f}]" in done.out
    )
    rows = [line.split() for line in done.out.splitlines()]
    for label, row in zip(metrics["labels"], metrics["confusion"], strict=True):
        assert [label, *map(str, row)] in rows


def test_a_matrix_too_wide_for_the_terminal_becomes_a_list(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ossicle.cli.options import print_metrics

    monkeypatch.setenv("COLUMNS", "80")
    labels = [f"sound {number}" for number in range(20)]
    confusion = np.eye(20, dtype=int)
    confusion[3, 7], confusion[5, 2] = 1, 4
    bounds = dict.fromkeys(("macro_f1", "accuracy", "uar"), (0.5, 1.0))
    found = {"labels": labels, "confusion": confusion.tolist(), "count": 25, "intervals": bounds}
    units = {"interval_units": 25, "interval_unit": "recording", "task": "classification"}
    print_metrics({**found, **units, **dict.fromkeys(bounds, 0.75)})
    lines = capsys.readouterr().out.splitlines()
    assert lines[-3:] == [
        "2 pairs of classes confused, the most frequent:",
        "     4  'sound 5' predicted as 'sound 2'",
        "     1  'sound 3' predicted as 'sound 7'",
    ]


def test_every_format_rate_and_number_of_channels_is_read(
    ossicle: Command, run: Path, tmp_path: Path
) -> None:
    written = []
    for kind, rate, channels in (
        ("wav", 8_000, 1),
        ("wav", 44_100, 2),
        ("flac", 48_000, 1),
        ("ogg", 22_050, 2),
        ("mp3", 16_000, 1),
        ("opus", 48_000, 2),
    ):
        wave = tone(PITCH_HZ["high"], 0.5, seed=9, sample_rate=rate)
        file = tmp_path / f"{rate}-{channels}.{kind}"
        opus = {"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {}
        soundfile.write(file, np.stack([wave] * channels, axis=1), rate, **opus)
        written.append(file)
    done = ossicle("predict", run, *written, "--json")
    assert (done.status, done.err) == (0, "")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [one["file"] for one in found] == [str(file) for file in written]
    first = found[1]["probs"]["high"]  # 44.1 kHz: the same sound, so nearly the same answer
    assert [one["probs"]["high"] for one in found[1:]] == pytest.approx([first] * 5, abs=0.05)


def test_a_bad_file_is_reported_and_the_others_are_named(
    ossicle: Command, run: Path, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.wav").write_bytes(b"")
    soundfile.write(tmp_path / "short.wav", tone(500, 0.002, seed=1), 16_000)
    good = [corpus / "cleo-high-0.wav", corpus / "cleo-low-0.wav"]
    files = [good[0], tmp_path / "bad.wav", tmp_path / "gone.wav", tmp_path / "short.wav", good[1]]
    done = ossicle("predict", run, *files)
    assert done.status == 1
    assert [line.split("\t")[0] for line in done.out.splitlines()] == list(map(str, good))
    bad, gone, short, last = done.err.splitlines()
    assert "bad.wav cannot be decoded" in bad
    assert "gone.wav does not exist" in gone
    assert "short.wav is 2 ms long, but the backbone needs" in short
    assert last == "3 of 5 files could not be read."
    done = ossicle("predict", run, *files, "--json")
    found = [json.loads(line) for line in done.out.splitlines()]
    assert [("label" in one, "error" in one) for one in found] == [
        *((True, False), (False, True), (False, True), (False, True), (True, False))
    ]


def test_an_adapter_goes_onto_the_backbone_that_is_given(
    ossicle: Command, run: Path, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(backbone, tmp_path / "moved")
    facts = json.loads((run / FACTS).read_text())
    del facts[DIGEST]
    facts["backbone"]["name"] = str(tmp_path / "gone")
    write_sealed(tmp_path / FACTS, facts)
    shutil.copy(run / TENSORS, tmp_path / TENSORS)
    file = corpus / "cleo-high-0.wav"
    missing = ossicle("predict", tmp_path, file)
    assert missing.status == 2
    assert missing.err == f"Error: there is no folder '{tmp_path / 'gone'}'\n"
    given = ossicle("predict", tmp_path, file, "--backbone", tmp_path / "moved")
    assert given.out == ossicle("predict", run, file).out


def test_published_settings_are_taken_and_written_options_go_before(
    ossicle: Command, backbone: str, corpus: Path, tmp_path: Path
) -> None:
    given = (f"--backbone={backbone}", "--recipe=linear", f"--data=audiofolder:{corpus}")
    done = ossicle(
        *("train", *given, f"--out={tmp_path / 'run'}", "--settings=sure/emotion"),
        *("--epochs=1", "--track=none"),
    )
    assert done.status == 0, done.err
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert (config["epochs"], config["track"]) == (1, "none")  # written
    assert (config["lr"], config["accumulate"], config["patience"]) == (2e-3, 4, 5)  # published
    assert (config["head"], config["max_seconds"]) == ("superb", 10.0)  # and neither
    assert ossicle("settings", "--json").status == 0


def test_words_are_derived_and_recognised(ossicle: Command, backbone: str, tmp_path: Path) -> None:
    done = ossicle("derive", "words", "--data=demo", f"--out={tmp_path / 'words'}", "--count=10")
    assert done.status == 0, done.err
    data = f"--data={tmp_path / 'words'}/manifest.csv?label=transcript"
    run = f"--out={tmp_path / 'run'}"
    options = ("--recipe=linear", "--epochs=1", "--max-seconds=30", "--track=none")
    done = ossicle("train", f"--backbone={backbone}", data, run, *options)
    assert done.status == 0, done.err
    assert "best epoch 1 of 1 by validation loss" in done.out  # too short to learn words
    assert re.search(r"  WER +\d+\.\d % ", done.out)
    done = ossicle("derive", "trials", "--data=demo", f"--out={tmp_path / 'trials.txt'}")
    assert "trials" in done.out
    assert len((tmp_path / "trials.txt").read_text().splitlines()) == 2000
    assert ossicle("derive", "nonsense", "--data=demo", "--out=x").status == 2
    assert ossicle("derive", "words", "--data=demo", "--out=x", "--words=7-3").status == 2


def test_a_run_reports_its_cache_and_the_next_reads_it(
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    assert "cache: 0.000 of at most 50 GB" in ossicle("cache", "info").out
    given = (f"--backbone={backbone}", f"--data={corpus}", "--epochs=2", "--batch-size=4")
    first = ossicle("train", *given, "--recipe=lora", f"--out={tmp_path / 'first'}")
    # 6 recordings a side: training and validation computed and read once, the test computed
    line = "cache: input of layer 0, in float32; 18 computed, 12 read"
    assert first.out.splitlines()[-2] == line
    again = ossicle("train", *given, "--recipe=bottleneck", f"--out={tmp_path / 'again'}")
    assert "in float32; 0 computed, 30 read" in again.out
    off = ossicle("train", *given, "--recipe=lora", "--cache=off", f"--out={tmp_path / 'off'}")
    assert "cache: off; --cache off" in off.out
    for name in ("adapter.safetensors", "log.jsonl"):
        assert (tmp_path / "off" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()

    output = ossicle("cache", "info").out
    assert "18 entries" in output
    assert f"{backbone}, input of layer 0, float32" in output
    kept = json.loads(ossicle("cache", "info", "--json").out)
    assert [store["entries"] for store in kept["stores"]] == [18]
    assert kept["bytes"] == sum(f.stat().st_size for f in tmp_path.rglob("cache/*/*/*.safetensors"))
    assert "GB freed" in ossicle("cache", "clear").out
    assert json.loads(ossicle("cache", "info", "--json").out)["stores"] == []


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.exhaustive
def test_processes_that_share_a_cache_end_in_the_same_bits(
    backbone: str, corpus: Path, tmp_path: Path
) -> None:
    """Two runs that start together have the same entries, as does one that keeps nothing."""
    options = ("--recipe=lora", f"--data={corpus}", "--epochs=3", "--batch-size=4", "--lr=0.01")
    environment = {**os.environ, "OSSICLE_CACHE": str(tmp_path / "cache")}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "ossicle", "train", f"--backbone={backbone}", *options,
             f"--cache={cache}", f"--out={tmp_path / name}"],
            env=environment,
            stdout=subprocess.DEVNULL,
        )
        for name, cache in (("one", "auto"), ("two", "auto"), ("none", "off"))
    ]  # fmt: skip
    assert [process.wait() for process in started] == [0, 0, 0]
    found = {
        name: (tmp_path / name / "adapter.safetensors").read_bytes()
        for name in ("one", "two", "none")
    }
    assert len(set(found.values())) == 1
    assert len(list((tmp_path / "cache").rglob("*.safetensors"))) == 18
    assert not list((tmp_path / "cache").rglob("*.part"))


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.exhaustive
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_run_is_the_run_and_says_how_long_it_took(
    backbone: str, corpus: Path, tmp_path: Path
) -> None:
    given = ("--recipe=lora", f"--data={corpus}", "--epochs=1", "--batch-size=3", "--lr=0.01")
    epochs = {}
    for name, options in (("plain", ()), ("compiled", ("--compile",))):
        done = subprocess.run(
            [sys.executable, "-m", "ossicle", "train", f"--backbone={backbone}", *given, *options,
             f"--out={tmp_path / name}"],
            capture_output=True,
            text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        epochs[name] = json.loads((tmp_path / name / "log.jsonl").read_text())
    assert re.search(r"compiled: the first step took [\d.]+ s, the others [\d.]+ s", done.stdout)
    for loss in ("train_loss", "valid_loss"):
        assert epochs["compiled"][loss] == pytest.approx(epochs["plain"][loss], rel=1e-4)
