"""A run on a fold of recordings that have no folds of their own."""

from collections.abc import Callable
from pathlib import Path

from ossicle.training.config import TrainConfig
from ossicle.training.run import train
from ossicle.training.trained import Trained


def test_a_fold_is_tested_and_evaluated_on_the_same_recordings(
    settings: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    config = settings(fold="2/3", epochs=1)
    result = train(config, tmp_path / "run")
    assert result.split.startswith("Fold 2 of 3 is test and fold 3 is validation")
    again = Trained.open(tmp_path / "run", device="cpu").evaluate(config.data)
    assert again["recordings"] == result.test_metrics["recordings"]
    assert len(again["recordings"]) == 6  # of 18
