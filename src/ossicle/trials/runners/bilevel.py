"""Train the weights and the gates of a mixture in turn; nothing is tested."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ossicle.progress import Progress
from ossicle.search.bilevel.run import SEARCH, train_in_turn
from ossicle.training.folder import CONFIG, METRICS, check_unlocked, read_config, read_json
from ossicle.training.result import read_result
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.runners.train import with_metrics
from ossicle.trials.trial import Trial

STRATEGY: Final = "strategy"  # setting of the trial, such as `darts(order=second)`
FACTS: Final = ("choice", "candidates", "gates", "steps", "passes")


class Bilevel:
    """Trains a mixture; the result has validation metrics, and the choice in `facts`.

    Facts: `choice`, the name of the candidate by layer; `candidates`, all names; `gates`, for each
    epoch and layer the gates in the order of these names; `steps`, those of the
    optimiser, for gates and weights; `passes`, the gradients of a batch that were computed.
    """

    name = "bilevel"
    ignores = TRAIN.ignores
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Train, or resume the run in the folder."""
        config, resume = trial.config, (folder / CONFIG).is_file()
        if resume:
            saved = read_config(folder)  # of the same name, so that what differs does not matter
            config = replace(config, recipe=saved.recipe, track=saved.track)
            if config != saved:  # data or backbone have been moved, and their old path is in it
                check_unlocked(folder)
                shutil.rmtree(folder)
                resume = False
        strategy = str(trial.settings[STRATEGY])
        train_in_turn(config, strategy, folder, resume=resume, load=kept.load, progress=progress)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a finished run."""
        if not (folder / METRICS).is_file():
            return None
        result, found = read_result(folder), read_json(folder / SEARCH)
        facts: dict[str, Any] = {name: found[name] for name in FACTS}
        return replace(with_metrics(result, result.valid), facts=facts)


RUNNER: Final[Runner] = Bilevel()
