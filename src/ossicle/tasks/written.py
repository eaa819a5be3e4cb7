"""What the decoder of a backbone writes: a transcript, a translation, or the answer to a question.

seq2seq       what is said           word and character error rate
translation   its translation        chrF and BLEU
answering     the answer to what was asked (a column `prompt`)      F1 and exact match
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, Self, final

import numpy as np
from numpy.typing import NDArray

from ossicle.errors import RunError
from ossicle.metrics.edits import character_edits, rate, word_edits
from ossicle.metrics.metric import Metric
from ossicle.metrics.questions import exact_match, token_f1
from ossicle.metrics.translation import bleu_counts, chrf_counts
from ossicle.settings import Setting
from ossicle.tasks.base import Task
from ossicle.tasks.saved import read_saved
from ossicle.tasks.seq2seq import AUTO, SavedText, TextTask
from ossicle.writing import TokenTable

NORMALISER: Final = "normaliser"
RULES: Final = {
    "english": "for English: numbers, contractions and spellings too",
    "basic": "for all languages: case, punctuation and what is in brackets",
}


class SavedSeq2Seq(SavedText):
    """Entries of a saved transcription."""

    normaliser: Literal["auto", "english", "basic"] = "auto"


@final
class Seq2Seq(TextTask):
    """A transcript.

    Attributes:
        normaliser: The setting.
    """

    name: ClassVar[str] = "seq2seq"
    about: ClassVar[str] = "what is said, by the backbone's own decoder (Whisper)"
    hub_task: ClassVar[str | None] = "automatic-speech-recognition"
    higher_is_better: ClassVar[bool] = False
    primary_metric: ClassVar[str] = "wer"
    reported: ClassVar[Mapping[str, Metric]] = {
        "wer": Metric("WER"),
        "cer": Metric("CER"),
        "wer_normalised": Metric("normalised WER"),
        "cer_normalised": Metric("normalised CER"),
    }
    recording_score: ClassVar[Metric] = Metric("word accuracy")
    settings: ClassVar[Mapping[str, Setting]] = {
        **TextTask.settings,
        "task": Setting(
            "`translate` and `answer` stand for the tasks translation and answering",
            "transcribe",
            ("transcribe", "translate", "answer"),
        ),
        NORMALISER: Setting(
            "Whisper's rule before the normalised error rates; `auto`: english for English, if the "
            "backbone has normalizer.json, else basic",
            AUTO,
            (AUTO, *RULES),
        ),
    }

    def __init__(
        self, language: str = AUTO, smoothing: float = 0.0, normaliser: str = AUTO
    ) -> None:
        super().__init__(language, smoothing)
        self.normaliser = normaliser
        self._rule = "basic"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> tuple[type[Task], dict[str, Any]]:
        """Return the task that the setting `task` stands for."""
        known: dict[str, tuple[type[Task], Mapping[str, Setting]]] = {
            "transcribe": (cls, cls.settings),
            "translate": (Translation, Translation.settings),
            "answer": (Answering, Answering.settings),
        }
        kind, taken = known[settings["task"]]
        return kind, {key: settings[key] for key in taken if key in settings and key != "task"}

    def with_tokens(self, tokens: TokenTable | None) -> Self:
        """Return the task with the tokenizer of the backbone, and with its rule."""
        made = super().with_tokens(tokens)
        has_english = made.tokens.has_spellings
        if self.normaliser == "english" and not has_english:
            raise RunError(
                "the backbone has no normalizer.json, which the rule for English needs. Copy it "
                f"from the original model, or say --task '{self.name}(normaliser=basic)'"
            )
        is_english = made.writing.language == "en" or not (made.tokens.languages)
        chosen = "english" if is_english and has_english else "basic"
        made._rule = chosen if self.normaliser == AUTO else self.normaliser
        return made

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the error rates, the rule of the normalised ones, and the `empty` texts."""
        return {**super().metrics(labels, decoded), NORMALISER: self._rule}

    @classmethod
    def details(cls, metrics: Mapping[str, Any]) -> list[str]:
        """Return the rule of the normalised error rates."""
        return [f"normalised by Whisper's rule {RULES[metrics[NORMALISER]]}"]

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the error rates."""
        texts = labels, [one["label"] for one in decoded]
        plain = [[self.tokens.normalise(text, self._rule) for text in side] for side in texts]
        edits = {
            "wer": word_edits(*texts),
            "cer": character_edits(*texts),
            "wer_normalised": word_edits(*plain),
            "cer_normalised": character_edits(*plain),
        }
        return lambda rows: {name: rate(of_one[rows]) for name, of_one in edits.items()}

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return 1 - errors / words of each recording."""
        edits = word_edits(labels, [one["label"] for one in decoded])
        return [1 - errors / max(words, 1) for errors, words in edits.tolist()]

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task and its settings."""
        return {
            "name": self.name,
            "language": self.language,
            "smoothing": self.smoothing,
            NORMALISER: self.normaliser,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedSeq2Seq)
        return cls(saved.language, saved.smoothing, saved.normaliser)


@final
class Translation(TextTask):
    """A translation; into English, as Whisper was trained, or into what the texts are in.

    chrF chooses the best epoch: BLEU is 0 as long as no four words in a row are right.
    """

    name: ClassVar[str] = "translation"
    about: ClassVar[str] = "the translation of what is said, by the backbone's own decoder"
    direction: ClassVar[str] = "translate"
    primary_metric: ClassVar[str] = "chrf"
    reported: ClassVar[Mapping[str, Metric]] = {"chrf": Metric("chrF"), "bleu": Metric("BLEU")}
    recording_score: ClassVar[Metric] = Metric("chrF of the recording")

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to chrF and BLEU."""
        return _translation_metrics(labels, [one["label"] for one in decoded])

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return chrF and BLEU of all recordings together."""
        del settings
        return dict(_translation_metrics(labels, predicted)(np.arange(len(labels))))

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return the chrF of each recording."""
        counts = chrf_counts(labels, [one["label"] for one in decoded])
        return [counts.score(np.array([row])) for row in range(len(labels))]


