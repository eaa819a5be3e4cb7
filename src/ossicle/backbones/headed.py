"""A checkpoint of transformers from a backbone and a head: `Auto...For...` loads it.

config.json, model.safetensors    the class that `Family.counterpart` names
preprocessor_config.json
vocab.json, tokenizer_config.json of CTC: the units of the task
"""

from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from transformers import Wav2Vec2CTCTokenizer, Wav2Vec2PhonemeCTCTokenizer

from ossicle.backbones.counterpart import BLANK, SPACE, Counterpart
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.files import write_json
from ossicle.head_form import OutputKind

VOCABULARY: Final = "vocab.json"


def save_headed(
    model: Any, extractor: Any, found: Counterpart, outputs: OutputKind, folder: Path
) -> None:
    """Write the model with its head, the feature extractor, and the tokenizer of a text.

    Args:
        model: The backbone's model.
        extractor: The feature extractor.
        found: The class, and the weights of the head.
        outputs: What its outputs mean.
        folder: Folder to write to.
    """
    config = deepcopy(model.config)
    for name, value in found.settings.items():
        setattr(config, name, value)
    with quiet_transformers(), torch.device("meta"):
        whole = found.model_class(config)
    part = f"{whole.base_model_prefix}."
    tensors = {f"{part}{name}": value for name, value in model.state_dict().items()}
    tensors |= found.tensors
    check_whole(whole, tensors)
    with quiet_transformers():
        whole.save_pretrained(folder, state_dict=tensors)
        extractor.save_pretrained(folder)
        if outputs.kind == "text":
            save_units(outputs, folder)


def check_whole(whole: Any, tensors: dict[str, Tensor]) -> None:
    """Raise AssertionError unless these are all tensors of a model, in their shapes."""
    expected = {name: tuple(value.shape) for name, value in whole.state_dict().items()}
    made = {name: tuple(value.shape) for name, value in tensors.items()}
    if expected != made:
        raise AssertionError(f"tensors that differ: {sorted(expected.items() ^ made.items())}")


def save_units(outputs: OutputKind, folder: Path) -> None:
    """Write the tokenizer that turns output numbers into a text.

    A character without an output is spelt as the blank, that is, left out.
    """
    blank = "<pad>"
    while blank in outputs.names:
        blank = f"<{blank}>"
    units = {
        (SPACE if unit == " " else unit): number
        for number, unit in enumerate(outputs.names, start=BLANK + 1)
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / VOCABULARY, {blank: BLANK, **units})
    named: dict[str, Any] = {
        **dict.fromkeys(("pad_token", "unk_token"), blank),
        **dict.fromkeys(("bos_token", "eos_token")),
        "clean_up_tokenization_spaces": False,
    }
    file = str(folder / VOCABULARY)
    tokenizer = (
        Wav2Vec2PhonemeCTCTokenizer(file, **named, do_phonemize=False)
        if outputs.separator
        else Wav2Vec2CTCTokenizer(file, **named, word_delimiter_token=SPACE)
    )
    tokenizer.save_pretrained(folder)
