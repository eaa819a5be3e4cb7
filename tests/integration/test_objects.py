"""Runs whose recordings are Python objects: training, resuming, evaluating and predicting."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle import Trained, train
from ossicle.data.held import _HELD
from ossicle.errors import DataError, RunError, SplitError
from ossicle.training import TrainConfig

pytestmark = pytest.mark.thorough


def test_a_run_on_arrays_is_that_on_files_and_needs_them_again(
    backbone: str, corpus: Path, tmp_path: Path
):
    rows = []
    for file in sorted(corpus.rglob("*.wav")):
        wave, rate = soundfile.read(file, dtype="int16")
        rows.append(
            {"audio": wave, "sampling_rate": rate, "label": file.name[0], "path": str(file)}
        )
    half = {side: rows[start::3] for start, side in enumerate(("train", "valid", "test"))}
    arrays = {
        side: [{name: row[name] for name in ("audio", "sampling_rate", "label")} for row in part]
        for side, part in half.items()
    }
    files = {
        side: [{"audio": row["path"], "label": row["label"]} for row in part]
        for side, part in half.items()
    }
    config = {"backbone": backbone, "recipe": "lora", "epochs": 2, "device": "cpu"}
    train(TrainConfig(data=arrays, **config), tmp_path / "arrays", test=False)
    same = train(TrainConfig(data=files, **config), tmp_path / "files")
    weights = [(tmp_path / run / "adapter.safetensors").read_bytes() for run in ("arrays", "files")]
    assert weights[0] == weights[1]
    tested = train(TrainConfig(data=arrays, **config), tmp_path / "arrays", resume=True)
    assert tested.test["recordings"] == same.test["recordings"]
    assert tested.data.startswith("memory:")

    trained = Trained.open(tmp_path / "arrays", device="cpu")
    assert trained.evaluate(arrays)["recordings"] == same.test["recordings"]
    with pytest.raises(SplitError, match="trained this adapter or chose its best epoch"):
        trained.evaluate(arrays["train"])
    bare = [
        {"array": row["audio"], "sampling_rate": row["sampling_rate"]} for row in arrays["test"]
    ]
    found = list(trained.predict(bare))
    expected = list(trained.predict([row["path"] for row in half["test"]]))
    assert [one["probs"] for one in found] == [one["probs"] for one in expected]
    assert found[1]["file"].endswith("/1")

    arrays["train"][0]["audio"] = np.roll(arrays["train"][0]["audio"], 1)
    with pytest.raises(RunError, match="data"):
        train(TrainConfig(data=arrays, **config), tmp_path / "arrays", resume=True)
    _HELD.clear()  # as in another process
    with pytest.raises(DataError, match="this process does not have it"):
        trained.evaluate(tested.data)
