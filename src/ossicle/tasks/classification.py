"""Utterance classification: one class per recording; cross-entropy; macro-F1, accuracy, UAR."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta, Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset, check_classes
from ossicle.errors import AdapterFileError, LabelError, did_you_mean, listing
from ossicle.head_form import OutputKind
from ossicle.heads import Outputs
from ossicle.metrics import classification_metrics, metrics_by_rows
from ossicle.metrics.metric import Metric
from ossicle.settings import Setting, check_fraction
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.saved import Fraction, Names, read_saved


class SavedClassification(Struct):
    """Entries of a saved classification."""

    labels: Names
    label_smoothing: Fraction
    weights: list[Annotated[float, Meta(ge=0)]] | None = None


@final
class Classification(Task):
    """One of C classes for a recording.

    Attributes:
        labels: The names of the classes, in the order of the outputs.
    """

    name: ClassVar[str] = "classification"
    about: ClassVar[str] = "one of several classes"
    hub_task: ClassVar[str | None] = "audio-classification"
    label_format: ClassVar[str] = "the class"
    example: ClassVar[tuple[str, str]] = ("no", "yes")
    primary_metric: ClassVar[str] = "macro_f1"
    reported: ClassVar[Mapping[str, Metric]] = {
        "macro_f1": Metric("macro-F1"),
        "accuracy": Metric("accuracy"),
        "uar": Metric("UAR"),
    }

    recording_score: ClassVar[Metric] = Metric("accuracy")
    settings: ClassVar[Mapping[str, Setting]] = {
        "label_smoothing": Setting("fraction of the target that is spread over all classes", 0.0),
        "class_weights": Setting(
            "balanced: weight recordings so that all classes count equally in the loss",
            "none",
            ("none", "balanced"),
        ),
    }

    def __init__(
        self,
        labels: Sequence[str],
        *,
        label_smoothing: float = 0.0,
        weights: Sequence[float] | None = None,
    ) -> None:
        self.labels = tuple(labels)
        self.label_smoothing, self.weights = label_smoothing, weights
        self.num_outputs = len(self.labels)
        self._number_by_label = {label: number for number, label in enumerate(self.labels)}

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any
    ) -> "Classification":
        """Return the task with the classes of the training recordings."""
        del frame_rate
        check_classes(dataset)
        weights = None
        if settings.get("class_weights") == "balanced":
            counts = Counter(one.label for one in dataset.train)
            mean = len(dataset.train) / len(counts)
            weights = [mean / counts[label] for label in dataset.labels]
        smoothing = check_fraction("label_smoothing", settings.get("label_smoothing", 0.0))
        return cls(dataset.labels, label_smoothing=smoothing, weights=weights)

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy of a batch.

        With weights, each recording is weighted by its class; the mean weight of the training
        recordings is 1.
        """
        output = outputs.values
        numbers = torch.tensor([self._number(label) for label in labels], device=output.device)
        losses = F.cross_entropy(
            output, numbers, reduction="none", label_smoothing=self.label_smoothing
        )
        if self.weights is not None:
            losses = losses * torch.tensor(self.weights).to(output)[numbers]
        return losses.mean()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The classes."""
        return self.labels

    def names_in(self, label: str) -> Collection[str]:
        """Return the label: it is a class."""
        return (label,)

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these classes; one without training recordings has weight 1."""
        del parent
        check_count(self.name, names)
        labels, weights = sorted(names), None
        if self.weights is not None:
            known = dict(zip(self.labels, self.weights, strict=True))
            weights = [known.get(label, 1.0) for label in labels]
        return type(self)(labels, label_smoothing=self.label_smoothing, weights=weights)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """One choice of the classes."""
        return (Answer("choice", 0, self.num_outputs, self.labels),)

    def output_kind(self) -> OutputKind:
        """Return the classes."""
        return OutputKind("classes", self.labels)

    def truth(self, labels: Sequence[str]) -> Float[np.ndarray, "B 1"]:
        """Return the number of each label."""
        return np.array([[self._number(label)] for label in labels], dtype=float)

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the most likely `label` and the `probs` of all classes."""
        probs = output.softmax(dim=-1).tolist()
        best = int(output.argmax())
        return {"label": self.labels[best], "probs": dict(zip(self.labels, probs, strict=True))}

    def confidence(self, decoded: Mapping[str, Any]) -> float:
        """Return the largest probability."""
        return float(max(decoded["probs"].values()))

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return macro_f1, accuracy, uar, the confusion matrix and its labels."""
        found = classification_metrics(labels, [one["label"] for one in decoded], self.labels)
        return {
            "macro_f1": found.macro_f1,
            "accuracy": found.accuracy,
            "uar": found.uar,
            "count": found.count,
            "labels": list(self.labels),
            "confusion": [list(row) for row in found.confusion],
        }

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to macro_f1, accuracy and uar."""
        return metrics_by_rows(labels, [one["label"] for one in decoded], self.labels)

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return macro_f1, accuracy and uar of all recordings together."""
        del settings
        of_rows = metrics_by_rows(labels, predicted, sorted({*labels, *predicted}))
        return dict(of_rows(np.arange(len(labels))))

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return 1 for each correct recording, 0 for the others."""
        return [float(one["label"] == label) for label, one in zip(labels, decoded, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, the labels, and the settings of the loss."""
        return {
            "name": self.name,
            "labels": list(self.labels),
            "label_smoothing": self.label_smoothing,
            "weights": None if self.weights is None else list(self.weights),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Classification":
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedClassification)
        if saved.weights is not None and len(saved.weights) != len(saved.labels):
            raise AdapterFileError(
                f"the saved task has {len(saved.weights)} weights of {len(saved.labels)} labels; "
                "expected one per label. Copy the file again"
            )
        return cls(saved.labels, label_smoothing=saved.label_smoothing, weights=saved.weights)

    def _number(self, label: str) -> int:
        if label not in self._number_by_label:
            raise LabelError(
                f"label '{label}' was not seen in training; the labels are: "
                f"{listing(self.labels, 20)}.{did_you_mean(label, self.labels)}"
            )
        return self._number_by_label[label]

    @classmethod
    def classes_in(cls, label: str) -> Sequence[str]:
        """Return the label: it is a class."""
        return (label,)

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first label that was not seen in training."""
        for label in labels:
            self._number(label)
