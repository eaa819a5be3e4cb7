"""Tagging (multi-label classification): sigmoid and binary cross-entropy; mAP and mAUC.

Labels are tags separated by `|`, as in `dog|rain`; `-` for a recording without tags.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset
from ossicle.errors import LabelError, did_you_mean, listing
from ossicle.head_form import OutputKind
from ossicle.heads import Outputs
from ossicle.metrics.metric import Metric
from ossicle.metrics.ranking import mean_auc, mean_average_precision
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.saved import Names, read_saved

SEPARATOR: Final = "|"
NONE: Final = "-"


class SavedTagging(Struct):
    """Entries of a saved tagging task."""

    tags: Names


@final
class Tagging(Task):
    """Any of C tags for a recording.

    Attributes:
        tags: The names of the tags, in the order of the outputs.
    """

    name: ClassVar[str] = "tagging"
    suggested_by: ClassVar[tuple[str, ...]] = ("tags",)
    about: ClassVar[str] = "any number of tags"
    hub_task: ClassVar[str | None] = "audio-classification"
    label_format: ClassVar[str] = "the tags, separated by |; - for none"
    example: ClassVar[tuple[str, str]] = ("dog|rain", "rain|wind")
    primary_metric: ClassVar[str] = "map"
    reported: ClassVar[Mapping[str, Metric]] = {"map": Metric("mAP"), "mauc": Metric("mAUC")}
    recording_score: ClassVar[Metric] = Metric("label-ranking precision")

    def __init__(self, tags: Sequence[str]) -> None:
        self.tags = tuple(tags)
        self.num_outputs = len(self.tags)
        self._number_by_tag = {tag: number for number, tag in enumerate(self.tags)}

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> "Tagging":
        """Return the task with the tags of the training recordings."""
        del frame_rate, settings
        _refuse_joined(dataset)
        tags = sorted({tag for one in dataset.train for tag in split(one.label)})
        if len(tags) < 2:
            raise LabelError(
                f"{dataset.name}: the training recordings have {len(tags)} different tags; use at "
                f"least two, and separate those of one recording by '{SEPARATOR}'"
            )
        task = cls(tags)
        for part in (dataset.valid, dataset.test):
            task.check_labels([one.label for one in part])
        return task

    def targets(self, labels: Sequence[str]) -> Float[np.ndarray, "B C"]:
        """Return 1 where a recording has a tag, 0 elsewhere."""
        made = np.zeros((len(labels), len(self.tags)), dtype=np.float32)
        for row, label in zip(made, labels, strict=True):
            for tag in split(label):
                row[self._number(tag)] = 1
        return made

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean binary cross-entropy over tags and recordings."""
        output = outputs.values
        targets = torch.from_numpy(self.targets(labels)).to(output)
        return F.binary_cross_entropy_with_logits(output, targets)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The tags."""
        return self.tags

    def names_in(self, label: str) -> Collection[str]:
        """Return the tags of a label."""
        return split(label)

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these tags."""
        del parent
        check_count(self.name, names)
        return type(self)(sorted(names))

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The presence of each tag."""
        return tuple(Answer("presence", n, n + 1, (tag,)) for n, tag in enumerate(self.tags))

    def output_kind(self) -> OutputKind:
        """Return the tags."""
        return OutputKind("tags", self.tags)

    def truth(self, labels: Sequence[str]) -> Float[np.ndarray, "B C"]:
        """Return the targets."""
        return self.targets(labels)

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the tags with a probability above 1/2 as `label`, and the `probs` of all."""
        probs = dict(zip(self.tags, output.sigmoid().tolist(), strict=True))
        found = [tag for tag, prob in probs.items() if prob > 0.5]
        return {"label": SEPARATOR.join(found) or NONE, "probs": probs}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return map and mauc: means over the tags that some recordings have and others do not."""
        targets, scores = self.targets(labels), self._scores(decoded)
        judged = [
            tag for tag, of_one in zip(self.tags, targets.T, strict=True) if of_one.mean() > 0
        ]
        return {
            "map": mean_average_precision(targets, scores),
            "mauc": mean_auc(targets, scores),
            "count": len(labels),
            "tags": list(self.tags),
            "tags_judged": judged,
        }

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a function from row numbers to map and mauc."""
        targets, scores = self.targets(labels), self._scores(decoded)

        def of(rows: NDArray[np.intp]) -> Mapping[str, float]:
            chosen = targets[rows], scores[rows]
            return {"map": mean_average_precision(*chosen), "mauc": mean_auc(*chosen)}

        return of

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return the label-ranking precision of each recording; 1 if it has no tags."""
        from sklearn.metrics import label_ranking_average_precision_score

        rows = zip(self.targets(labels), self._scores(decoded), strict=True)
        return [
            float(label_ranking_average_precision_score(target[None], score[None]))
            for target, score in rows
        ]

    @classmethod
    def classes_in(cls, label: str) -> Sequence[str]:
        """Return the tags: each is a class."""
        return split(label)

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first tag that was not seen in training."""
        for label in labels:
            for tag in split(label):
                self._number(tag)

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task and the tags."""
        return {"name": self.name, "tags": list(self.tags)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Tagging":
        """Return the task that `to_dict` described."""
        return cls(read_saved(data, SavedTagging).tags)

    def _scores(self, decoded: Sequence[Mapping[str, Any]]) -> Float[np.ndarray, "B C"]:
        return np.array([[one["probs"][tag] for tag in self.tags] for one in decoded])

    def _number(self, tag: str) -> int:
        if tag not in self._number_by_tag:
            raise LabelError(
                f"tag '{tag}' was not seen in training; the tags are: {listing(self.tags, 20)}."
                f"{did_you_mean(tag, self.tags)}"
            )
        return self._number_by_tag[tag]


def _refuse_joined(dataset: Dataset) -> None:
    """Raise LabelError if tags seem to be separated by another mark than `SEPARATOR`.

    That is so if no label has `SEPARATOR`, and parts between other marks occur in several labels.
    """
    labels = sorted({one.label for one in dataset.train})
    if any(SEPARATOR in label for label in labels):
        return
    for mark in (",", ";"):
        parts = {label: [part.strip() for part in label.split(mark)] for label in labels}
        counts = Counter(part for found in parts.values() for part in set(found))
        for label, found in parts.items():
            if len(found) > 1 and max(counts[part] for part in found) > 1:
                common = max(found, key=counts.__getitem__)
                raise LabelError(
                    f"{dataset.name}: '{label}' looks like several tags, since '{common}' is also "
                    f"in other labels. Add separator={mark} to the data string, or write tags with "
                    f"'{SEPARATOR}' between them"
                )


def split(label: str) -> list[str]:
    """Return the tags of a label, without repetitions."""
    parts = [tag.strip() for tag in label.split(SEPARATOR)]
    return list(dict.fromkeys(tag for tag in parts if tag and tag != NONE))
