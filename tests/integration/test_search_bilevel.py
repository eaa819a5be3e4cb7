"""A differentiable search as a trial: its answer is trained from scratch, and continued."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ossicle.progress import no_progress
from ossicle.training.config import TrainConfig
from ossicle.training.folder import read_config
from ossicle.trials.kept import Kept
from ossicle.trials.runners.search import RUNNER
from ossicle.trials.trial import Trial
from tones import write_corpus


@pytest.mark.thorough
def test_the_answer_of_darts_is_trained_from_scratch_and_continued(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    write_corpus(tmp_path / "tones", takes=4)
    config = settings(data=f"audiofolder:{tmp_path / 'tones'}", recipe="", epochs=1, track="none")
    chosen = {"strategy": "darts(order=first)", "budget": 1200}
    chosen |= {"candidates": "skip,lora,bottleneck", "trials": 2}
    trial = Trial(config=config, labels={}, runner="search", settings=chosen)
    RUNNER.run(trial, tmp_path / "search", Kept(), no_progress)
    found = RUNNER.read(tmp_path / "search")
    assert found is not None
    facts = found.facts
    assert not facts["is_control"]
    assert facts["cost_epochs"] == 2
    assert set(facts["choice"].values()) <= {"skip", "lora", "bottleneck"}
    assert facts["test"] == found.metrics[facts["metric"]]
    stage = read_config(tmp_path / "search" / "trials" / facts["continued"]["trial"])
    assert stage.prune == "argmax"
    assert stage.epochs == 1
    assert facts["continued"]["metrics"].keys() == found.metrics.keys()
