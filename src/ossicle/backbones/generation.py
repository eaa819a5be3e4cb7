"""Settings of transformers' `generate`: lengths by row, and rules for tokens of time."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria
from transformers.generation.logits_process import WhisperTimeStampLogitsProcessor

from ossicle.backbones.tokens import Tokens
from ossicle.writing import Generating


class MostTokens(StoppingCriteria):
    """Ends each row at a length of its own, so that a row does not depend on its batch."""

    def __init__(self, begin: int, most: Sequence[int]) -> None:
        self._begin = begin
        self._most = torch.tensor(list(most))

    def __call__(
        self,
        input_ids: Int[Tensor, "R U"],
        scores: Any,  # noqa: ARG002 - see StoppingCriteria
        **kwargs: Any,  # noqa: ARG002 - see StoppingCriteria
    ) -> Bool[Tensor, " R"]:
        """Return which rows, or hypotheses of rows, are as long as they may be."""
        most = self._most.repeat_interleave(len(input_ids) // len(self._most))
        return (input_ids.shape[1] - self._begin >= most).to(input_ids.device)


def settings_of(how: Generating, tokens: Tokens, most: int) -> GenerationConfig:
    """Return transformers' settings.

    Args:
        how: How texts are generated.
        tokens: The tokenizer.
        most: Most tokens of any row.
    """
    return GenerationConfig(
        max_new_tokens=most,
        num_beams=how.beams,
        do_sample=False,
        eos_token_id=tokens.end,
        pad_token_id=tokens.end,
        decoder_start_token_id=tokens.start,
        suppress_tokens=list(how.suppressed) or None,
        begin_suppress_tokens=list(how.not_first) or None,
        return_dict_in_generate=True,
        output_scores=True,
    )


def rules_of(start: Sequence[int], tokens: Tokens) -> LogitsProcessorList:
    """Return the rules for tokens of time, where a start asks for times: they come in pairs."""
    if start[-1] == tokens.no_times:
        return LogitsProcessorList()
    settings: Any = GenerationConfig(eos_token_id=tokens.end)
    settings.no_timestamps_token_id = tokens.no_times
    return LogitsProcessorList([WhisperTimeStampLogitsProcessor(settings, len(start))])
