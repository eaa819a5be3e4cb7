"""The MFCC baseline as a trial: what a sceptic would compute without a pretrained model."""

import shutil
from dataclasses import fields
from pathlib import Path
from typing import Final

from ossicle.progress import Progress
from ossicle.training.baseline import NAME, USED, train_baseline
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, METRICS, check_unlocked
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.trial import Trial


class Mfcc:
    """Chooses a classifier on statistics of MFCC by validation, and tests it once."""

    name = NAME
    ignores = frozenset(one.name for one in fields(TrainConfig)) - set(USED)
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:  # noqa: ARG002 - it has no backbone
        """Compute the baseline, from the beginning."""
        if (folder / CONFIG).is_file() and not (folder / METRICS).is_file():
            check_unlocked(folder)
            shutil.rmtree(folder)
        train_baseline(trial.config, folder, progress=progress)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a tested run."""
        return TRAIN.read(folder)


RUNNER: Final[Runner] = Mfcc()
