"""Outputs of validation and test recordings, kept in a run folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors, serialise_with_digest
from ossicle.data import Utterance, read_data, write_manifest
from ossicle.errors import AdapterFileError
from ossicle.progress import no_progress
from ossicle.training.config import TrainConfig
from ossicle.training.folder import METRICS
from ossicle.training.outputs import OUTPUTS, has_outputs, keep_outputs, read_outputs
from ossicle.training.result import read_result
from ossicle.training.run import train
from ossicle.training.trained import Trained
from ossicle.trials.kept import Kept
from ossicle.trials.runners.outputs import RUNNER
from ossicle.trials.trial import Trial
from tones import SAMPLE_RATE, tone

Settings = Callable[..., TrainConfig]


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a finished run, with its outputs."""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    keep_outputs(folder)
    return folder


def test_kept_outputs_are_those_of_the_adapter(run: Path, corpus: Path) -> None:
    kept = read_outputs(run)
    assert kept is not None
    assert not kept.validates_on_test
    trained = Trained.open(run, device="cpu")
    recordings = {one.key: one for one in read_data(f"audiofolder:{corpus}").utterances}
    for side in (kept.valid, kept.test):
        answers = list(trained.predict(recordings[key] for key in side.keys))
        for output, answer in zip(side.outputs, answers, strict=True):
            expected = torch.tensor(list(answer["probs"].values()))
            torch.testing.assert_close(output.softmax(0), expected, rtol=1e-4, atol=1e-6)
        assert side.labels == tuple(recordings[key].label for key in side.keys)
        assert side.seconds == tuple(
            soundfile.info(recordings[key].path).duration for key in side.keys
        )
    rows = read_result(run).test_metrics["recordings"]
    assert list(kept.test.keys) == [row["key"] for row in rows]
    assert list(kept.test.speakers) == [row["speaker"] for row in rows]
    assert [kept.task.decode(one)["label"] for one in kept.test.outputs] == [
        row["predicted"] for row in rows
    ]


def test_outputs_of_another_adapter_count_as_missing(run: Path) -> None:
    assert has_outputs(run)
    tensors, _ = read_tensors(run / TENSORS)
    changed = {key: value + 1 for key, value in tensors.items()}
    (run / TENSORS).write_bytes(b"".join(serialise_with_digest(changed)))
    assert not has_outputs(run)
    assert read_outputs(run) is None


def test_damaged_outputs_are_an_error(run: Path) -> None:
    content = bytearray((run / OUTPUTS).read_bytes())
    content[-1] ^= 1
    (run / OUTPUTS).write_bytes(content)
    with pytest.raises(AdapterFileError, match=r"outputs.safetensors' is damaged"):
        read_outputs(run)
    (run / OUTPUTS).write_bytes(content[:20])
    with pytest.raises(AdapterFileError, match=r"damaged. Remove it, and repeat the command"):
        has_outputs(run)


def test_a_trial_is_finished_with_its_outputs_and_continues_where_it_was_killed(
    settings: Settings, interrupt: Callable[..., None], tmp_path: Path
) -> None:
    config = settings(epochs=2, track="none")
    trial, folder = Trial(config=config, labels={}, runner="outputs"), tmp_path / "run"
    interrupt(config, folder, epoch=2)  # killed in training
    assert RUNNER.read(folder) is None
    train(config, folder, resume=True)  # killed after the test
    assert RUNNER.read(folder) is None
    before = (folder / METRICS).stat().st_mtime_ns
    RUNNER.run(trial, folder, Kept(), no_progress)
    assert (folder / METRICS).stat().st_mtime_ns == before
    found = RUNNER.read(folder)
    assert found is not None
    assert found.facts["valid"]["accuracy"] == read_result(folder).valid["accuracy"]


def test_outputs_by_frame_keep_the_length_of_each_recording(
    settings: Settings, tmp_path: Path
) -> None:
    made, sides = [], {}
    for number, side in enumerate(("train", "train", "valid", "valid", "test", "test")):
        file = tmp_path / f"{number}.wav"
        wave = np.concatenate([tone(hz, 0.2 + 0.1 * number, seed=number) for hz in (300, 2000)])
        soundfile.write(file, wave, SAMPLE_RATE)
        made.append(Utterance.of(file, tmp_path, "l h" if number % 2 else "h"))
        sides[made[-1].key] = side
    write_manifest(tmp_path / "list.csv", made, sides)
    data = f"manifest:{tmp_path}/list.csv?speaker_independent=no"
    config = settings(data=data, task="asr", recipe="linear", epochs=1, track="none")
    train(config, tmp_path / "run")
    keep_outputs(tmp_path / "run")
    kept = read_outputs(tmp_path / "run")
    assert kept is not None
    model = Trained.open(tmp_path / "run", device="cpu").model
    assert len({len(one) for one in kept.test.outputs}) == 2
    for key, output in zip(kept.test.keys, kept.test.outputs, strict=True):
        wave, _ = soundfile.read(tmp_path / key, dtype="float32")
        (expected,) = model.eval()(*model.backbone.batch([wave])).detach()  # (T, C)
        torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
