"""The files of a run: stored settings apply, and damage is noticed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.adapters.saving import read_tensors
from ossicle.errors import AdapterFileError, OssicleError, RunError
from ossicle.files import write_sealed
from ossicle.inference.cohort import read_cohort, write_cohort
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, METRICS, SPLIT, read_config, read_json
from ossicle.training.run import train
from ossicle.training.trained import Trained

Configure = Callable[..., TrainConfig]


@pytest.fixture
def copy(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def test_evaluate_gives_the_loss_of_the_run_with_its_weights_and_smoothing(
    settings: Configure, corpus: Path, tmp_path: Path
) -> None:
    shutil.copytree(corpus, tmp_path / "tones")
    table = tmp_path / "tones" / "metadata.csv"
    rows = [row for row in table.read_text().splitlines() if "anna-low-0" not in row]
    table.write_text("\n".join(rows) + "\n")
    (tmp_path / "tones" / "anna-low-0.wav").unlink()
    data = f"audiofolder:{tmp_path / 'tones'}"
    task = "classification(label_smoothing=0.2,class_weights=balanced)"
    metrics = train(settings(data=data, task=task, epochs=1), tmp_path / "run")
    trained = Trained.open(tmp_path / "run", device="cpu")
    found = trained.evaluate(data, batch_size=4)
    assert found["loss"] == metrics.test["loss"]
    # By hand: five recordings to train on, two labels, three high and two low.
    weights = {"high": 5 / 2 / 3, "low": 5 / 2 / 2}
    losses = []
    for one in found["recordings"]:
        (said,) = trained.predict([tmp_path / "tones" / one["key"]])
        target = {label: 0.9 if label == one["label"] else 0.1 for label in said["probs"]}
        log_odds = [target[label] * np.log(prob) for label, prob in said["probs"].items()]
        losses.append(-weights[one["label"]] * sum(log_odds))
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_a_run_without_a_whole_split_json_is_not_evaluated(copy: Path, corpus: Path) -> None:
    trained, data = Trained.open(copy, device="cpu"), f"audiofolder:{corpus}"
    file = copy / SPLIT
    split = read_json(file)
    for content in ("{}", json.dumps(split), "[]", "{", "[" * 10_000, '{"train": ' + "9" * 5000):
        file.write_text(content)
        with pytest.raises(RunError, match=r"split\.json' cannot be used: .*Copy it again from"):
            trained.evaluate(data)
    for changes in ({"train": None}, {"valid": ["a"]}):
        write_sealed(file, {**split, **changes})
        with pytest.raises(AdapterFileError, match="does not say which recordings were trained on"):
            trained.evaluate(data)
    file.unlink()
    with pytest.raises(AdapterFileError, match=r"is a run without its split\.json.*copy it again"):
        trained.evaluate(data)
    for name in (CONFIG, METRICS, CHECKPOINT):  # an adapter alone, as the message says
        (copy / name).unlink()
    assert trained.evaluate(data)["count"] == 6


@pytest.mark.parametrize("name", [CONFIG, SPLIT, METRICS, FACTS, TENSORS, CHECKPOINT])
def test_every_flipped_bit_is_noticed_or_changes_nothing(name: str, copy: Path) -> None:
    file = copy / name
    content, before = file.read_bytes(), as_read(file)
    chance = np.random.default_rng(0)
    # The first bytes, the rest of the header, and all of the file.
    places = [*range(8), *chance.integers(0, min(2000, len(content)), 100).tolist()]
    places += chance.integers(0, len(content), 50).tolist()
    unnoticed = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << int(chance.integers(8))
        file.write_bytes(damaged)
        try:
            assert as_read(file) == before, f"byte {place} of {name}"
        except OssicleError:
            continue
        unnoticed += 1  # a space between two entries, now another kind of space
    assert unnoticed < len(places) / 8


def as_read(file: Path) -> str:
    """Return the content of a file of a run."""
    if file.name == FACTS:
        return repr(read_folder(file.parent).facts)
    if file.name == CONFIG:
        return repr(read_config(file.parent))
    if file.suffix == ".json":
        return repr(read_json(file))
    tensors, metadata = read_tensors(file)
    bits = {key: (str(one.dtype), one.numpy().tobytes()) for key, one in tensors.items()}
    return repr((sorted(bits.items()), sorted(metadata.items())))


def test_another_digit_in_the_history_of_a_checkpoint_stops_a_resumed_run(
    settings: Configure, interrupt: Callable[..., None], tmp_path: Path
) -> None:
    interrupt(settings(), tmp_path / "run", epoch=2)
    file = tmp_path / "run" / CHECKPOINT
    content = bytearray(file.read_bytes())
    place = content.index(b".", content.index(b"train_loss")) + 1
    content[place] ^= 1
    file.write_bytes(content)
    with pytest.raises(AdapterFileError, match=r"checkpoint\.safetensors' is damaged .its content"):
        train(settings(), tmp_path / "run", resume=True)


def test_a_cohort_is_whole_finite_and_has_a_row_for_each_recording(tmp_path: Path) -> None:
    write_cohort(tmp_path, np.ones((3, 4)))
    file = tmp_path / "cohort.safetensors"
    content = file.read_bytes()
    for place in (3, 20, 60, len(content) - 1):
        file.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])
        with pytest.raises(AdapterFileError, match="is damaged"):
            read_cohort(tmp_path)
    write_cohort(tmp_path, np.array([[1.0, np.nan]]))
    with pytest.raises(AdapterFileError, match="NaN or infinite, in embeddings"):
        read_cohort(tmp_path)
    write_cohort(tmp_path, np.ones(3))
    with pytest.raises(AdapterFileError, match="contains no embeddings"):
        read_cohort(tmp_path)
