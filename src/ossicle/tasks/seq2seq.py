"""Speech to text with the text decoder of the backbone, such as Whisper's: `seq2seq`.

    loss      cross-entropy of each token of the text and of its end, given those before them; the
              mean over the tokens of a recording, then over recordings
    answer    the tokens that the decoder generates

The outputs of a recording are logits (U, V) of the tokens of its text in training, and in
evaluation its generated tokens with their log probabilities (U, 2).
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset
from ossicle.errors import LabelError, RunError, did_you_mean, listing
from ossicle.heads import DecoderHead, Head, Outputs
from ossicle.metrics.edits import character_edits, rate, word_edits
from ossicle.metrics.metric import Metric
from ossicle.settings import Setting
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task
from ossicle.tasks.saved import read_saved
from ossicle.writing import TokenTable, Writing


class SavedSeq2Seq(Struct):
    """Entries of a saved task."""

    language: str | None = None
    task: str = "transcribe"


@final
class Seq2Seq(Task):
    """A text, by the tokens of the backbone's decoder.

    Attributes:
        writing: Language and kind of the texts.
    """

    name: ClassVar[str] = "seq2seq"
    about: ClassVar[str] = "a text, by the backbone's own decoder (Whisper)"
    heads: ClassVar[tuple[str, ...]] = ("decoder",)
    by_frame: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = False
    label_format: ClassVar[str] = "the text"
    example: ClassVar[tuple[str, str]] = ("no", "on")
    primary_metric: ClassVar[str] = "wer"
    reported: ClassVar[Mapping[str, Metric]] = {"wer": Metric("WER"), "cer": Metric("CER")}
    recording_score: ClassVar[Metric] = Metric("word accuracy")
    closed_set: ClassVar[bool] = False
    needs_decoder: ClassVar[bool] = True
    settings: ClassVar[Mapping[str, Setting]] = {
        "language": Setting("language of the texts, such as de; none: a new one", "en"),
        "task": Setting(
            "transcribe, or translate into English", "transcribe", ("transcribe", "translate")
        ),
    }

    def __init__(self, writing: Writing) -> None:
        self.writing = writing
        self.num_outputs = 0
        self._tokens: TokenTable | None = None

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task; the texts are checked when it has a tokenizer."""
        del frame_rate
        language = settings.get("language", "en")
        made = cls(
            Writing(None if language == "none" else language, settings.get("task", "transcribe"))
        )
        if empty := [one.key for one in dataset.utterances if not one.label.strip()]:
            raise LabelError(
                f"{dataset.name}: {len(empty)} transcripts are empty: {listing(empty)}. Fill them "
                "in, or take the recordings out"
            )
        return made

    def with_tokens(self, tokens: TokenTable | None) -> Self:
        """Return the task with the tokenizer of the backbone."""
        assert tokens is not None, "a task that needs a decoder gets a backbone with one"
        language, known = self.writing.language, tokens.languages
        if language is not None and known and language not in known:
            raise RunError(
                f"the backbone knows no language '{language}'.{did_you_mean(language, known)} Of a "
                "language that it does not know, say --task 'seq2seq(language=none)'"
            )
        made = copy(self)
        made._tokens = tokens
        return made

    def configure(self, head: Head) -> None:
        """Tell the head how this task writes."""
        assert isinstance(head, DecoderHead), "the task has no other head"
        head.writing = self.writing

    @property
    def tokens(self) -> TokenTable:
        """The tokenizer of the backbone."""
        assert self._tokens is not None, "with_tokens comes first"
        return self._tokens

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean over recordings of the mean cross-entropy of their tokens."""
        device = outputs.values.device
        losses = []
        for row, label in zip(outputs.rows(), labels, strict=True):
            ids = torch.tensor([*self.tokens.encode(label), self.tokens.end], device=device)
            losses.append(F.cross_entropy(row.float(), ids))
        return torch.stack(losses).mean()

    @property
    def output_names(self) -> tuple[str, ...]:
        """None: the decoder's tokens are the backbone's."""
        return ()

    def names_in(self, label: str) -> Collection[str]:  # noqa: ARG002 - see Task
        """Return none."""
        return ()

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:  # noqa: ARG002 - see Task
        """Return the task itself: outputs are the backbone's."""
        return self

    @property
    def answers(self) -> tuple[Answer, ...]:
        """None: a text is no answer that outputs of several models can be averaged for."""
        return ()

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the text as `label`."""
        return {"label": self.tokens.decode([int(one) for one in output[:, 0].tolist()])}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the error rates."""
        rates = self.metrics_by_rows(labels, decoded)(np.arange(len(labels)))
        return {**rates, "count": len(labels)}

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the error rates."""
        hypotheses = [one["label"] for one in decoded]
        edits = {
            "wer": word_edits(labels, hypotheses),
            "cer": character_edits(labels, hypotheses),
        }
        return lambda rows: {name: rate(of_one[rows]) for name, of_one in edits.items()}

    def recording_scores(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> list[float]:
        """Return 1 - errors / words of each recording."""
        edits = word_edits(labels, [one["label"] for one in decoded])
        return [1 - errors / max(words, 1) for errors, words in edits.tolist()]

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for an empty text."""
        if not all(label.strip() for label in labels):
            raise LabelError("a transcript is empty; fill it in or take the recording out")

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, and how it writes."""
        return {"name": self.name, "language": self.writing.language, "task": self.writing.task}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedSeq2Seq)
        return cls(Writing(saved.language, saved.task))