@final
class Answering(TextTask):
    """The answer to a question, which a prompt asks, about what is said."""

    name: ClassVar[str] = "answering"
    about: ClassVar[str] = "the answer to a question (column `prompt`), by the backbone's decoder"
    label_format: ClassVar[str] = "the answer"
    primary_metric: ClassVar[str] = "f1"
    reported: ClassVar[Mapping[str, Metric]] = {
        "f1": Metric("F1"),
        "exact_match": Metric("exact match"),
    }
    recording_score: ClassVar[Metric] = Metric("F1 of the recording")

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to F1 and exact match."""
        return _answer_metrics(labels, [one["label"] for one in decoded])

    @classmethod
    def pooled_metrics(
        cls, labels: Sequence[str], predicted: Sequence[str], **settings: Any
    ) -> dict[str, float]:
        """Return F1 and exact match of all recordings together."""
        del settings
        return dict(_answer_metrics(labels, predicted)(np.arange(len(labels))))

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return the F1 of each recording."""
        return [token_f1(label, one["label"]) for label, one in zip(labels, decoded, strict=True)]


def _translation_metrics(
    labels: Sequence[str], predicted: Sequence[str]
) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
    counts = {"chrf": chrf_counts(labels, predicted), "bleu": bleu_counts(labels, predicted)}
    return lambda rows: {name: of_one.score(rows) for name, of_one in counts.items()}


def _answer_metrics(
    labels: Sequence[str], predicted: Sequence[str]
) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
    pairs = list(zip(labels, predicted, strict=True))
    scores = {
        "f1": np.array([token_f1(*pair) for pair in pairs]),
        "exact_match": np.array([exact_match(*pair) for pair in pairs]),
    }
    return lambda rows: {name: float(of_one[rows].mean()) for name, of_one in scores.items()}
