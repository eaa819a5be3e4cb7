"""Text with the text decoder of the backbone, such as Whisper's: what its tasks have in common.

    loss      cross-entropy of each token of the text and of its end, given those before them; the
              mean over the tokens of a recording, then over recordings
    answer    the tokens that the decoder generates

    target of a token = (1 - s) one-hot + s / V        with label smoothing s

The outputs of a recording are logits (U, V) of the tokens of its text in training, and in
evaluation its generated tokens with their log probabilities (U, 2). Start tokens and prompt are in
neither: they are given.

Source of label smoothing: Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7.
"""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from msgspec import Meta, Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset, Utterance
from ossicle.errors import LabelError, RunError, did_you_mean, listing
from ossicle.heads import DecoderHead, Head, Outputs
from ossicle.settings import Setting, parse
from ossicle.tasks.answer import Answer
from ossicle.tasks.base import Task
from ossicle.tasks.heard import (
    SIGNS,
    TEXT_DECODERS,
    Thresholds,
    answer,
    generating,
    placed,
    read_windows,
)
from ossicle.tasks.saved import read_saved
from ossicle.writing import TokenTable, Writing

AUTO: Final = "auto"
NEW: Final = "none"  # a language that the backbone does not know
NOT_TEXTS: Final = ("dimensions", "events", "slots", "slotvalues")  # labels of other tasks
_LEFT_OUT: Final = -100  # target of padding


class SavedText(Struct):
    """Entries of a saved task that writes text."""

    language: str = AUTO
    smoothing: Annotated[float, Meta(ge=0, lt=1)] = 0.0


