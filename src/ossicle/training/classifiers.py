"""Classifiers and regressors of scikit-learn for a small number of features, to choose from.

Features are standardised by the training recordings. Each candidate is fitted to these alone.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ossicle.errors import RunError
from ossicle.tasks import Classification, Regression, Task

TASKS = (Classification, Regression)


@dataclass(frozen=True)
class Candidate:
    """A classifier or regressor with its settings.

    Attributes:
        label: Its name and settings, as in `svm(C=10)`.
        model: It, not yet fitted.
    """

    label: str
    model: Any

    def fit(self, features: Float[np.ndarray, "N F"], targets: np.ndarray) -> None:
        """Fit it to the training recordings."""
        from sklearn.exceptions import ConvergenceWarning

        with warnings.catch_warnings():  # validation decides whether the fit is any good
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(features, targets)


def check_suits(task: type[Task]) -> None:
    """Raise RunError unless there are candidates for a task."""
    if not issubclass(task, TASKS):
        names = " and ".join(one.name for one in TASKS)
        raise RunError(
            f"the baseline mfcc suits the tasks {names}, not {task.name}. Leave it out, or choose "
            "one of these with --task"
        )


def candidates(task: Task, seed: int) -> Iterator[Candidate]:
    """Yield the candidates for a task, the simplest first.

    Args:
        task: A classification, whose class weights are used, or a regression.
        seed: Seed of random forests.
    """
    if isinstance(task, Classification):
        yield from _classifiers(task, seed)
    elif isinstance(task, Regression):
        yield from _regressors(seed)


def _classifiers(task: Classification, seed: int) -> Iterator[Candidate]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import SVC

    weights = None if task.weights is None else dict(zip(task.labels, task.weights, strict=True))
    how: dict[str, Any] = {"class_weight": weights}
    for c in (0.01, 0.1, 1, 10):
        yield _scaled(f"logistic(C={c})", LogisticRegression(C=c, max_iter=1000, **how))
    for c in (1, 10, 100):
        yield _scaled(f"svm(C={c})", SVC(C=c, **how))
    for leaf in (1, 3):
        forest = RandomForestClassifier(min_samples_leaf=leaf, random_state=seed, **how)
        yield _scaled(f"forest(leaf={leaf})", forest)


def _regressors(seed: int) -> Iterator[Candidate]:
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.linear_model import Ridge
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.svm import SVR

    for alpha in (1, 10, 100, 1000):
        yield _scaled(f"ridge(alpha={alpha})", Ridge(alpha))
    for c in (0.1, 1, 10):
        yield _scaled(f"svr(C={c})", MultiOutputRegressor(SVR(C=c)))
    for leaf in (1, 3):
        forest = RandomForestRegressor(min_samples_leaf=leaf, random_state=seed)
        yield _scaled(f"forest(leaf={leaf})", MultiOutputRegressor(forest))


def _scaled(label: str, model: Any) -> Candidate:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return Candidate(label, make_pipeline(StandardScaler(), model))


def targets_of(task: Task, labels: Sequence[str]) -> np.ndarray:
    """Return what a candidate is fitted to: classes, or standardised numbers (N, C)."""
    if isinstance(task, Regression):
        centre, spread = (np.array(list(one.values())) for one in (task.means, task.deviations))
        return np.asarray((task.targets(labels) - centre) / spread)
    return np.asarray(labels)
