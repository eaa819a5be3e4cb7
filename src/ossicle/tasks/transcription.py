"""Speech recognition by character or by word, and phone recognition, with CTC."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from ossicle.head_form import OutputKind
from ossicle.metrics.edits import character_edits, word_edits
from ossicle.metrics.metric import Metric
from ossicle.settings import Setting
from ossicle.tasks.ctc import Transcription
from ossicle.tasks.unseen import UNSEEN


@final
class SpeechRecognition(Transcription):
    """Text by character, spaces included."""

    name: ClassVar[str] = "asr"
    suggested_by: ClassVar[tuple[str, ...]] = ("transcript",)
    about: ClassVar[str] = "a transcript, by character"
    hub_task: ClassVar[str | None] = "automatic-speech-recognition"
    label_format: ClassVar[str] = "the text"
    example: ClassVar[tuple[str, str]] = ("no", "on")
    primary_metric: ClassVar[str] = "wer"
    reported: ClassVar[Mapping[str, Metric]] = {"wer": Metric("WER"), "cer": Metric("CER")}
    recording_score: ClassVar[Metric] = Metric("word accuracy")

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return the characters; a run of spaces counts as one."""
        return list(" ".join(text.split()))

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the text without spaces at its ends."""
        return " ".join("".join(units).split())

    @classmethod
    def edits(
        cls, labels: Sequence[str], hypotheses: Sequence[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the edits of words and of characters."""
        return {"wer": word_edits(labels, hypotheses), "cer": character_edits(labels, hypotheses)}

    def output_kind(self) -> OutputKind:
        """Return the characters."""
        return OutputKind("text", self.units)


@final
class WordRecognition(Transcription):
    """Text by word, for small vocabularies; words without training data cannot be written."""

    name: ClassVar[str] = "words"
    about: ClassVar[str] = "a transcript with a small vocabulary, by word"
    hub_task: ClassVar[str | None] = "automatic-speech-recognition"
    label_format: ClassVar[str] = "the text"
    example: ClassVar[tuple[str, str]] = ("no one", "one no")
    primary_metric: ClassVar[str] = "wer"
    reported: ClassVar[Mapping[str, Metric]] = {"wer": Metric("WER")}
    by_word: ClassVar[bool] = False  # units are words already
    recording_score: ClassVar[Metric] = Metric("word accuracy")

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return the words."""
        return text.split()

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the words, separated by spaces."""
        return " ".join(units)

    @classmethod
    def edits(
        cls, labels: Sequence[str], hypotheses: Sequence[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the edits of words."""
        return {"wer": word_edits(labels, hypotheses)}

    def output_kind(self) -> OutputKind:
        """Return the words."""
        return OutputKind("text", self.units, separator=" ")


@final
class PhoneRecognition(Transcription):
    """Phones, separated by spaces."""

    name: ClassVar[str] = "phones"
    suggested_by: ClassVar[tuple[str, ...]] = ("phones",)
    about: ClassVar[str] = "the phones, separated by spaces"
    hub_task: ClassVar[str | None] = "automatic-speech-recognition"
    label_format: ClassVar[str] = "the phones, separated by spaces"
    example: ClassVar[tuple[str, str]] = ("n oʊ", "ɒ n")
    primary_metric: ClassVar[str] = "per"
    reported: ClassVar[Mapping[str, Metric]] = {"per": Metric("PER")}
    by_word: ClassVar[bool] = False
    settings: ClassVar[Mapping[str, Setting]] = UNSEEN
    recording_score: ClassVar[Metric] = Metric("phone accuracy")

    @staticmethod
    def spell(text: str) -> list[str]:
        """Return the phones."""
        return text.split()

    @staticmethod
    def join(units: Sequence[str]) -> str:
        """Return the phones, separated by spaces."""
        return " ".join(units)

    @classmethod
    def edits(
        cls, labels: Sequence[str], hypotheses: Sequence[str]
    ) -> dict[str, NDArray[np.int64]]:
        """Return the edits of phones."""
        return {"per": word_edits(labels, hypotheses)}

    def output_kind(self) -> OutputKind:
        """Return the phones."""
        return OutputKind("text", self.units, separator=" ")
