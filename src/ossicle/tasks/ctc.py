"""Transcription with CTC: the common part of recognition by character, word and phone.

    P(text | frames) = sum over all alignments of the units of the text, with blanks between them,
                       to the frames

CTC outputs a unit in one or two frames. If the members of an ensemble output it in different
frames, the blank can win in their mean: such ensembles work best with members that agree on the
frames, such as those of one backbone.

Decoding is greedy, or by beam search: `ossicle.tasks.decoder`. The units are those of the training
transcripts. Transcripts are used as they are, except for Unicode form and runs of spaces; settings
convert to lower case and remove punctuation: `ossicle.tasks.text`.

Source: Graves et al. 2006, "Connectionist temporal classification".
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any, ClassVar, Final, Literal, Self

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset
from ossicle.errors import LabelError, listing
from ossicle.heads import Outputs
from ossicle.metrics.edits import rate
from ossicle.settings import Setting
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.decoder import BLANK, Decoder, build_decoder, greedy
from ossicle.tasks.saved import Names, read_saved
from ossicle.tasks.text import TEXT_SETTINGS, TextRule
from ossicle.tasks.unseen import UNSEEN, UnseenUnits

HELPS: Final = (
    "What helps: more --epochs, --head-lr 1e-2 or 3e-2, --schedule constant, more training "
    "recordings"
)
MOST_PAIRS: Final = 1000  # pairs of transcripts from which `chance` is estimated


class SavedTranscription(Struct):
    """Entries of a saved transcription, in addition to those of `TextRule`."""

    units: Names
    unseen: Literal["count", "error"] = "count"


class Transcription(Task):
    """A transcript of a recording.

    Attributes:
        units: Characters, words or phones, in the order of the outputs from 1 on; 0 is the blank.
        rule: Normalises texts before they are spelt and compared.
        unseen: Units without training data count as errors (count), or are refused (error).
        by_word: Whether units spell words, separated by spaces, that a language model knows.
    """

    heads: ClassVar[tuple[str, ...]] = ("frames", "superb-frames")
    by_frame: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = False
    by_word: ClassVar[bool] = True
    min_steps: ClassVar[int] = 400  # CTC outputs blanks alone for the first hundred or so
    settings: ClassVar[Mapping[str, Setting]] = TEXT_SETTINGS | UNSEEN

    def __init__(
        self, units: Sequence[str], rule: TextRule | None = None, unseen: str = "count"
    ) -> None:
        self.units = tuple(units)
        self.rule = rule or TextRule()
        self.unseen = unseen
        self.num_outputs = len(self.units) + 1
        self._number_by_unit = {unit: number for number, unit in enumerate(self.units, start=1)}
        self._decoder: Decoder = greedy

    @staticmethod
    @abstractmethod
    def spell(text: str) -> list[str]:
        """Return the units of a normalised text."""

    @staticmethod
    @abstractmethod
    def join(units: Sequence[str]) -> str:
        """Return the text that units spell."""

    @classmethod
    @abstractmethod
    def edits(
        cls, labels: Sequence[str], hypotheses: Sequence[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Return errors and reference units of each recording, (N, 2), for each reported metric.

        Args:
            labels: The references, normalised.
            hypotheses: The hypotheses, normalised.
        """

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task with the units of the training transcripts."""
        del frame_rate
        unseen = settings.pop("unseen", "count")
        task = cls((), TextRule(**settings), unseen)
        if empty := [one.key for one in dataset.utterances if not task.units_of(one.label)]:
            rule = "" if task.rule == TextRule() else f" after {task.rule_text}"
            raise LabelError(
                f"{dataset.name}: {len(empty)} transcripts are empty{rule}: {listing(empty)}. "
                "Fill them in, or take the recordings out"
            )
        units = sorted({unit for one in dataset.train for unit in task.units_of(one.label)})
        task = cls(units, task.rule, unseen)
        for part in (dataset.valid, dataset.test):
            task.check_labels([one.label for one in part])
        return task

    @property
    def rule_text(self) -> str:
        """The task with the settings of its rule, as in `--task`."""
        return f"{self.name}({','.join(f'{k}={v}' for k, v in self.rule.to_dict().items())})"

    def with_rule(self, settings: Mapping[str, str]) -> Self:
        """Return the task with changed settings of its rule, and without units."""
        return type(self)((), replace(self.rule, **settings))

    def normalised(self, text: str) -> str:
        """Return the normalised text."""
        return self.rule(text)

    def units_of(self, text: str) -> list[str]:
        """Return the units of the normalised text."""
        return self.spell(self.normalised(text))

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean over recordings of the CTC loss divided by the number of units.

        Units without an output are left out of the text.

        Raises:
            LabelError: a text needs more frames than its recording has: the loss would be infinite.
        """
        targets = [self._numbers(label) for label in labels]
        num_frames = outputs.num_frames.cpu()
        for there_are, label in zip(num_frames.tolist(), labels, strict=True):
            if (needed := self.frames_needed(label)) > there_are:
                raise LabelError(
                    f"the transcript '{label}' needs {needed} frames and its recording has "
                    f"{there_are}, so that CTC cannot spell it"
                )
        device = outputs.values.device
        losses = F.ctc_loss(
            outputs.values.transpose(0, 1).log_softmax(dim=-1),  # (T, B, V)
            torch.tensor([number for target in targets for number in target], device=device),
            num_frames,
            torch.tensor([len(target) for target in targets]),
            blank=BLANK,
            reduction="none",
        )
        lengths = torch.tensor([max(1, len(target)) for target in targets], device=device)
        return (losses / lengths).mean()

    @property
    def output_names(self) -> tuple[str, ...]:
        """The blank, which is empty, and the units."""
        return ("", *self.units)

    def names_in(self, label: str) -> Collection[str]:
        """Return the units of a text."""
        return set(self.units_of(label))

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these units and the blank."""
        del parent
        units = sorted(name for name in names if name)
        check_count(self.name, units, fewest=1)
        return type(self)(units, self.rule, self.unseen)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """One choice of the blank and the units, in every frame."""
        return (Answer("choice", 0, self.num_outputs, ("", *self.units)),)

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the text as `label`."""
        units = [self.units[number - 1] for number in self._decoder(output)]
        return {"label": self.join(units)}

    def with_decoder(self, decoder: str) -> Self:
        """Return the task with another decoder: `greedy` or `beam(size=50,lm=FILE,...)`."""
        made = copy(self)
        made._decoder = build_decoder(
            decoder, self.units, by_word=self.by_word, normalise=self.normalised
        )
        return made

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the error rates, and the number of `empty` texts."""
        rates = self.metrics_by_rows(labels, decoded)(np.arange(len(labels)))
        empty = sum(not one["label"] for one in decoded)
        return {**rates, "empty": empty, "count": len(labels)}

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the error rates."""
        edits = self._edits(labels, decoded)
        return lambda rows: {name: rate(of_one[rows]) for name, of_one in edits.items()}

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return the error rates of all recordings together."""
        rule = {key: value for key, value in settings.items() if key in TEXT_SETTINGS}
        decoded = [{"label": one} for one in predicted]
        of_rows = cls((), TextRule(**rule)).metrics_by_rows(labels, decoded)
        return dict(of_rows(np.arange(len(labels))))

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return 1 - errors / units of each recording, by the primary metric."""
        edits = self._edits(labels, decoded)[self.primary_metric]
        return [1 - errors / max(units, 1) for errors, units in edits.tolist()]

    def chance(self, labels: Sequence[str]) -> float:
        """Return the better score of two answers: no text, and the text of another recording.

        The second is a mean over pairs of recordings: all of them, or about `MOST_PAIRS`.
        """
        count = len(labels)
        drawn = np.random.default_rng(0).permutation(count)
        texts = [labels[row] for row in drawn]
        shifts = range(1, min(count, 1 + math.ceil(MOST_PAIRS / count)))
        others = [texts[(row + shift) % count] for shift in shifts for row in range(count)]
        answers = [(texts, [""] * count), (texts * len(shifts), others)]
        return max(
            self.score(self.metrics(asked, [{"label": one} for one in answer]))
            for asked, answer in answers
            if asked
        )

    def chance_notice(self, metrics: Mapping[str, Any], chance: float) -> str:
        """Return whether the best epoch outputs only blanks, and what helps."""
        if metrics["empty"] < metrics["count"]:
            notice = super().chance_notice(metrics, chance)
        else:
            notice = (
                f"After the best epoch the output is blank for all {metrics['count']} validation "
                "recordings: training ended in the early phase of CTC, in which blanks are the "
                "most likely output in all frames"
            )
        return f"{notice}. {HELPS}"

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for an empty transcript, and for units without training data.

        With `unseen` at `error`, one such unit is refused; otherwise, more than half of all units.
        """
        if not all(self.units_of(label) for label in labels):
            raise LabelError("a transcript is empty; fill it in or take the recording out")
        unseen = UnseenUnits.find(self, labels)
        if unseen.counts and (self.unseen == "error" or unseen.fraction > 0.5):
            raise LabelError(unseen.error(self.units))

    def notices(self, side: str, labels: Sequence[str]) -> tuple[str, ...]:
        """Return a notice about the units without training data, if there are any."""
        unseen = UnseenUnits.find(self, labels)
        return (unseen.notice(side),) if unseen.counts else ()

    def frames_needed(self, label: str) -> int:
        """Return the number of units of the text, plus a blank between two equal ones."""
        units = self._numbers(label)
        return len(units) + sum(one == other for one, other in pairwise(units))

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, the units and the settings."""
        settings = self.rule.to_dict() | {"unseen": self.unseen}
        chosen = {key: value for key, value in settings.items() if key in self.settings}
        return {"name": self.name, "units": list(self.units), **chosen}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedTranscription)
        return cls(saved.units, TextRule.from_dict(data), saved.unseen)

    def _numbers(self, label: str) -> list[int]:
        """Return the output numbers of the units of a text, without unseen ones."""
        if self.unseen == "error":
            self.check_labels([label])
        numbers = (self._number_by_unit.get(unit) for unit in self.units_of(label))
        return [number for number in numbers if number is not None]

    def _edits(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, NDArray[np.int64]]:
        hypotheses = [self.normalised(one["label"]) for one in decoded]
        return self.edits([self.normalised(label) for label in labels], hypotheses)
