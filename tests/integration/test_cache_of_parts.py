"""Parts of one recording have entries of their own in the cache."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.training.config import TrainConfig
from ossicle.training.folder import LOG
from ossicle.training.run import train
from tones import PITCH_HZ, SAMPLE_RATE, tone


def test_equally_long_parts_of_a_recording_train_from_a_cache_as_without_one(
    settings: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))
    header = ("path", "label", "split", "start_s", "duration_s")
    rows: list[tuple[object, ...]] = []
    for number, side in enumerate(("train", "valid", "test")):
        waves = [tone(hz, 0.2, seed=10 * number + n) for n, hz in enumerate(PITCH_HZ.values())]
        soundfile.write(tmp_path / f"{side}.wav", np.concatenate(waves), SAMPLE_RATE)
        rows += [(f"{side}.wav", label, side, 0.2 * n, 0.2) for n, label in enumerate(PITCH_HZ)]
    with (tmp_path / "parts.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    for cache in ("off", "float32"):
        config = settings(data=str(tmp_path / "parts.csv"), cache=cache, recipe="linear")
        metrics = train(config, tmp_path / cache)
    assert metrics.cache["kept"] == "float32"
    off, kept = (
        [json.loads(line) for line in (tmp_path / cache / LOG).read_text().splitlines()]
        for cache in ("off", "float32")
    )
    assert kept == off
