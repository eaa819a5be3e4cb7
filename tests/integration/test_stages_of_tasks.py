"""A stage of every task: it trains, is tested on both data, and is used without its parent."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_seq2seq import BACKBONE as WHISPER

from ossicle.data import write_manifest
from ossicle.data.utterance import Utterance
from ossicle.tasks import TASKS, Task
from ossicle.training.config import TrainConfig
from ossicle.training.parent import open_parent
from ossicle.training.run import train
from ossicle.training.trained import Trained
from tones import SAMPLE_RATE, tone

Configure = Callable[..., TrainConfig]
SIDES = ("train", "valid", "test")
SIBLINGS = ("words", "phones", "translation", "answering")  # as asr and seq2seq


def write(root: Path, labels: tuple[str, str], seconds: float) -> str:
    """Write four recordings for each side, and return their data string."""
    made, split = [], {}
    root.mkdir()
    for side in SIDES:
        for number in range(4):
            file = root / f"{side}-{number}.wav"
            seed = number + 100 * SIDES.index(side)
            parts = [tone((300, 2000)[(number + n) % 2], seconds, seed) for n in range(2)]
            soundfile.write(file, np.concatenate(parts), SAMPLE_RATE)
            made.append(Utterance.of(file, root, labels[number % 2]))
            split[made[-1].key] = side
    write_manifest(root / "list.csv", made, split)
    return f"manifest:{root}/list.csv?speaker_independent=no"


@pytest.mark.thorough
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=[pytest.mark.exhaustive] * (name in SIBLINGS), id=name)
        for name, kind in TASKS.items()
    ],
)
def test_every_task_goes_on_from_a_run(
    kind: type[Task], settings: Configure, tmp_path: Path
) -> None:
    first = write(tmp_path / "first", kind.example, 0.3)
    second = write(tmp_path / "second", kind.example, 0.35)
    writes = {"backbone": WHISPER, "task": f"{kind.name}(language=de)"}
    own = writes if kind.needs_decoder else {"task": kind.name}
    train(settings(data=first, epochs=1, **own), tmp_path / "one")
    changes = {"parent": str(tmp_path / "one"), "backbone": "", "data": second, "epochs": 1}
    config = settings(**changes, recipe="bottleneck(width=4)@ffn", freeze="lora")
    result = train(config, tmp_path / "two")
    shutil.rmtree(tmp_path / "one")

    assert result.task == kind.name
    assert result.stage is not None
    primary = kind.primary_metric
    for test in result.stage["tests"]:
        assert test["why"] == ""
        assert test["before"]["count"] == test["after"]["count"] == 4
        assert isinstance(test["after"][primary], float)
    trained = Trained.open(tmp_path / "two", device="cpu")
    found = trained.evaluate(first, batch_size=4)
    if not kind.cohort_size:  # the cohort is of the last stage
        assert found[primary] == result.stage["tests"][0]["after"][primary]
    (answer,) = trained.predict([tmp_path / "second/test-0.wav"])
    assert "error" not in answer
    assert open_parent(tmp_path / "two/parent").task.output_names == trained.task.output_names
