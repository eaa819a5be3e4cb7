"""Stacking: a linear model of what the members say, fitted on validation recordings.

    choice     logistic regression on the members' log-probabilities of all options
    presence   logistic regression on the members' log-odds
    number     ridge regression on the members' values

One model for each answer, with its own strength of regularisation: the one with the best result in
a cross-validation over the recordings, by likelihood or squared error. Log-probabilities and
log-odds are limited to those of one in a million, so that no member is infinitely sure.

Sources: Wolpert 1992, "Stacked generalization"; Ting & Witten 1999, "Issues in stacked
generalization", on probabilities as features.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta, Struct
from scipy.special import log_softmax
from torch import Tensor

from ossicle.errors import AdapterFileError, LabelError, RunError
from ossicle.tasks import Task
from ossicle.tasks.answer import Answer
from ossicle.tasks.averaging import stacked
from ossicle.votes.vote import Decision, Vote, read_entries

FEWEST: Final = 2  # recordings of each option: one to fit, one to try the regularisation on
FOLDS: Final = 5
LIMIT: Final = float(np.log(1e6))
MOST_STEPS: Final = 10_000
STRENGTHS: Final = (100.0, 10.0, 1.0, 0.1, 0.01)  # 1 / C of scikit-learn, and alpha of the ridge


class Linear(Struct, frozen=True):
    """The linear model of an answer, K rows for F features.

    Attributes:
        coefficients: (K, F); one row for a presence, a number, or the second of two options.
        intercepts: (K,).
    """

    coefficients: Annotated[list[list[float]], Meta(min_length=1)]
    intercepts: list[float]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and features."""
        return len(self.coefficients), len(self.coefficients[0])

    def __call__(self, features: Float[np.ndarray, " F"]) -> Float[np.ndarray, " K"]:
        """Return the values for the features of a recording."""
        values: Float[np.ndarray, " K"] = np.array(self.coefficients) @ features + self.intercepts
        return values


class SavedStacked(Struct):
    """Entries of a saved stacked vote."""

    models: Annotated[list[Linear], Meta(min_length=1)]


@final
class Stacked(Vote):
    """A linear model of the members' outputs for each answer.

    Attributes:
        models: The models, in the order of the answers.
    """

    name: ClassVar[str] = "stacked"
    about: ClassVar[str] = "logistic or ridge regression on the members' outputs"
    learns: ClassVar[bool] = True

    def __init__(self, models: Sequence[Linear]) -> None:
        self.models = tuple(models)

    @classmethod
    def supports(cls, task: Task) -> bool:
        """Return True if the answers have true values: not for tasks by frame."""
        return bool(task.answers) and type(task).truth is not Task.truth

    @classmethod
    def fit(cls, task: Task, outputs: Sequence[Sequence[Tensor]], labels: Sequence[str]) -> Self:
        """Return the models that were fitted to the true values.

        Raises:
            LabelError: an option, a tag or its absence has one recording or none.
        """
        truth = task.truth(labels)
        assert truth is not None, f"the stacked vote cannot be taken on {task.name}"
        members = [stacked(one).double().numpy() for one in outputs]
        for answer, values in zip(task.answers, truth.T, strict=True):
            _check(answer, values)
        return cls(
            [
                _fitted(answer, np.array([_features(answer, one) for one in members]), values)
                for answer, values in zip(task.answers, truth.T, strict=True)
            ]
        )

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        """Return the decision on the values of the models."""
        members = stacked(outputs)
        shapes = [_shape(answer, len(members)) for answer in task.answers]
        if shapes != [model.shape for model in self.models]:
            raise RunError(
                "the stacked vote was fitted to other members or labels than those of these "
                f"{len(members)} members; fit it to them"
            )
        together = members.double().numpy()
        values = [
            _columns(answer, model(_features(answer, together)))
            for answer, model in zip(task.answers, self.models, strict=True)
        ]
        output = torch.from_numpy(np.concatenate(values)).to(members)
        return Decision(task.decode(output), output)

    def to_dict(self) -> dict[str, Any]:
        """Return the name, and the coefficients and intercepts of each model."""
        models = [
            {"coefficients": model.coefficients, "intercepts": model.intercepts}
            for model in self.models
        ]
        return {"name": self.name, "models": models}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the vote that `to_dict` described."""
        models = read_entries(data, SavedStacked).models
        for number, model in enumerate(models):
            rows = model.coefficients
            if len({len(row) for row in rows}) > 1 or len(rows) != len(model.intercepts):
                raise AdapterFileError(
                    f"the saved vote: models[{number}] has coefficients of {len(rows)} rows that "
                    f"do not fit each other or its {len(model.intercepts)} intercepts. Copy the "
                    "file again"
                )
        return cls(models)


def _shape(answer: Answer, num_members: int) -> tuple[int, int]:
    """Return the rows and features of the model of an answer."""
    options = len(answer.options)
    return options if options > 2 else 1, options * num_members


def _features(answer: Answer, members: Float[np.ndarray, "M C"]) -> Float[np.ndarray, " F"]:
    """Return what the model of an answer is given for a recording."""
    given = members[:, answer.columns]
    if answer.kind == "choice":
        given = np.maximum(log_softmax(given, axis=1), -LIMIT)
    elif answer.kind == "presence":
        given = given.clip(-LIMIT, LIMIT)
    features: Float[np.ndarray, " F"] = given.flatten()
    return features


def _columns(answer: Answer, values: Float[np.ndarray, " K"]) -> Float[np.ndarray, " C"]:
    """Return the columns of an output; the model of two options gives their difference."""
    return np.append(0.0, values) if len(answer.options) == 2 else values


def _check(answer: Answer, truth: Float[np.ndarray, " N"]) -> None:
    """Raise LabelError unless each option that has a probability occurs twice."""
    if answer.kind == "choice":
        names = [f"of '{option}'" for option in answer.options]
    elif answer.kind == "presence":
        names = [f"without '{answer.options[0]}'", f"with '{answer.options[0]}'"]
    else:
        names, truth = ["in all"], np.zeros(len(truth))
    counts = np.bincount(truth.astype(int), minlength=len(names)).tolist()
    for name, count in zip(names, counts, strict=True):
        if count < FEWEST:
            raise LabelError(
                f"there are {count} validation recordings {name}; the stacked vote needs at least "
                f"{FEWEST} to be fitted. Use --vote weighted or soft, or more validation recordings"
            )


def _fitted(
    answer: Answer, features: Float[np.ndarray, "N F"], truth: Float[np.ndarray, " N"]
) -> Linear:
    """Return the model of an answer, with the strength of regularisation that predicts best."""
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV, StratifiedKFold

    if answer.kind == "number":
        ridge = RidgeCV(alphas=list(STRENGTHS)).fit(features, truth)
        return Linear([ridge.coef_.tolist()], [float(ridge.intercept_)])
    options = truth.astype(int)
    folds = min(FOLDS, int(np.bincount(options).min()))
    search = GridSearchCV(
        LogisticRegression(max_iter=MOST_STEPS),
        {"C": [1 / strength for strength in STRENGTHS]},
        scoring="neg_log_loss",
        cv=StratifiedKFold(folds, shuffle=True, random_state=0),
    )
    model = search.fit(features, options).best_estimator_
    return Linear(model.coef_.tolist(), model.intercept_.tolist())
