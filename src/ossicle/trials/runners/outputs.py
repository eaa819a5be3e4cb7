"""Train an adapter, test it, and keep its outputs, from which ensembles are computed."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from ossicle.progress import Progress
from ossicle.training.outputs import has_outputs, keep_outputs
from ossicle.training.result import read_result
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.trial import Trial

VALID: Final = "valid"  # in `Measured.facts`


class KeepOutputs:
    """Trains as `train` does, then keeps the outputs of the validation and test recordings."""

    name = "outputs"
    ignores = TRAIN.ignores
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Train, or resume the run in the folder; compute the outputs of a finished one."""
        TRAIN.run(trial, folder, kept, progress)
        keep_outputs(folder, load=kept.load, progress=progress)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a tested run with outputs; `facts` has its validation metrics."""
        found = TRAIN.read(folder)
        if found is None or not has_outputs(folder):
            return None
        valid = read_result(folder).valid
        return replace(found, facts={VALID: {key: valid[key] for key in found.metrics}})


RUNNER: Final[Runner] = KeepOutputs()
