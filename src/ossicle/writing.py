"""Writing text: what is written, how it is generated, and the interface of a text decoder.

Backbones have decoders, heads run them, and tasks say what they write; the three meet here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Text:
    """What is written about a recording.

    Attributes:
        label: The text to write; not read where a decoder generates.
        prompt: What was asked or said before; empty: nothing.
        seconds: Length of the recording, which bounds that of its text; None: it is not known.
        times: Whether it is generated with times, as the windows of a long recording are.
    """

    label: str = ""
    prompt: str = ""
    seconds: float | None = None
    times: bool = False


@dataclass(frozen=True, slots=True)
class Generating:
    """How texts are generated.

    Attributes:
        beams: Hypotheses of a beam search; 1: greedy.
        max_tokens: Most tokens of a text, its end included; None: by the length of the recording.
        suppress: Whether what the checkpoint suppresses is never generated.
        suppressed: Ids that are never generated.
        not_first: Ids with which no text begins.
    """

    beams: int = 1
    max_tokens: int | None = None
    suppress: bool = True
    suppressed: tuple[int, ...] = ()
    not_first: tuple[int, ...] = ()

    def of_checkpoint(self, checkpoint: "Generating") -> "Generating":
        """Return the same without the ids that a checkpoint suppresses, if `suppress` says so."""
        if not self.suppress:
            return self
        return replace(self, suppressed=checkpoint.suppressed, not_first=checkpoint.not_first)


@dataclass(frozen=True, slots=True)
class Writing:
    """How a task writes.

    Attributes:
        language: Language that the start tokens name; None: none.
        task: `transcribe` or `translate`.
        times: Whether texts have times.
        generating: How texts are generated.
    """

    language: str | None = None
    task: str = "transcribe"
    times: bool = False
    generating: Generating = field(default_factory=Generating)


@runtime_checkable
class TokenTable(Protocol):
    """Texts as token ids: the tokenizer of a decoder."""

    @property
    def end(self) -> int:
        """The id of the end of a text."""

    @property
    def max_length(self) -> int:
        """Most tokens of a sequence, start and end included."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the start can name; none if it names none."""

    @property
    def has_spellings(self) -> bool:
        """Whether its rule for English is there, which needs a list of spellings."""

    def normalise(self, text: str, rule: str) -> str:
        """Return a text by the rule `english` or `basic`, so that its words can be compared."""

    @property
    def no_speech(self) -> int:
        """The id that says that there is no speech."""

    @property
    def first_time(self) -> int:
        """The id of the time 0; each one after it is 20 ms later."""

    def starting(
        self, language: str | None, task: str = ..., *, prompt: str = ..., times: bool = ...
    ) -> list[int]:
        """Return the ids that come before a text."""

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without special tokens."""


class TextDecoder(Protocol):
    """A decoder on the output of an encoder."""

    @property
    def tokens(self) -> TokenTable:
        """Its tokenizer."""

    @property
    def generating(self) -> Generating:
        """How the checkpoint says that texts are generated."""

    def logits(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        ids: Int[Tensor, "B U"],
    ) -> Float[Tensor, "B U V"]:
        """Return the logits of the token after each of these."""

    def generate(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        starts: Sequence[Sequence[int]],
        how: Generating,
        most: Sequence[int] | None = None,
    ) -> list[Float[Tensor, "U 2"]]:
        """Return for each row the generated ids, and their log probabilities.

        The first one is the id of no speech, with its log probability at the start of the text.
        """
