"""Intent classification with slots: one value for each slot; accuracy over whole recordings.

Labels are such as `action=activate,object=lights,location=kitchen`. Each slot is classified
separately and the loss is the sum of their cross-entropies; a recording is correct if all its slots
are.

Sources: Lugosch et al. 2019, https://arxiv.org/abs/1904.03670; SUPERB,
https://arxiv.org/abs/2105.01051.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import accumulate
from typing import Annotated, Any, ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Meta, Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset
from ossicle.errors import LabelError, did_you_mean, listing
from ossicle.heads import Outputs
from ossicle.metrics.metric import Metric
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.saved import Names, read_saved


class SavedIntent(Struct):
    """Entries of a saved intent."""

    values: Annotated[dict[str, Names], Meta(min_length=1)]


@final
class Intent(Task):
    """One value for each slot.

    Attributes:
        values: The values of each slot, by its name, in the order of the outputs.
    """

    name: ClassVar[str] = "intent"
    suggested_by: ClassVar[tuple[str, ...]] = ("slotvalues",)
    about: ClassVar[str] = "one value for each of several slots; correct if all are"
    hub_task: ClassVar[str | None] = "audio-classification"
    label_format: ClassVar[str] = "slot=value for each slot, separated by commas"
    example: ClassVar[tuple[str, str]] = ("action=on,object=lamp", "action=off,object=music")
    primary_metric: ClassVar[str] = "accuracy"
    reported: ClassVar[Mapping[str, Metric]] = {"accuracy": Metric("accuracy")}
    recording_score: ClassVar[Metric] = Metric("accuracy")

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self.values = {slot: tuple(names) for slot, names in values.items()}
        self.num_outputs = sum(len(names) for names in self.values.values())

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> "Intent":
        """Return the task with the slots and values of the training recordings."""
        del frame_rate, settings
        slots = tuple(parts(dataset.train[0].label))
        seen: dict[str, set[str]] = {slot: set() for slot in slots}
        for one in dataset.train:
            for slot, value in _in_order(one.label, slots).items():
                seen[slot].add(value)
        constant = [slot for slot, values in seen.items() if len(values) < 2]
        if constant:
            values = ", ".join(f"{slot}={min(seen[slot])}" for slot in constant)
            raise LabelError(
                f"{dataset.name}: all {len(dataset.train)} training recordings have {values}; "
                "there is nothing to learn. Leave the slot out, or add recordings with other values"
            )
        task = cls({slot: sorted(values) for slot, values in seen.items()})
        for part in (dataset.valid, dataset.test):
            task.check_labels([one.label for one in part])
        return task

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the sum over slots of the mean cross-entropy of a batch."""
        output = outputs.values
        targets = torch.tensor([self._numbers(label) for label in labels], device=output.device)
        pairs = zip(self._split(output), targets.T, strict=True)
        return torch.stack([F.cross_entropy(*pair) for pair in pairs]).sum()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The values of all slots, as slot=value."""
        return tuple(f"{slot}={name}" for slot, names in self.values.items() for name in names)

    def names_in(self, label: str) -> Collection[str]:
        """Return slot=value for each slot of a label."""
        return [f"{slot}={value}" for slot, value in parts(label).items()]

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these values of the slots of the parent, in its order."""
        if self.values.keys() != parent.values.keys():
            raise LabelError(
                f"the labels have the slots {listing(self.values)}, and those of the parent run "
                f"{listing(parent.values)}; all labels of an intent have the same slots"
            )
        values = {
            slot: sorted(
                name.removeprefix(f"{slot}=") for name in names if name.startswith(f"{slot}=")
            )
            for slot in parent.values
        }
        for slot, of_one in values.items():
            check_count(f"{self.name}, slot {slot}", of_one)
        return type(self)(values)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """One choice of the values of each slot."""
        stops = accumulate(len(names) for names in self.values.values())
        return tuple(
            Answer("choice", stop - len(names), stop, names)
            for stop, names in zip(stops, self.values.values(), strict=True)
        )

    def truth(self, labels: Sequence[str]) -> Float[np.ndarray, "B A"]:
        """Return the number of the value of each slot."""
        return np.array([self._numbers(label) for label in labels], dtype=float)

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the most likely values as `label`, and the probabilities by slot as `slots`."""
        probs, likely = {}, []
        for (slot, names), part in zip(self.values.items(), self._split(output), strict=True):
            probs[slot] = dict(zip(names, part.softmax(dim=-1).tolist(), strict=True))
            likely.append(f"{slot}={names[int(part.argmax())]}")
        return {"label": ",".join(likely), "slots": probs}

    def confidence(self, decoded: Mapping[str, Any]) -> float:
        """Return the product over slots of the largest probability: all values are right."""
        return float(math.prod(max(probs.values()) for probs in decoded["slots"].values()))

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the accuracy over recordings, and that of each slot."""
        right = self._right(labels, decoded)
        by_slot = dict(zip(self.values, right.mean(axis=0).tolist(), strict=True))
        accuracy = float(right.all(axis=1).mean())
        return {"accuracy": accuracy, "accuracy_by_slot": by_slot, "count": len(labels)}

    @classmethod
    def details(cls, metrics: Mapping[str, Any]) -> list[str]:
        """Return the accuracy of each slot."""
        accuracy, slots = cls.reported["accuracy"], metrics["accuracy_by_slot"]
        return [
            f"{slot:<9}{accuracy.number(value):>6}{accuracy.unit}" for slot, value in slots.items()
        ]

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to accuracy."""
        right = np.asarray(self._right(labels, decoded).all(axis=1))
        return lambda rows: {"accuracy": float(right[rows].mean())}

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return the accuracy of all recordings together."""
        del settings
        right = [parts(a) == parts(b) for a, b in zip(labels, predicted, strict=True)]
        return {"accuracy": float(np.mean(right))}

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return 1 for each recording with all slots correct, 0 for the others."""
        return [float(right) for right in np.asarray(self._right(labels, decoded).all(axis=1))]

    @classmethod
    def classes_in(cls, label: str) -> Sequence[str]:
        """Return the label: all slots together are a class."""
        return (label,)

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first value that was not seen in training."""
        for label in labels:
            self._numbers(label)

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task and the values of every slot."""
        values = {slot: list(names) for slot, names in self.values.items()}
        return {"name": self.name, "values": values}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Intent":
        """Return the task that `to_dict` described."""
        return cls(read_saved(data, SavedIntent).values)

    def _split(self, output: Tensor) -> tuple[Tensor, ...]:
        return torch.split(output, [len(names) for names in self.values.values()], dim=-1)

    def _numbers(self, label: str) -> list[int]:
        found = _in_order(label, tuple(self.values))
        for slot, value in found.items():
            if value not in self.values[slot]:
                raise LabelError(
                    f"{slot}={value} was not seen in training; {slot} may be: "
                    f"{listing(self.values[slot], 20)}.{did_you_mean(value, self.values[slot])}"
                )
        return [self.values[slot].index(value) for slot, value in found.items()]

    def _right(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> NDArray[np.bool_]:
        """Return (N, slots): whether each slot is correct."""
        predicted = (self._numbers(one["label"]) for one in decoded)
        pairs = zip(map(self._numbers, labels), predicted, strict=True)
        return np.array([[a == b for a, b in zip(*pair, strict=True)] for pair in pairs])


def parts(label: str) -> dict[str, str]:
    """Return the values of a label by slot.

    Raises:
        LabelError: it is not a list of slot=value.
    """
    found: dict[str, str] = {}
    for part in label.split(","):
        slot, equals, value = (piece.strip() for piece in part.partition("="))
        if not (slot and equals and value) or slot in found:
            raise LabelError(
                f"the label '{label}' is not a list of slots; expected one such as "
                "action=on,object=lamp. Name the columns of the slots, as in label=action,object, "
                "or choose another --task"
            )
        found[slot] = value
    return found


def _in_order(label: str, slots: Sequence[str]) -> dict[str, str]:
    found = parts(label)
    if found.keys() != set(slots):
        raise LabelError(
            f"the label '{label}' has the slots {', '.join(found)}; expected those of the first "
            f"training recording, {', '.join(slots)}"
        )
    return {slot: found[slot] for slot in slots}
