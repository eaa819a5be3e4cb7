"""The tokenizer of a Whisper: texts as token ids, and the special tokens around them.

    <|startofprev|> prompt                                     if there is a prompt
    <|startoftranscript|> <|de|> <|transcribe|>                language and task if multilingual
    <|notimestamps|> text <|endoftext|>

Read from the `tokenizer.json` of a backbone. A random model gets a tokenizer of bytes, which can
write every text.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE

from ossicle.errors import BackboneError

TOKENIZER: Final = "tokenizer.json"
SPELLINGS: Final = "normalizer.json"
TASKS: Final = ("transcribe", "translate")
RANDOM_LANGUAGES: Final = ("de", "en", "fr")
TIME_STEP_S: Final = 0.02
_NAMED: Final = (
    *("endoftext", "startoftranscript", *RANDOM_LANGUAGES, "translate", "transcribe"),
    *("startoflm", "startofprev", "nospeech", "notimestamps"),
)


class Tokens:
    """Text to token ids and back.

    Attributes:
        where: Name of the backbone, for messages.
        is_multilingual: Whether the start says the language and the task.
        max_length: Most tokens of a sequence, start and end included.
        spellings: American spellings by British ones, for `normalise`; None: the model has none.
        end: The id of the end of a text.
        start: The id of the start of a text.
        no_times: The id that says that a text has no times.
        no_speech: The id that says that there is no speech.
        first_time: The id of the time 0; each one after it is `TIME_STEP_S` later.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        where: str,
        *,
        is_multilingual: bool,
        max_length: int,
        spellings: Mapping[str, str] | None = None,
    ) -> None:
        self.where = where
        self.spellings = spellings
        self.is_multilingual = is_multilingual
        self.max_length = max_length
        self._tokenizer = tokenizer
        self.end = self.special("endoftext")
        self.start = self.special("startoftranscript")
        self.no_times = self.special("notimestamps")
        self.no_speech = self.no_times - 1  # of several names
        self.first_time = self.no_times + 1

    @classmethod
    def read(
        cls,
        file: Path,
        where: str,
        *,
        is_multilingual: bool,
        max_length: int,
        spellings: Mapping[str, str] | None = None,
    ) -> "Tokens":
        """Return the tokenizer of a file.

        Raises:
            BackboneError: the file is damaged, or is not the tokenizer of a Whisper.
        """
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # tokenizers raises no narrower one
            raise BackboneError(
                f"backbone '{where}': {TOKENIZER} cannot be read: {error}. Copy it again"
            ) from error
        return cls(
            tokenizer,
            where,
            is_multilingual=is_multilingual,
            max_length=max_length,
            spellings=spellings,
        )

    @classmethod
    def of_bytes(cls, where: str, seconds: int, *, vocabulary: int, max_length: int) -> "Tokens":
        """Return a tokenizer with a token for each byte, for random models.

        Args:
            where: Name of the backbone.
            seconds: Length of a chunk, for which there are times.
            vocabulary: Token ids that the model has.
            max_length: Most tokens of a sequence.

        Raises:
            BackboneError: the model has too few token ids.
        """
        letters = sorted(pre_tokenizers.ByteLevel.alphabet())
        tokenizer = Tokenizer(BPE({letter: i for i, letter in enumerate(letters)}, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        times = (f"{step * TIME_STEP_S:.2f}" for step in range(round(seconds / TIME_STEP_S) + 1))
        names = [AddedToken(f"<|{name}|>", special=True) for name in (*_NAMED, *times)]
        tokenizer.add_special_tokens(names)
        if tokenizer.get_vocab_size() > vocabulary:
            raise BackboneError(
                f"'{where}' has {vocabulary} token ids; its tokenizer of bytes, special tokens and "
                f"times needs {tokenizer.get_vocab_size()}. Set vocab_size to that, or more"
            )
        return cls(tokenizer, where, is_multilingual=True, max_length=max_length)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """The languages that the start can name, such as `de`; none if it is not multilingual."""
        if not self.is_multilingual:
            return ()
        special = self._tokenizer.get_added_tokens_decoder().values()
        names = (one.content.strip("<|>") for one in special)
        return tuple(sorted(name for name in names if 2 <= len(name) <= 3 and name.isalpha()))

    @property
    def has_spellings(self) -> bool:
        """Whether `normalise` has a rule for English."""
        return self.spellings is not None

    def normalise(self, text: str, rule: str) -> str:
        """Return a text by one of Whisper's rules, so that its words can be compared.

        Args:
            text: The text.
            rule: `english` (numbers, contractions, spellings, fillers) or `basic` (case,
                punctuation and other marks, what is in brackets).
        """
        return self._rules[rule](text)

    @cached_property
    def _rules(self) -> Mapping[str, Callable[[str], str]]:
        from transformers.models.whisper import english_normalizer as whisper

        basic = whisper.BasicTextNormalizer()
        english = whisper.EnglishTextNormalizer(dict(self.spellings or {}))
        return {
            "basic": lambda text: str(basic(text)).strip(),
            "english": lambda text: str(english(text)).strip(),
        }

    def special(self, name: str) -> int:
        """Return the id of a special token, such as `transcribe`.

        Raises:
            BackboneError: the tokenizer has no such token.
        """
        found: int | None = self._tokenizer.token_to_id(f"<|{name}|>")
        if found is None:
            raise BackboneError(
                f"backbone '{self.where}': {TOKENIZER} has no token <|{name}|>, so it is not the "
                "tokenizer of a Whisper. Use the one that was saved with the model"
            )
        return found

    def starting(
        self,
        language: str | None,
        task: str = "transcribe",
        *,
        prompt: str = "",
        times: bool = False,
    ) -> list[int]:
        """Return the ids that come before the text.

        Args:
            language: A language of `languages`; None: the start names no language.
            task: `transcribe` or `translate`.
            prompt: What was said or asked before.
            times: Whether the text has times.
        """
        before = [self.special("startofprev"), *self.encode(prompt)] if prompt else []
        ids = [*before, self.start]
        if self.is_multilingual:
            ids += [] if language is None else [self.special(language)]
            ids.append(self.special(task))
        return ids if times else [*ids, self.no_times]

    def save(self, file: Path) -> None:
        """Write the tokenizer to a file."""
        self._tokenizer.save(str(file))

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text, which begins with a space as in Whisper's training."""
        ids: list[int] = self._tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ids, without special tokens and times."""
        words = [one for one in ids if one < self.first_time]
        text: str = self._tokenizer.decode(words, skip_special_tokens=True)
        return text.strip()
