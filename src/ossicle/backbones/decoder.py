"""The text decoder of a backbone: logits of given tokens, and generation by transformers.

encoder output (B, T, D), tokens (B, U)  ->  logits (B, U, V)            teacher forcing
encoder output (B, T, D), starts         ->  tokens, log probabilities   `generate`
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationMixin, StoppingCriteriaList
from transformers.modeling_outputs import BaseModelOutput

from ossicle.backbones.attention import ForwardState
from ossicle.backbones.generation import MostTokens, rules_of, settings_of
from ossicle.backbones.tokens import Tokens
from ossicle.writing import Generating


class Decoder:
    """The decoder of a backbone, on the encoder's output. No module: its modules are the model's.

    Attributes:
        tokens: Its tokenizer.
        generating: How the checkpoint says that texts are generated.
        state: State of its self-attention and feed-forward blocks.
        cross_state: State of its cross-attention, whose frames are those of the encoder.
    """

    def __init__(self, model: Any, tokens: Tokens, generating: Generating) -> None:
        self.tokens = tokens
        self.generating = generating
        self.state = ForwardState()
        self.cross_state = ForwardState()
        self._model = model
        self._whole: Any = None

    def logits(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        ids: Int[Tensor, "B U"],
    ) -> Float[Tensor, "B U V"]:
        """Return the logits of the token after each of these, which may be padded at their end."""
        decoder = self._model.decoder
        try:
            self._see(frame_mask)
            made = decoder(input_ids=ids, encoder_hidden_states=hidden, use_cache=False)
            return F.linear(made.last_hidden_state, decoder.embed_tokens.weight)
        finally:
            self._clear()

    @torch.no_grad()
    def generate(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        starts: Sequence[Sequence[int]],
        how: Generating,
        most: Sequence[int] | None = None,
    ) -> list[Float[Tensor, "U 2"]]:
        """Return for each row generated ids, the end included, with their log probabilities.

        The first row is the token of no speech, with its log probability at the start of the text.
        Rows do not depend on each other.

        Args:
            hidden: The encoder's output.
            frame_mask: Its real frames; None: all.
            starts: The tokens that each row begins with.
            how: How texts are generated.
            most: Most tokens of each row; None: those of `how`, or as many as the decoder takes.
        """
        room = [self.tokens.max_length - len(start) for start in starts]
        wanted = most or [how.max_tokens or one for one in room]
        sizes = [min(pair) for pair in zip(wanted, room, strict=True)]
        rows: dict[int, Float[Tensor, "U 2"]] = {}
        alike: dict[tuple[int, int], list[int]] = defaultdict(list)
        for row, start in enumerate(starts):
            alike[len(start), start[-1]].append(row)  # the last one says whether there are times
        for same in alike.values():
            begin = torch.tensor([list(starts[row]) for row in same], device=hidden.device)
            mask = None if frame_mask is None else frame_mask[same]
            found = self._generated(hidden[same], mask, begin, how, [sizes[row] for row in same])
            rows |= zip(same, found, strict=True)
        return [rows[row] for row in range(len(starts))]

    def _generated(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        begin: Int[Tensor, "B S"],
        how: Generating,
        most: Sequence[int],
    ) -> list[Float[Tensor, "U 2"]]:
        """Return generated ids with their log probabilities, of starts of one length."""
        size, generator = begin.shape[1], self._generator()
        generator.proj_out.first = None
        try:
            self._see(frame_mask, how.beams)
            made: Any = GenerationMixin.generate(
                generator,
                encoder_outputs=BaseModelOutput(hidden),
                attention_mask=hidden.new_ones(hidden.shape[:2]),  # not read: `_see` masks
                decoder_input_ids=begin,
                generation_config=settings_of(how, self.tokens, max(most)),
                logits_processor=rules_of(begin[0].tolist(), self.tokens),
                stopping_criteria=StoppingCriteriaList([MostTokens(size, most)]),
            )
        finally:
            self._clear()
        scores = generator.compute_transition_scores(
            made.sequences,
            made.scores,
            made.get("beam_indices"),
            normalize_logits=how.beams == 1,
        )
        silence = self._silence(generator.proj_out.first[:: how.beams], begin)
        made_by_row = zip(silence, made.sequences[:, size:], scores, most, strict=True)
        return [
            torch.cat((first[None], _until_end(ids, of_ids, self.tokens.end)[:longest]))
            for first, ids, of_ids, longest in made_by_row
        ]

    def _silence(
        self, logits: Float[Tensor, "B S V"], begin: Int[Tensor, "B S"]
    ) -> Float[Tensor, "B 2"]:
        """Return the token of no speech, and its log probability after the start token."""
        start = (begin[0] == self.tokens.start).nonzero()[-1, 0]
        scores = logits[:, start].float().log_softmax(dim=-1)[:, self.tokens.no_speech]
        return torch.stack((torch.full_like(scores, self.tokens.no_speech), scores), dim=-1)

    def _see(self, frame_mask: Bool[Tensor, "B T"] | None, beams: int = 1) -> None:
        """Mask padding in cross-attention; with beams, several rows are of one recording."""
        if frame_mask is not None and not bool(frame_mask.all()):
            self.cross_state.frame_mask = frame_mask.repeat_interleave(beams, dim=0)

    def _clear(self) -> None:
        self.state.clear()
        self.cross_state.clear()

    def _generator(self) -> Any:
        """Return the model that `generate` runs; it has this decoder and is a module of none."""
        if self._whole is None:
            from ossicle.backbones.generator import generator_of

            self._whole = generator_of(self._model.config, self._model.decoder, self.state)
        return self._whole


def _until_end(
    ids: Int[Tensor, " U"], scores: Float[Tensor, " U"], end: int
) -> Float[Tensor, "N 2"]:
    """Return ids and log probabilities of a row up to its end, which is padded with ends."""
    ends = (ids == end).nonzero()
    size = int(ends[0]) + 1 if len(ends) else len(ids)
    return torch.stack((ids[:size].float(), scores[:size].float()), dim=-1)
