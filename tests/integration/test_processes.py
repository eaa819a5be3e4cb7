"""A run in two processes equals one in a single process, with any loss."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from served import WHISPER
from tones import write_corpus


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "tones"
    write_corpus(folder, takes=3)
    lines = (folder / "metadata.csv").read_text().splitlines()
    rows = [f"{line},{0.5 * number % 3}" for number, line in enumerate(lines[1:])]
    (folder / "metadata.csv").write_text("\n".join([f"{lines[0]},valence", *rows]))
    return folder


def command(data: str, out: Path, *more: str) -> list[str]:
    options = ["--backbone=config:tiny-hubert", "--recipe=lora", "--epochs=2", "--batch-size=5"]
    options += ["--lr=0.02", "--track=none", f"--data={data}", f"--out={out}", *more]
    return ["-m", "ossicle", "train", *options]


def launched(*arguments: str) -> subprocess.CompletedProcess[str]:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.run(
        [sys.executable, *torchrun, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "more"),
    [
        pytest.param("", ["--task=classification"], marks=pytest.mark.exhaustive),
        ("?label=valence", ["--task=regression", "--accumulate=2"]),  # its loss sees all rows
        pytest.param(
            "",
            ["--task=seq2seq(language=de)", f"--backbone={WHISPER}"],
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_two_processes_train_to_the_result_of_one(
    data: Path, tmp_path: Path, options: str, more: list[str]
) -> None:
    spec = f"audiofolder:{data}{options}"
    both = launched(*command(spec, tmp_path / "both", *more))
    assert both.returncode == 0, both.stderr
    alone = subprocess.run(
        [sys.executable, *command(spec, tmp_path / "alone", *more)],
        capture_output=True,
        check=False,
    )
    assert alone.returncode == 0
    found = [
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("both", "alone")
    ]
    assert [one["processes"] for one in found] == [2, 1]
    for side in ("valid", "test"):
        for name, value in found[1][side].items():
            if isinstance(value, float):
                assert found[0][side][name] == pytest.approx(value, abs=1e-4), name
    logs = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("both", "alone")]
    for mine, theirs in zip(*logs, strict=True):
        one, other = json.loads(mine), json.loads(theirs)
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)
        if other["valid_loss"] is None:  # texts are scored, not their likelihood
            assert one["valid_loss"] is None
        else:
            assert one["valid_loss"] == pytest.approx(other["valid_loss"], rel=1e-4)


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.exhaustive
def test_two_processes_evaluate_predict_and_fail_as_one(data: Path, tmp_path: Path) -> None:
    spec, run = f"audiofolder:{data}", tmp_path / "run"
    train = subprocess.run(
        [sys.executable, *command(spec, run)], capture_output=True, text=True, check=False
    )
    assert train.returncode == 0, train.stderr
    evaluate = ["-m", "ossicle", "evaluate", str(run), f"--data={spec}", "--json"]
    both = launched(*evaluate)
    assert both.returncode == 0, both.stderr
    alone = subprocess.run([sys.executable, *evaluate], capture_output=True, text=True, check=True)
    found, expected = json.loads(both.stdout), json.loads(alone.stdout)
    assert found["recordings"] == expected["recordings"]
    files = [*sorted(map(str, data.glob("*.wav")))[:3], str(tmp_path / "gone.wav")]
    both = launched("-m", "ossicle", "predict", str(run), *files)
    alone = subprocess.run(
        [sys.executable, "-m", "ossicle", "predict", str(run), *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert alone.returncode == 1
    assert both.stdout == alone.stdout
    assert both.stderr.count("gone.wav does not exist") == 1
    (data / "broken.wav").write_text("no sound")
    rows = (data / "metadata.csv").read_text()
    first = rows.splitlines()[1].split(",")[0]
    (data / "metadata.csv").write_text(rows.replace(first, "broken.wav"))
    failed = launched(*command(spec, tmp_path / "broken"))
    assert failed.returncode != 0
    assert failed.stderr.count("1 of ") == 1
    assert not (tmp_path / "broken").exists()