class TextTask(Task):
    """A text, by the tokens of the backbone's decoder.

    Attributes:
        language: The setting: a language, `none` or `auto`.
        smoothing: Label smoothing.
        writing: How texts are written; its language is known once the task has a tokenizer.
        thresholds: When a text is taken for something that was not said.
        direction: `transcribe` or `translate`, as the start tokens say.
    """

    heads: ClassVar[tuple[str, ...]] = ("decoder",)
    by_frame: ClassVar[bool] = True
    label_format: ClassVar[str] = "the text"
    example: ClassVar[tuple[str, str]] = ("no", "on")
    closed_set: ClassVar[bool] = False
    needs_decoder: ClassVar[bool] = True
    goes_on: ClassVar[bool] = True
    direction: ClassVar[str] = "transcribe"
    settings: ClassVar[Mapping[str, Setting]] = {
        "language": Setting(
            "language that is spoken, such as de; `none`: one that the backbone does not know; "
            "`auto`: English, if the backbone knows no other",
            AUTO,
        ),
        "smoothing": Setting("label smoothing; 0, as Whisper was trained", 0.0, low=0, high=0.99),
    }

    def __init__(self, language: str = AUTO, smoothing: float = 0.0) -> None:
        self.language = language
        self.smoothing = smoothing
        self.writing = Writing(task=self.direction)
        self.thresholds = Thresholds()
        self.num_outputs = 0
        self._tokens: TokenTable | None = None

    @classmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task; the tokens of the texts are checked by `check_training`."""
        del frame_rate
        if dataset.label_name in NOT_TEXTS:
            raise LabelError(
                f"{dataset.name}: the labels are {dataset.label_name}, and the task {cls.name} "
                "writes texts. Name the column that holds them with text=COLUMN, or choose "
                "another --task"
            )
        if empty := [one.key for one in dataset.utterances if not one.label.strip()]:
            raise LabelError(
                f"{dataset.name}: {len(empty)} texts are empty: {listing(empty)}. Fill them in, or "
                "take the recordings out"
            )
        return cls(**settings)

    def with_tokens(self, tokens: TokenTable | None) -> Self:
        """Return the task with the tokenizer of the backbone, which knows the language."""
        assert tokens is not None, "a task that needs a decoder gets a backbone with one"
        made = copy(self)
        made.writing = replace(self.writing, language=_language(self.language, tokens, self.name))
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
        """Return the mean over recordings of the mean cross-entropy of their tokens and the end."""
        targets = self._targets(labels).to(outputs.values.device)  # (B, U)
        losses = F.cross_entropy(
            outputs.values.flatten(0, 1),
            targets.flatten(),
            ignore_index=_LEFT_OUT,
            label_smoothing=self.smoothing,
            reduction="none",
        ).view_as(targets)
        return (losses.sum(dim=1) / (targets != _LEFT_OUT).sum(dim=1)).mean()

    def _targets(self, labels: Sequence[str]) -> Int[Tensor, "B U"]:
        """Return the tokens of the texts, each with one end, and then padding."""
        ids = [torch.tensor([*self.tokens.encode(label), self.tokens.end]) for label in labels]
        return torch.nn.utils.rnn.pad_sequence(ids, batch_first=True, padding_value=_LEFT_OUT)

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
        """None: texts are not averaged, see `combine_members`."""
        return ()

    def combine_members(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the text whose tokens have the highest mean log probability in its own model.

        The first row of an output is no token of the text: it says how likely no speech is.

        Texts of several models have different tokens, so there is nothing to average.
        """
        return max(outputs, key=lambda one: (float(one[1:, 1].mean()), one[:, 0].tolist()))

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the text as `label`, and what `ossicle.tasks.heard` says of it."""
        windows = read_windows(output, self.tokens)
        times = self.writing.times or len(windows) > 1
        return answer(windows, self.thresholds, times=times)

    def placed(
        self, output: Tensor, start_s: float, end_s: float, *, silent: bool = False
    ) -> Tensor:
        """Return the output of a window with its place in the recording, in seconds."""
        return placed(output, start_s, end_s, silent=silent)

    def next_start(self, output: Tensor) -> float:
        """Return where the window after this one starts: after its last segment."""
        window = read_windows(output, self.tokens)[-1]
        if window.signs(self.thresholds)["no_speech"]:
            return window.end_s
        found = window.parts()[1]
        return found if found > window.start_s else window.end_s

    def combine_windows(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the outputs one after the other."""
        return torch.cat(list(outputs))

    def with_times(self) -> Self:
        """Return the task with times in its texts."""
        made = copy(self)
        made.writing = replace(self.writing, times=True)
        return made

    def with_decoder(self, decoder: str) -> Self:
        """Return the task with another decoder: `greedy` or `beam(size=5,...)`."""
        _, settings = parse(decoder, "decoder", TEXT_DECODERS)
        how, thresholds = generating(settings)
        made = copy(self)
        made.writing, made.thresholds = replace(self.writing, generating=how), thresholds
        return made

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the reported metrics, and the number of `empty` texts and of doubtful ones."""
        found = self.metrics_by_rows(labels, decoded)(np.arange(len(labels)))
        empty = sum(not one["label"] for one in decoded)
        signs = {sign: sum(bool(one.get(sign)) for one in decoded) for sign in SIGNS}
        return {**found, "empty": empty, **signs, "count": len(labels)}

    @abstractmethod
    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the reported metrics of those recordings."""

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for an empty text."""
        if not all(label.strip() for label in labels):
            raise LabelError("a text is empty; fill it in or take the recording out")

    def check_lengths(self, utterances: Sequence[Utterance], seconds: Sequence[float]) -> None:
        """Raise LabelError for prompts that are longer than half of what the decoder takes."""
        del seconds
        prompts = {one.key: one.prompt for one in utterances if one.prompt}
        room = self._prompt_room
        sizes = {key: len(self.tokens.encode(text)) for key, text in prompts.items()}
        if long := [f"{key} ({size})" for key, size in sizes.items() if size > room]:
            raise LabelError(
                f"{len(long)} prompts have more than {room} tokens, half of what the decoder "
                f"takes: {listing(long)}. Shorten them"
            )

    def check_prompt(self, prompt: str) -> None:
        """Raise RunError for a prompt that is longer than half of what the decoder takes."""
        if (size := len(self.tokens.encode(prompt))) > self._prompt_room:
            raise RunError(
                f"the prompt has {size} tokens, and the decoder takes {self._prompt_room}, half of "
                "all. Shorten it"
            )

    @property
    def _prompt_room(self) -> int:
        return self.tokens.max_length // 2 - 1  # as in Whisper's own code

    def check_training(self, utterances: Sequence[Utterance]) -> None:
        """Raise LabelError for texts that the decoder cannot be trained to write."""
        tokens = self.tokens
        ids = {one.key: tokens.encode(one.label) for one in utterances}
        wrong = [one for one in utterances if tokens.decode(ids[one.key]) != one.label.strip()]
        if wrong:
            raise LabelError(
                f"the tokenizer cannot write {len(wrong)} texts: "
                f"{listing(f'{one.key} ({one.label!r:.60})' for one in wrong)}. Texts with its own "
                "marks, such as <|endoftext|>, are read as these. Correct them, or take the "
                "recordings out"
            )
        how = self.writing
        begun = {
            one.key: len(tokens.starting(how.language, how.task, prompt=one.prompt))
            for one in utterances
        }
        room = tokens.max_length - 1  # the end
        long = [
            f"{key} ({len(text)} tokens after {begun[key]} of prompt and start)"
            for key, text in ids.items()
            if begun[key] + len(text) > room
        ]
        if long:
            raise LabelError(
                f"{len(long)} texts are longer than the decoder takes, {room} tokens and the end: "
                f"{listing(long)}. Cut these recordings, or take them out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task and its settings."""
        return {"name": self.name, **{key: getattr(self, key) for key in self.settings}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedText)
        return cls(saved.language, saved.smoothing)


def _language(asked: str, tokens: TokenTable, task: str) -> str | None:
    """Return the language that the start tokens name; None: they name none.

    Raises:
        RunError: the tokenizer does not know the language, or knows several and none was chosen.
    """
    known = tokens.languages
    how = f"--task '{task}(language=none)'"
    if asked == NEW:
        return None
    if not known:
        if asked in (AUTO, "en"):
            return None
        raise RunError(
            f"the backbone writes English alone, and the language is '{asked}'. Use a multilingual "
            f"backbone, or train it as one that it does not know: {how}"
        )
    if asked == AUTO:
        raise RunError(
            f"the backbone knows {len(known)} languages; say which one is spoken, as in --task "
            f"'{task}(language={known[0]})', or {how} for one that it does not know"
        )
    if asked not in known:
        raise RunError(
            f"the backbone knows no language '{asked}'.{did_you_mean(asked, known)} It knows "
            f"{listing(known, 100)}. For another one, say {how}"
        )
    return asked
