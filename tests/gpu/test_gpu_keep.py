"""On a GPU a stage keeps what its parent has learnt, in full and in half precision."""

import math
from pathlib import Path

import pytest

from ossicle.continual import KEEPS
from ossicle.training import TrainConfig, train
from ossicle.training.folder import LOG
from tones import write_corpus

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "target"
    write_corpus(root, takes=3, seconds=0.35)
    return root


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("way", KEEPS)
def test_a_stage_keeps_what_was_learnt(
    backbone: str, corpus: Path, target: Path, tmp_path: Path, device: str, way: str, precision: str
) -> None:
    if precision == "float16" and device == "cpu":
        pytest.skip("the loss is scaled on a GPU only")
    common = {"epochs": 2, "batch_size": 4, "lr": 0.01, "device": device, "track": "none"}
    first = TrainConfig(backbone=backbone, recipe="lora", data=f"audiofolder:{corpus}", **common)
    train(first, tmp_path / "first", test=False)
    stage = TrainConfig(
        parent=str(tmp_path / "first"),
        data=f"audiofolder:{target}",
        keep=way,
        precision=precision,
        **common,
    )
    found = []
    train(stage, tmp_path / "second", test=False, on_epoch=lambda epoch: found.append(epoch))
    assert all(math.isfinite(epoch.train_loss + (epoch.penalty or 0.0)) for epoch in found)
    assert len((tmp_path / "second" / LOG).read_text().splitlines()) == 2
