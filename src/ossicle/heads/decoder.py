"""The head of tasks that write text: the text decoder of the backbone, as a function of its frames.

    training     logits (B, U, V) of the tokens of each row's text, given the tokens before them
    evaluation   (B, U, 2): the tokens that the decoder generates, and their log probabilities

It has no parameters of its own: adapters in the decoder belong to the recipe. A text is spelt as

    start tokens   text   end           the decoder reads all but the end
                   '---------'          the outputs are for these
"""

import math
from collections.abc import Sequence
from typing import ClassVar, Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ossicle.anatomy import Anatomy
from ossicle.errors import AttachError
from ossicle.heads.head import Head
from ossicle.heads.outputs import Outputs
from ossicle.writing import Text, TextDecoder, Writing

RATE: Final = 30  # tokens a second; Whisper takes 448 for 30 seconds
SPARE: Final = 32  # tokens
_PROBE: Final = 4  # tokens of a forward pass that checks the adapters


@final
class DecoderHead(Head):
    """The text decoder.

    Attributes:
        writing: How the task writes.
    """

    name: ClassVar[str] = "decoder"
    by_frame: ClassVar[bool] = True
    needs_decoder: ClassVar[bool] = True
    writing: Writing

    def __init__(self, anatomy: Anatomy, num_outputs: int) -> None:
        super().__init__(anatomy, num_outputs)
        self.writing = Writing()
        self._decoder: TextDecoder | None = None

    def connect(self, decoder: TextDecoder) -> None:
        """Take the decoder of the backbone."""
        self._decoder = decoder

    @property
    def decoder(self) -> TextDecoder:
        """The text decoder.

        Raises:
            AttachError: the head is not attached to a backbone that has one.
        """
        if self._decoder is None:
            raise AttachError(
                "head 'decoder' runs the text decoder of a backbone; load the backbone with "
                "decoder=True, and attach the head to it"
            )
        return self._decoder

    def forward(
        self, hidden: Float[Tensor, "B T D"], frame_mask: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B U V"]:
        """Return the logits after the first tokens of the vocabulary, to check adapters by."""
        ids = torch.arange(_PROBE, device=hidden.device).expand(len(hidden), -1)
        return self.decoder.logits(hidden, frame_mask, ids)

    def outputs(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],
        texts: Sequence[Text] = (),
    ) -> Outputs:
        """Return the logits of the tokens of these texts, ends included."""
        begun = [len(self._starting(text)) for text in texts]
        spelt = [self.spelt(text) for text in texts]
        end = self.decoder.tokens.end
        ids = nn.utils.rnn.pad_sequence(
            [torch.tensor(row[:-1]) for row in spelt], batch_first=True, padding_value=end
        )
        logits = self.decoder.logits(hidden, frame_mask, ids.to(hidden.device))
        # the token after the last one of the start is the first of the text
        rows = [
            row[start - 1 : len(one) - 1]
            for row, start, one in zip(logits, begun, spelt, strict=True)
        ]
        return Outputs.of(rows)

    def answers(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"],
        texts: Sequence[Text] = (),
    ) -> Outputs:
        """Return what the decoder generates for each row, given the prompts of these texts."""
        decoder = self.decoder
        how = self.writing.generating.of_checkpoint(decoder.generating)
        starts = [self._starting(text) for text in texts]
        most = [how.max_tokens or self._most_tokens(text) for text in texts]
        return Outputs.of(decoder.generate(hidden, frame_mask, starts, how, most))

    def _most_tokens(self, text: Text) -> int:
        """Return the most tokens of the text of a recording: twice what 30 s of speech can have.

        A text that repeats itself would otherwise always be as long as the decoder takes.
        """
        room = self.decoder.tokens.max_length
        return room if text.seconds is None else min(room, SPARE + math.ceil(RATE * text.seconds))

    def spelt(self, text: Text) -> list[int]:
        """Return all tokens of a text: those of the start, its own, and the end."""
        tokens = self.decoder.tokens
        return [*self._starting(text), *tokens.encode(text.label), tokens.end]

    def _starting(self, text: Text) -> list[int]:
        how = self.writing
        return self.decoder.tokens.starting(
            how.language, how.task, prompt=text.prompt, times=how.times or text.times
        )
