"""The model that `generate` runs: transformers' Whisper, which counts the tokens of the text alone.

    kept keys and values   prompts | token 0  token 1  token 2        prompts of adapters have no
    positions                           0        1        2           positions, and come once

transformers takes the position of a token from the number of keys that are kept, which prompts
before the first token would shift.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationConfig
from transformers.models.whisper.modeling_whisper import WhisperForConditionalGeneration

from ossicle.backbones.attention import ForwardState


class Generator(WhisperForConditionalGeneration):
    """Whisper with the decoder of a backbone.

    Attributes:
        state: The state of the decoder.
    """

    state: ForwardState

    def prepare_inputs_for_generation(
        self, input_ids: Int[Tensor, "B U"], *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the arguments of the next pass, with the positions of its tokens in the text."""
        prepare: Any = super().prepare_inputs_for_generation
        made: dict[str, Any] = prepare(input_ids, *args, **kwargs)
        count, size = input_ids.shape[1], made["decoder_input_ids"].shape[1]
        self.state.goes_on = size < count
        places = torch.arange(count - size, count, device=input_ids.device)
        made.setdefault("decoder_position_ids", places.expand(len(input_ids), -1))
        return made


class OutputLayer(nn.Module):
    """The table of token embeddings as output layer; it keeps the first logits of a generation.

    Attributes:
        first: Logits (B, S, V) after each token of the starts; None: not computed yet.
    """

    def __init__(self, embeddings: nn.Embedding) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.first: Float[Tensor, "B S V"] | None = None

    def forward(self, hidden: Float[Tensor, "B U D"]) -> Float[Tensor, "B U V"]:
        """Return the logits."""
        logits = F.linear(hidden, self.embeddings.weight)
        if self.first is None:
            self.first = logits
        return logits


def generator_of(config: Any, decoder: Any, state: ForwardState) -> Any:
    """Return a model for `generate` with this decoder, which stays a module of its own model."""
    with torch.device("meta"):
        made: Any = Generator(config)
    made.state = state
    made.model.encoder = None
    made.model.decoder = decoder
    made.proj_out = OutputLayer(decoder.embed_tokens)
    made.generation_config = GenerationConfig()
    return made.eval()
