"""Regression: numbers, such as valence, arousal and dominance; the loss is 1 - CCC.

Labels are such as `valence=3.5,arousal=2`, or one number. Outputs are standardised by mean and
standard deviation of the training recordings; decoding puts them back into the unit of the labels.
The CCC is the same in either unit.

    loss = mean over dimensions of 1 - ccc over the batch

Source of the loss: Atmaja & Akagi 2021, https://arxiv.org/abs/2004.02355.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta, Struct
from numpy.typing import NDArray
from torch import Tensor

from ossicle.data import Dataset
from ossicle.errors import AdapterFileError, LabelError, listing
from ossicle.head_form import OutputKind
from ossicle.heads import Outputs
from ossicle.metrics.concordance import concordance
from ossicle.metrics.metric import Metric
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task
from ossicle.tasks.saved import read_saved

BARE: Final = "value"
EPS: Final = 1e-8


class SavedRegression(Struct):
    """Entries of a saved regression."""

    means: Annotated[dict[str, float], Meta(min_length=1)]
    deviations: dict[str, Annotated[float, Meta(gt=0)]]


@final
class Regression(Task):
    """A number in each of C dimensions.

    Attributes:
        means: Mean of each dimension over the training recordings, by name.
        deviations: Standard deviation of each dimension over the training recordings, by name.
    """

    name: ClassVar[str] = "regression"
    suggested_by: ClassVar[tuple[str, ...]] = ("dimensions",)
    about: ClassVar[str] = "numbers, such as valence, arousal and dominance"
    heads: ClassVar[tuple[str, ...]] = ("superb", "mean", "cls", "meanstd")
    label_format: ClassVar[str] = "a number, or name=number for each dimension, separated by commas"
    example: ClassVar[tuple[str, str]] = ("valence=3.5,arousal=2", "valence=1,arousal=6")
    graph_output: ClassVar[str] = "values"
    primary_metric: ClassVar[str] = "ccc"
    reported: ClassVar[Mapping[str, Metric]] = {"ccc": Metric("CCC", percent=False)}
    recording_score: ClassVar[Metric] = Metric("negative error", percent=False)

    def __init__(self, means: Mapping[str, float], deviations: Mapping[str, float]) -> None:
        self.means, self.deviations = dict(means), dict(deviations)
        self.dimensions = tuple(self.means)
        self.num_outputs = len(self.dimensions)

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any
    ) -> "Regression":
        """Return the task with the dimensions of the training recordings."""
        del frame_rate, settings
        names = tuple(numbers(dataset.train[0].label))
        rows = [_in_order(one.label, names, one.key) for one in dataset.train]
        values = np.array(rows)
        means, deviations = values.mean(axis=0), values.std(axis=0)
        for name, mean, deviation in zip(names, means, deviations, strict=True):
            if not deviation > EPS:
                raise LabelError(
                    f"{dataset.name}: {name} is {mean:g} in all {len(rows)} training recordings; "
                    "there is nothing to learn. Add recordings with other values, or leave it out"
                )
        for one in (*dataset.valid, *dataset.test):
            _in_order(one.label, names, one.key)
        return cls(
            dict(zip(names, means.tolist(), strict=True)),
            dict(zip(names, deviations.tolist(), strict=True)),
        )

    def targets(self, labels: Sequence[str]) -> Float[np.ndarray, "B C"]:
        """Return the annotated values, in the unit of the labels."""
        return np.array([_in_order(label, self.dimensions, f"'{label}'") for label in labels])

    def truth(self, labels: Sequence[str]) -> Float[np.ndarray, "B C"]:
        """Return the annotated values, standardised as outputs are."""
        spread = np.array([self.deviations[name] for name in self.dimensions])
        centre = np.array([self.means[name] for name in self.dimensions])
        standardised: Float[np.ndarray, "B C"] = (self.targets(labels) - centre) / spread
        return standardised

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean over dimensions of 1 - CCC over the batch.

        For a single recording, which has no correlation, the mean squared error.
        """
        output = outputs.values  # (B, C)
        target = torch.from_numpy(self.truth(labels)).to(output)
        if len(output) == 1:
            return (output - target).square().mean()
        mine, theirs = output - output.mean(0), target - target.mean(0)
        apart = (output.mean(0) - target.mean(0)).square()
        total = mine.square().mean(0) + theirs.square().mean(0) + apart
        return (1 - 2 * (mine * theirs).mean(0) / (total + EPS)).mean()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The dimensions."""
        return self.dimensions

    def names_in(self, label: str) -> Collection[str]:
        """Return the dimensions of a label."""
        return numbers(label).keys()

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these dimensions, which all labels of this task must have.

        An output of the parent keeps the mean and the deviation that it was trained with.
        """
        if set(names) != set(self.dimensions):
            raise LabelError(
                f"the labels have the dimensions {listing(self.dimensions)}, and the head would "
                f"have {listing(sorted(names))}: all labels of a regression have the same "
                "dimensions. Write labels with those of the parent run, or start with --head-from "
                "new"
            )
        means = {name: (self.means | parent.means)[name] for name in self.dimensions}
        return type(self)(
            means, {name: (self.deviations | parent.deviations)[name] for name in self.dimensions}
        )

    @property
    def answers(self) -> tuple[Answer, ...]:
        """A number for each dimension."""
        return tuple(Answer("number", n, n + 1, (name,)) for n, name in enumerate(self.dimensions))

    def output_kind(self) -> OutputKind:
        """Return the dimensions with their means and deviations in training."""
        means = [self.means[name] for name in self.dimensions]
        deviations = [self.deviations[name] for name in self.dimensions]
        return OutputKind("numbers", self.dimensions, means=means, deviations=deviations)

    def to_graph(self, output: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """Return the values in the unit of the labels."""
        return output * self._in_order(self.deviations, output) + self._in_order(self.means, output)

    def from_graph(self, values: Float[Tensor, "B C"]) -> Float[Tensor, "B C"]:
        """Return the values with the mean and deviation of training removed."""
        centred = values - self._in_order(self.means, values)
        return centred / self._in_order(self.deviations, values)

    def _in_order(self, numbers: Mapping[str, float], like: Tensor) -> Float[Tensor, " C"]:
        return like.new_tensor([numbers[name] for name in self.dimensions])

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the `values` by dimension, and the same as a `label`."""
        values = {
            name: self.means[name] + self.deviations[name] * value
            for name, value in zip(self.dimensions, output.tolist(), strict=True)
        }
        text = ",".join(f"{name}={value:.6g}" for name, value in values.items())
        return {"label": text, "values": values}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the ccc of each dimension, and their mean."""
        targets, values = self.targets(labels), self._values(decoded)
        by_dimension = {
            name: concordance(values[:, i], targets[:, i]) for i, name in enumerate(self.dimensions)
        }
        return {
            "ccc": float(np.mean(list(by_dimension.values()))),
            "ccc_by_dimension": by_dimension,
            "count": len(labels),
        }

    @classmethod
    def details(cls, metrics: Mapping[str, Any]) -> list[str]:
        """Return the ccc of each dimension."""
        ccc, names = cls.reported["ccc"], metrics["ccc_by_dimension"]
        return [f"{name:<9}{ccc.number(value):>6}" for name, value in names.items()]

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a function from row numbers to the mean ccc."""
        targets, values = self.targets(labels), self._values(decoded)

        def of(rows: NDArray[np.intp]) -> Mapping[str, float]:
            pairs = zip(values[rows].T, targets[rows].T, strict=True)
            return {"ccc": float(np.mean([concordance(*pair) for pair in pairs]))}

        return of

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return the mean ccc of all recordings together, to the six digits of their labels."""
        del settings
        names = numbers(labels[0])
        task = cls(dict.fromkeys(names, 0.0), dict.fromkeys(names, 1.0))
        found = task.metrics(labels, [{"values": numbers(one)} for one in predicted])
        return {name: found[name] for name in cls.reported}

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return minus the mean absolute error, in standard deviations of the training data."""
        spread = np.array([self.deviations[name] for name in self.dimensions])
        errors = np.abs(self._values(decoded) - self.targets(labels)) / spread
        return [-float(error) for error in errors.mean(axis=1)]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first label that does not hold numbers of these dimensions."""
        self.targets(labels)

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, and mean and deviation of every dimension."""
        return {"name": self.name, "means": self.means, "deviations": self.deviations}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Regression":
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedRegression)
        if saved.means.keys() != saved.deviations.keys():
            raise AdapterFileError(
                f"the saved task has means of {', '.join(saved.means)} and deviations of "
                f"{', '.join(saved.deviations)}; expected the same dimensions. Copy the file again"
            )
        return cls(saved.means, saved.deviations)

    def _values(self, decoded: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, "B C"]:
        return np.array([[one["values"][name] for name in self.dimensions] for one in decoded])


def numbers(label: str) -> dict[str, float]:
    """Return the values of a label by dimension.

    Raises:
        LabelError: it is not a number, and not a list of name=number.
    """
    found = {}
    for part in label.split(","):
        name, equals, text = part.partition("=")
        name, text = (name.strip(), text) if equals else (BARE, part)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value) or not name or name in found:
            raise LabelError(
                f"the label '{label}' is not a number; expected one such as 3.5, or several such "
                "as valence=3.5,arousal=2. Name the column that holds the numbers with "
                "label=COLUMN, or choose another --task"
            )
        found[name] = value
    return found


def _in_order(label: str, names: Sequence[str], where: str) -> list[float]:
    found = numbers(label)
    if found.keys() != set(names):
        raise LabelError(
            f"{where} has the dimensions {', '.join(found)}; expected those of the first training "
            f"recording, {', '.join(names)}"
        )
    return [found[name] for name in names]
