"""Sound event detection: onset, offset and class; sigmoid by frame; frame F1 and segment F1.

Labels are onset, offset (seconds) and class of each event, separated by `|`, as in
`0.2-1.5:speech|3-3.4:dog`; `-` for a recording without events. An event is active in a frame if it
covers the middle of the frame. Voice activity detection is the same with one class.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Bool, Float
from msgspec import Meta, Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset, Utterance
from ossicle.errors import LabelError, did_you_mean, listing
from ossicle.head_form import OutputKind
from ossicle.heads import Outputs
from ossicle.metrics.metric import Metric
from ossicle.metrics.segments import counts, micro_f1, segments
from ossicle.settings import Setting, check_fraction
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.saved import Fraction, Names, read_saved

SEPARATOR: Final = "|"
NONE: Final = "-"
SEGMENT_S: Final = 1.0
ROUNDING_S: Final = 0.01  # an end this far outside a recording is rounding
_JOINED = re.compile(r"[,;\s][\d.]+-[\d.]+:")  # another event inside the class of one
_EVENT = re.compile(r"(?P<onset>[\d.]+)-(?P<offset>[\d.]+):(?P<name>.+)")


class SavedEvents(Struct):
    """Entries of saved events."""

    kinds: Names
    frame_rate: Annotated[float, Meta(ge=1, lt=1_000_000)]
    threshold: Fraction


@final
class Events(Task):
    """Any of C classes of event in each frame.

    Attributes:
        classes: The names of the classes, in the order of the outputs.
        frame_rate: Frames per second.
        threshold: Probability above which an event is active in a frame.
    """

    name: ClassVar[str] = "events"
    suggested_by: ClassVar[tuple[str, ...]] = ("events",)
    has_times: ClassVar[bool] = True
    about: ClassVar[str] = "onset, offset and class of each sound event, such as speech"
    heads: ClassVar[tuple[str, ...]] = ("frames", "superb-frames")
    by_frame: ClassVar[bool] = True
    label_format: ClassVar[str] = (
        "onset-offset:class for each event, in seconds, separated by |; - for none"
    )
    example: ClassVar[tuple[str, str]] = ("0-0.12:dog|0.12-0.3:speech", "0-0.12:speech")
    primary_metric: ClassVar[str] = "frame_f1"
    reported: ClassVar[Mapping[str, Metric]] = {
        "frame_f1": Metric("frame F1"),
        "segment_f1": Metric("segment F1"),
    }
    recording_score: ClassVar[Metric] = Metric("frame accuracy")
    settings: ClassVar[Mapping[str, Setting]] = {
        "threshold": Setting("probability above which an event is active in a frame", 0.5)
    }

    def __init__(self, classes: Sequence[str], frame_rate: float, threshold: float = 0.5) -> None:
        self.classes = tuple(classes)
        self.frame_rate = frame_rate
        self.threshold = check_fraction("threshold", threshold)
        self.num_outputs = len(self.classes)

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> "Events":
        """Return the task with the classes of event of the training recordings."""
        classes = sorted({name for one in dataset.train for _, _, name in events(one.label)})
        if not classes:
            raise LabelError(
                f"{dataset.name}: the training recordings have no events; write labels such as "
                f"0.2-1.5:speech{SEPARATOR}3-3.4:dog"
            )
        task = cls(classes, frame_rate, **settings)
        for part in (dataset.valid, dataset.test):
            task.check_labels([one.label for one in part])
        return task

    def marks(self, label: str, num_frames: int) -> Bool[np.ndarray, "T C"]:
        """Return which classes are active in which frames."""
        middles = (np.arange(num_frames) + 0.5) / self.frame_rate
        made = np.zeros((num_frames, len(self.classes)), dtype=bool)
        for onset, offset, name in events(label):
            made[:, self._number(name)] |= (onset <= middles) & (middles < offset)
        return made

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean over recordings of the binary cross-entropy over frames and classes."""
        losses = []
        for output, label in zip(outputs.rows(), labels, strict=True):
            target = torch.from_numpy(self.marks(label, len(output))).to(output)
            losses.append(F.binary_cross_entropy_with_logits(output, target))
        return torch.stack(losses).mean()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The classes of event."""
        return self.classes

    def names_in(self, label: str) -> Collection[str]:
        """Return the classes of the events of a label."""
        return {name for _, _, name in events(label)}

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these classes of event."""
        del parent
        check_count(self.name, names, fewest=1)
        return type(self)(sorted(names), self.frame_rate, self.threshold)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The presence of each class, in every frame."""
        return tuple(
            Answer("presence", n, n + 1, (name,), self.threshold)
            for n, name in enumerate(self.classes)
        )

    def output_kind(self) -> OutputKind:
        """Return the classes of event."""
        return OutputKind("frame-tags", self.classes)

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the events as `label`, and the number of `frames`."""
        marked = (output.sigmoid() > self.threshold).numpy()  # (T, C)
        found = []
        for number, name in enumerate(self.classes):
            padded = np.concatenate(([False], marked[:, number], [False]))
            turns = np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2) / self.frame_rate
            found += [(onset, offset, name) for onset, offset in turns.tolist()]
        text = SEPARATOR.join(f"{on:g}-{off:g}:{name}" for on, off, name in sorted(found))
        return {"label": text or NONE, "frames": len(output)}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return frame_f1 and segment_f1, micro averages."""
        by_frame, by_segment = self._counts(labels, decoded)
        return {
            "frame_f1": micro_f1(by_frame),
            "segment_f1": micro_f1(by_segment),
            "count": len(labels),
            "kinds": list(self.classes),
        }

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to frame_f1 and segment_f1."""
        by_frame, by_segment = self._counts(labels, decoded)
        return lambda rows: {
            "frame_f1": micro_f1(by_frame[rows]),
            "segment_f1": micro_f1(by_segment[rows]),
        }

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return the fraction of frames and classes that are correct."""
        pairs = self._pairs(labels, decoded)
        return [float((reference == predicted).mean()) for reference, predicted in pairs]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first class that was not seen in training."""
        for label in labels:
            for _, _, name in events(label):
                self._number(name)

    def check_lengths(self, utterances: Sequence[Utterance], seconds: Sequence[float]) -> None:
        """Raise LabelError for events beyond the end of their recordings."""
        outside = [
            (one, length, end)
            for one, length in zip(utterances, seconds, strict=True)
            if (end := max((off for _, off, _ in events(one.label)), default=0.0))
            > length + ROUNDING_S
        ]
        if not outside:
            return
        examples = (f"{one.key} ({one.label}, {length:g} s long)" for one, length, _ in outside)
        raise LabelError(
            f"{len(outside)} of {len(utterances)} recordings have events beyond their end: "
            f"{listing(examples, 3)}.{_reason(outside)} Events are in seconds from the beginning "
            "of the recording, or of its part if the row names one. Correct them"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, the classes, the frame rate and the threshold."""
        return {
            "name": self.name,
            "kinds": list(self.classes),
            "frame_rate": self.frame_rate,
            "threshold": self.threshold,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Events":
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedEvents)
        return cls(saved.kinds, saved.frame_rate, saved.threshold)

    def _pairs(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
        return [
            (self.marks(label, one["frames"]), self.marks(one["label"], one["frames"]))
            for label, one in zip(labels, decoded, strict=True)
        ]

    def _counts(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs, frames = self._pairs(labels, decoded), round(SEGMENT_S * self.frame_rate)
        in_segments = [
            (segments(reference, frames), segments(predicted, frames))
            for reference, predicted in pairs
        ]
        return (
            np.array([counts(*pair) for pair in pairs]),
            np.array([counts(*pair) for pair in in_segments]),
        )

    def _number(self, name: str) -> int:
        if name not in self.classes:
            raise LabelError(
                f"the event '{name}' was not seen in training; the events are: "
                f"{listing(self.classes, 20)}.{did_you_mean(name, self.classes)}"
            )
        return self.classes.index(name)


def events(label: str) -> list[tuple[float, float, str]]:
    """Return onset, offset and class of every event of a label.

    Raises:
        LabelError: it is not a list of events.
    """
    found = []
    for part in (piece.strip() for piece in label.split(SEPARATOR)):
        if not part or part == NONE:
            continue
        match = _EVENT.fullmatch(part)
        onset, offset = (_seconds(match["onset"]), _seconds(match["offset"])) if match else (0, 0)
        if match is None or not onset < offset or _JOINED.search(match["name"]):
            raise LabelError(
                f"'{part}' in the label '{label}' is not an event; write onset, offset (seconds) "
                f"and class, as in 0.2-1.5:speech, with {SEPARATOR} between events, or choose "
                "another --task"
            )
        found.append((onset, offset, match["name"].strip()))
    return found


def _reason(outside: Sequence[tuple[Utterance, float, float]]) -> str:
    """Return the likely reason for events beyond the end of their recordings."""
    if all(end - one.start_s <= length + ROUNDING_S for one, length, end in outside):
        return " They seem to count from the beginning of the file: subtract the start of the part."
    # Milliseconds are far outside; seconds that are wrong are often a little outside.
    if all(10 * length < end <= 1000 * (length + ROUNDING_S) for _, length, end in outside):
        return " They seem to be milliseconds: divide them by 1000."
    return ""


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return -1.0
