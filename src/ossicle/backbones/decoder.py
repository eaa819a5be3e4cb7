"""The text decoder of a backbone: logits of given tokens, and generation by transformers.

encoder output (B, T, D), tokens (B, U)  ->  logits (B, U, V)         teacher forcing
encoder output (B, T, D), starts         ->  tokens, log probabilities   `generate`
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

from ossicle.backbones.attention import ForwardState
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
    ) -> list[Float[Tensor, "U 2"]]:
        """Return for each row the generated ids, the end included, and their log probabilities."""
        rows: dict[int, Float[Tensor, "U 2"]] = {}
        by_length: dict[int, list[int]] = defaultdict(list)
        for row, start in enumerate(starts):
            by_length[len(start)].append(row)
        for same in by_length.values():
            begin = torch.tensor([list(starts[row]) for row in same], device=hidden.device)
            mask = None if frame_mask is None else frame_mask[same]
            rows |= zip(same, self._generated(hidden[same], mask, begin, how), strict=True)
        return [rows[row] for row in range(len(starts))]

    def _generated(
        self,
        hidden: Float[Tensor, "B T D"],
        frame_mask: Bool[Tensor, "B T"] | None,
        begin: Int[Tensor, "B S"],
        how: Generating,
    ) -> list[Float[Tensor, "U 2"]]:
        room = self.tokens.max_length - begin.shape[1]
        settings = GenerationConfig(
            max_new_tokens=min(how.max_tokens or room, room),
            num_beams=how.beams,
            do_sample=False,
            eos_token_id=self.tokens.end,
            pad_token_id=self.tokens.end,
            decoder_start_token_id=self.tokens.start,
            suppress_tokens=list(how.suppressed) or None,
            begin_suppress_tokens=list(how.not_first) or None,
            return_dict_in_generate=True,
            output_scores=True,
        )
        whole = self._generator()
        try:
            self._see(frame_mask, how.beams)
            made: Any = GenerationMixin.generate(
                whole,
                encoder_outputs=BaseModelOutput(hidden),
                decoder_input_ids=begin,
                generation_config=settings,
            )
        finally:
            self._clear()
        beams = made.get("beam_indices")
        scores = whole.compute_transition_scores(
            made.sequences, made.scores, beams, normalize_logits=how.beams == 1
        )
        ids = made.sequences[:, begin.shape[1] :]
        return [_until_end(*row, self.tokens.end) for row in zip(ids, scores, strict=True)]

    def _see(self, frame_mask: Bool[Tensor, "B T"] | None, beams: int = 1) -> None:
        """Mask padding in cross-attention; with beams, several rows are of one recording."""
        if frame_mask is not None and not bool(frame_mask.all()):
            self.cross_state.frame_mask = frame_mask.repeat_interleave(beams, dim=0)

    def _clear(self) -> None:
        self.state.clear()
        self.cross_state.clear()

    def _generator(self) -> Any:
        """Return a model for `generate` that has this decoder, and is a module of none."""
        if self._whole is None:
            from ossicle.backbones.generator import Generator

            decoder = self._model.decoder
            with torch.device("meta"):
                whole: Any = Generator(self._model.config)
            whole.state = self.state
            whole.model.encoder = None
            whole.model.decoder = decoder
            whole.proj_out.weight = decoder.embed_tokens.weight
            whole.generation_config = GenerationConfig()
            self._whole = whole.eval()
        return self._whole


def _until_end(
    ids: Int[Tensor, " U"], scores: Float[Tensor, " U"], end: int
) -> Float[Tensor, "U 2"]:
    """Return ids and log probabilities of a row up to its end, which is padded with ends."""
    ends = (ids == end).nonzero()
    size = int(ends[0]) + 1 if len(ends) else len(ids)
    return torch.stack((ids[:size].float(), scores[:size].float()), dim=-1)
