"""Train an adapter without a test: what a search looks at are validation metrics alone."""

from pathlib import Path
from typing import Final

from ossicle.progress import Progress
from ossicle.training.folder import METRICS
from ossicle.training.result import read_result
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.runners.train import train_trial, with_metrics
from ossicle.trials.trial import Trial


class Validated:
    """Trains as `train` does, and stops before the test."""

    name = "validated"
    ignores = TRAIN.ignores
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Train, or resume the run in the folder."""
        train_trial(trial, folder, kept, progress, test=False)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a trained run; `metrics` are those of its validation."""
        if not (folder / METRICS).is_file():
            return None
        result = read_result(folder)
        return with_metrics(result, result.valid)


RUNNER: Final[Runner] = Validated()
