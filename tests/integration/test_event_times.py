"""Events are checked against the lengths of their recordings, in training and evaluation."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.errors import LabelError
from ossicle.training.config import TrainConfig
from ossicle.training.prepare import prepare
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import SAMPLE_RATE, tone

SIDES = ("train", "valid", "test")


def write(root: Path, name: str, events: str, part: str = "") -> str:
    """Write a table of recordings of 0.8 s, one per split, all with the same events."""
    rows = ["path,split,events,start,end"]
    for number, side in enumerate(SIDES):
        wave = np.concatenate([tone(300, 0.4, seed=number), tone(2000, 0.4, seed=number)])
        soundfile.write(root / f"{side}.wav", wave, SAMPLE_RATE)
        rows.append(f"{side}.wav,{side},{events},{part or ','}")
    (root / name).write_text("\n".join(rows))
    return str(root / name)


@pytest.mark.parametrize(
    ("events", "part", "message"),
    [
        ("0-400:low|400-800:high", "", r"3 of 3 .* train.wav .*0\.8 s long.*seem to be millisec"),
        ("0.4-0.6:low|0.6-0.8:high", "0.4,0.8", r"seem to count from the beginning of the file"),
        ("0-0.4:low|0.4-0.82:high", "", r"(?s)\A(?!.*milli).*events beyond their end.*Correct"),
    ],
)
def test_events_beyond_the_end_stop_a_run(
    settings: Callable[..., TrainConfig], tmp_path: Path, events: str, part: str, message: str
) -> None:
    data = write(tmp_path, "list.csv", events, part)
    with pytest.raises(LabelError, match=message):
        prepare(settings(backbone="tiny-hubert", data=data, recipe="lora"))


def test_rounded_times_are_let_in_and_evaluation_checks_too(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    data = write(tmp_path, "list.csv", "0-0.4:low|0.4-0.805:high")
    config = settings(backbone="tiny-hubert", data=data, recipe="lora", epochs=1)
    train(config, tmp_path / "run")
    other = tmp_path / "other"
    other.mkdir()
    wrong = write(other, "list.csv", "0-400:low|400-800:high")
    with pytest.raises(LabelError, match="seem to be milliseconds: divide them by 1000"):
        Trained.open(tmp_path / "run", device="cpu").evaluate(wrong, side="test")
