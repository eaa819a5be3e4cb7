"""Importance of layers by probes: how well the output of each predicts the labels, in seconds.

    probe.json    for each layer of the bare backbone the cross-validated accuracy, or R squared

The features are means over time, standardised; the model is a logistic or ridge regression. Only
training recordings are read. Where their speakers are known, no speaker is on both sides of a fold.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ossicle.compute.device import pick_threads, threads
from ossicle.data import Clips
from ossicle.files import write_sealed
from ossicle.inference.representations import represent
from ossicle.progress import Progress
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.tasks import Regression, Task
from ossicle.training.folder import Writer, read_json
from ossicle.training.prepare import prepare
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.trial import Trial

RESULT: Final = "probe.json"
IMPORTANCE: Final = "importance"  # in `Measured.facts`
FOLDS: Final = 3
MOST: Final = 1000  # recordings; of more, that many are drawn


class Probe:
    """Cross-validates a linear model on the output of every layer."""

    name = "probe"
    ignores = TRAIN.ignores
    settings_are_data = False

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Compute it anew; what was interrupted left nothing."""
        config = replace(trial.config, recipe=HEAD_ONLY)
        with Writer(folder) as writer:
            writer.take()
            run = prepare(config, load=kept.load, progress=progress)
            clips = _drawn(run.clips["train"], config.seed)
            with threads(pick_threads(run.model, None)):
                size, precision = config.batch_size, config.precision
                backbone = run.model.backbone
                hidden = represent(backbone, clips, size, precision=precision, progress=progress)
            found = [_score(hidden[:, n], clips, run.task) for n in range(hidden.shape[1])]
            write_sealed(folder / RESULT, {IMPORTANCE: found})

    def read(self, folder: Path) -> Measured | None:
        """Return the result as `Measured.facts`."""
        return Measured(facts=read_json(folder / RESULT)) if (folder / RESULT).is_file() else None


def _drawn(clips: Clips, seed: int) -> Clips:
    """Return at most `MOST` of the recordings, drawn by the seed, in their order."""
    rows = np.random.default_rng(seed).permutation(len(clips.utterances))[:MOST]
    chosen = sorted(rows.tolist())
    utterances = tuple(clips.utterances[row] for row in chosen)
    return Clips(utterances, tuple(clips.sizes[row] for row in chosen), clips.limit)


def _score(features: NDArray[np.float32], clips: Clips, task: Task) -> float:
    """Return the mean over the folds of the accuracy, or R squared, of a linear model."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import cross_val_score

    labels = [one.label for one in clips.utterances]
    targets = task.targets(labels) if isinstance(task, Regression) else np.array(labels)
    with warnings.catch_warnings():  # the order of the layers does not need the last digits
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = cross_val_score(
            _model(task), features, targets, **_folds([one.speaker for one in clips.utterances])
        )
    return float(np.mean(found))


def _model(task: Task) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = Ridge(alpha=100.0) if isinstance(task, Regression) else LogisticRegression(max_iter=200)
    return make_pipeline(StandardScaler(), last)


def _folds(speakers: Sequence[str | None]) -> dict[str, Any]:
    """Return how the recordings are divided, as scikit-learn takes it."""
    from sklearn.model_selection import GroupKFold, KFold

    known = {one for one in speakers if one is not None}
    if None not in speakers and len(known) >= FOLDS:
        return {"cv": GroupKFold(FOLDS), "groups": list(speakers)}
    return {"cv": KFold(FOLDS, shuffle=True, random_state=0)}


RUNNER: Final[Runner] = Probe()
