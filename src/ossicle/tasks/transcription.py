"""Transcription with CTC: speech recognition by character or word, phone recognition by phone.

    P(text | frames) = sum over all ways to spread the units of the text over the frames, with
                       blanks between

The best unit of each frame is taken, repetitions are merged and blanks dropped, unless a beam
search is asked for. The units are those of the training transcripts. Text is compared as it is
written in the corpus, but for runs of spaces; write it in one case.

Source: Graves et al. 2006, "Connectionist temporal classification".
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ossicle.data import Dataset
from ossicle.errors import AdapterFileError, LabelError, listing
from ossicle.metrics.edits import character_edits, rate, word_edits
from ossicle.tasks.base import Task
from ossicle.tasks.decoder import BLANK, Decoder, build_decoder, greedy


class Transcription(Task):
    """A text for a recording.

    Attributes:
        units: What a text is made of, in the order of the outputs from 1 on; 0 is the blank.
        by_word: Whether units make up words with spaces between, as a language model knows them.
    """

    heads: ClassVar[tuple[str, ...]] = ("frames", "superb-frames")
    by_frame: ClassVar[bool] = True
    best: ClassVar[float] = 0.0
    by_word: ClassVar[bool] = True

    def __init__(self, units: Sequence[str]) -> None:
        self.units = tuple(units)
        self.num_outputs = len(self.units) + 1
        self._number_by_unit = {unit: number for number, unit in enumerate(self.units, start=1)}
        self._decoder: Decoder = greedy

    @staticmethod
    @abstractmethod
    def spell(text: str) -> list[str]:
        """Return the units of a text."""

    @staticmethod
    @abstractmethod
    def join(units: Sequence[str]) -> str:
        """Return the text of some units."""

    @classmethod
    @abstractmethod
    def edits(cls, labels: Sequence[str], said: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return errors and units of each recording, (N, 2), for every figure of `shown`."""

    @classmethod
    def of(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task of writing with the units of the training transcripts."""
        del frame_rate, settings
        if empty := [one.key for one in dataset.utterances if not cls.spell(one.label)]:
            raise LabelError(
                f"{dataset.name}: {len(empty)} transcripts are empty: {listing(empty)}. Fill them "
                "in, or take the recordings out"
            )
        units = sorted({unit for one in dataset.train for unit in cls.spell(one.label)})
        task = cls(units)
        for part in (dataset.valid, dataset.test):
            task.check_labels([one.label for one in part])
        return task

    def loss(self, outputs: Sequence[Tensor], labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean over recordings of CTC's loss for each unit of the text.

        Raises:
            LabelError: a text needs more frames than its recording has: the loss would be infinite.
        """
        targets = [self._numbers(label) for label in labels]
        for output, label in zip(outputs, labels, strict=True):
            if (needed := self.frames_needed(label)) > len(output):
                raise LabelError(
                    f"the transcript '{label}' needs {needed} frames and its recording has "
                    f"{len(output)}, so that CTC cannot spell it"
                )
        device = outputs[0].device
        logits = nn.utils.rnn.pad_sequence(list(outputs))  # (T, B, V)
        losses = F.ctc_loss(
            logits.log_softmax(dim=-1),
            torch.tensor([number for target in targets for number in target], device=device),
            torch.tensor([len(output) for output in outputs]),
            torch.tensor([len(target) for target in targets]),
            blank=BLANK,
            reduction="none",
        )
        lengths = torch.tensor([len(target) for target in targets], device=device)
        return (losses / lengths).mean()

    def combine(self, windows: Sequence[Tensor]) -> Tensor:
        """Return the only window: a text is not put together from overlapping ones."""
        (whole,) = windows
        return whole

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the text as `label`."""
        units = [self.units[number - 1] for number in self._decoder(output)]
        return {"label": self.join(units)}

    def decoded_by(self, decoder: str) -> Self:
        """Return the task with another decoder: `greedy` or `beam(size=50,lm=FILE,...)`."""
        made = copy(self)
        made._decoder = build_decoder(decoder, self.units, by_word=self.by_word)
        return made

    def figures(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the error rates."""
        return {**self.resampler(labels, decoded)(np.arange(len(labels))), "count": len(labels)}

    def resampler(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a quick function from chosen rows to the error rates."""
        edits = self.edits(labels, [one["label"] for one in decoded])
        return lambda rows: {name: rate(of_one[rows]) for name, of_one in edits.items()}

    def each(self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]) -> list[float]:
        """Return 1 - (errors / units) of each recording, by the primary figure."""
        edits = self.edits(labels, [one["label"] for one in decoded])[self.primary]
        return [1 - errors / max(units, 1) for errors, units in edits.tolist()]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for transcripts with units that training has not, or with none."""
        strange: dict[str, str] = {}
        for label in labels:
            units = self.spell(label)
            if not units:
                raise LabelError("a transcript is empty; fill it in or take the recording out")
            strange |= {unit: label for unit in units if unit not in self._number_by_unit}
        if strange:
            raise LabelError(
                f"{len(strange)} units of the transcripts are in none of training: "
                f"{listing(repr(unit) for unit in strange)}, for example in "
                f"'{next(iter(strange.values()))}'. Training has: {listing(self.units, 60)}. Write "
                "all transcripts in one way, or move some to train"
            )

    def frames_needed(self, label: str) -> int:
        """Return the units of the text, and a blank between two equal ones."""
        units = self.spell(label)
        return len(units) + sum(one == other for one, other in pairwise(units))

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task and the units."""
        return {"name": self.name, "units": list(self.units)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described."""
        units = data.get("units")
        if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
            raise AdapterFileError(f"the units of a transcription are {units!r}; restore them")
        return cls(units)

    def _numbers(self, label: str) -> list[int]:
        self.check_labels([label])
        return [self._number_by_unit[unit] for unit in self.spell(label)]


@final
class SpeechRecognition(Transcription):
    """Text by character, spaces included."""

    name: ClassVar[str] = "asr"
    about: ClassVar[str] = "a text for a recording, written by character with CTC"
    example: ClassVar[tuple[str, str]] = ("no", "on")
    primary: ClassVar[str] = "wer"
    shown: ClassVar[Mapping[str, str]] = {"wer": "WER", "cer": "CER"}
    each_name: ClassVar[str] = "right words"

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return the characters; a run of spaces is one."""
        return list(" ".join(text.split()))

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the text without spaces at its ends."""
        return " ".join("".join(units).split())

    @classmethod
    def edits(cls, labels: Sequence[str], said: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return those of words and of characters."""
        texts = [" ".join(label.split()) for label in labels]
        return {"wer": word_edits(texts, said), "cer": character_edits(texts, said)}


@final
class WordRecognition(Transcription):
    """Text by word, for a few words; a word that training has not cannot be written."""

    name: ClassVar[str] = "words"
    about: ClassVar[str] = "a text for a recording, written by word with CTC"
    example: ClassVar[tuple[str, str]] = ("no one", "one no")
    primary: ClassVar[str] = "wer"
    shown: ClassVar[Mapping[str, str]] = {"wer": "WER"}
    by_word: ClassVar[bool] = False  # units are words already
    each_name: ClassVar[str] = "right words"

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return the words."""
        return text.split()

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the words with spaces between."""
        return " ".join(units)

    @classmethod
    def edits(cls, labels: Sequence[str], said: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return those of words."""
        return {"wer": word_edits([" ".join(label.split()) for label in labels], said)}


@final
class PhoneRecognition(Transcription):
    """Phones, which spaces part in the corpus."""

    name: ClassVar[str] = "phones"
    about: ClassVar[str] = "phones for a recording, written with spaces between, with CTC"
    example: ClassVar[tuple[str, str]] = ("n oʊ", "ɒ n")
    primary: ClassVar[str] = "per"
    shown: ClassVar[Mapping[str, str]] = {"per": "PER"}
    by_word: ClassVar[bool] = False
    each_name: ClassVar[str] = "right phones"

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return what spaces part."""
        return text.split()

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the phones with spaces between."""
        return " ".join(units)

    @classmethod
    def edits(cls, labels: Sequence[str], said: Sequence[str]) -> dict[str, NDArray[np.int64]]:
        """Return those of phones."""
        return {"per": word_edits(labels, said)}
