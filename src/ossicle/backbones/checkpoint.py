"""A checkpoint of transformers from a backbone with its text decoder.

    config.json, model.safetensors       WhisperForConditionalGeneration
    generation_config.json               that of the original model, with language and task fixed
    tokenizer.json, ..., preprocessor_config.json

`pipeline("automatic-speech-recognition", FOLDER)` then writes what the backbone writes.
"""

import shutil
from pathlib import Path
from typing import Any, Final

import torch
from transformers import GenerationConfig

from ossicle.backbones.decoder import Decoder
from ossicle.backbones.source import GENERATION, Source
from ossicle.backbones.tokens import TASKS, TOKENIZER, Tokens
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.files import write_json
from ossicle.writing import Writing

COPIED: Final = (  # what else says how a tokenizer works, where a checkpoint has it
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "normalizer.json"),
)


def save_whole(
    model: Any,
    extractor: Any,
    decoder: Decoder,
    folder: Path,
    writing: Writing,
    source: Source | None,
) -> None:
    """Write encoder, decoder, tokenizer and feature extractor as transformers does.

    Args:
        model: The encoder, with the decoder as its module `decoder`.
        extractor: The feature extractor.
        decoder: The decoder.
        folder: Folder to write to.
        writing: What texts it is to write.
        source: Files of the original model; None: it had random weights.
    """
    from transformers import WhisperForConditionalGeneration

    tensors = {
        f"model.{name if name.startswith('decoder.') else f'encoder.{name}'}": value
        for name, value in model.state_dict().items()
    }
    with quiet_transformers(), torch.device("meta"):
        whole = WhisperForConditionalGeneration(model.config)
    original = {} if source is None or source.file(GENERATION) is None else source.read(GENERATION)
    whole.generation_config = GenerationConfig(**_generation(original, decoder, writing))
    with quiet_transformers():
        whole.save_pretrained(folder, state_dict=tensors)
        extractor.save_pretrained(folder)
    _save_tokenizer(folder, decoder.tokens, source)


def _generation(original: dict[str, Any], decoder: Decoder, writing: Writing) -> dict[str, Any]:
    """Return the settings of transformers' `generate` that start a text as this task does."""
    tokens, how = decoder.tokens, writing.generating.of_checkpoint(decoder.generating)
    made = {
        **original,
        "decoder_start_token_id": tokens.start,
        "eos_token_id": tokens.end,
        "pad_token_id": tokens.end,
        "max_length": tokens.max_length,
        "no_timestamps_token_id": tokens.special("notimestamps"),
        "is_multilingual": tokens.is_multilingual,
        "return_timestamps": writing.times,
        "num_beams": how.beams,
        "suppress_tokens": list(how.suppressed) or None,
        "begin_suppress_tokens": list(how.not_first) or None,
    }
    left_out = {"forced_decoder_ids", "language", "task", "lang_to_id", "task_to_id"}
    made = {key: value for key, value in made.items() if key not in left_out}
    if not tokens.is_multilingual:
        return made
    made |= {"task": writing.task, "task_to_id": {task: tokens.special(task) for task in TASKS}}
    if writing.language is not None:  # without the table, no language is detected either
        made["language"] = writing.language
        made["lang_to_id"] = {f"<|{one}|>": tokens.special(one) for one in tokens.languages}
    return made


def _save_tokenizer(folder: Path, tokens: Tokens, source: Source | None) -> None:
    tokens.save(folder / TOKENIZER)
    found = {} if source is None else {name: source.file(name) for name in COPIED}
    for name, file in found.items():
        if file is not None:
            shutil.copyfile(file, folder / name)
    if not (folder / COPIED[0]).exists():
        ends = dict.fromkeys(("bos_token", "eos_token", "pad_token", "unk_token"), "<|endoftext|>")
        write_json(folder / COPIED[0], {"tokenizer_class": "WhisperTokenizer", **ends})
