"""What config.json and preprocessor_config.json may say: checked before anything is built from it.

Only settings of the architecture are passed on. Whatever else a file holds (code of its own in
`auto_map`, a way to quantise, an attention, names of classes) is left out, so that no code from a
folder ever runs and no further package is asked for.
"""

import inspect
import logging
from collections.abc import Mapping
from typing import Any, Final

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import CONFIG_MAPPING, PreTrainedConfig

from ossicle.backbones.family import Family
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.errors import BackboneError

CONFIG: Final = "config.json"
EXTRACTOR: Final = "preprocessor_config.json"
MAX_PARAMETERS: Final = 4_000_000_000  # of random weights: 16 GB

# The least and the largest value, several times beyond every released model.
Range = tuple[int, int] | tuple[float, float]
_WIDTH: Final = (1, 1 << 15)
_LAYERS: Final = (1, 256)
_KERNEL: Final = (1, 1 << 13)
_LENGTH: Final = (1, 100_000)
_SHARE: Final = (0.0, 1.0)
_ANY: Final = (-1e6, 1e6)
_RANGES: Final[Mapping[str, Range]] = {
    **dict.fromkeys(("num_hidden_layers", "encoder_layers", "decoder_layers"), _LAYERS),
    **dict.fromkeys(("num_feat_extract_layers", "num_conv_pos_embedding_groups"), _KERNEL),
    **dict.fromkeys(("hidden_size", "output_hidden_size", "d_model", "conv_dim"), _WIDTH),
    **dict.fromkeys(("intermediate_size", "encoder_ffn_dim", "decoder_ffn_dim"), (1, 1 << 17)),
    **dict.fromkeys(("num_attention_heads", "encoder_attention_heads"), _KERNEL),
    **dict.fromkeys(("decoder_attention_heads", "num_mel_bins"), _KERNEL),
    **dict.fromkeys(("conv_kernel", "conv_stride", "conv_pos_kernel_size"), _KERNEL),
    **dict.fromkeys(("conv_depthwise_kernel_size", "num_conv_pos_embeddings"), _KERNEL),
    **dict.fromkeys(("patch_size", "frequency_stride", "time_stride"), _KERNEL),
    **dict.fromkeys(("max_source_positions", "max_target_positions", "max_length"), _LENGTH),
    **dict.fromkeys(("left_max_position_embeddings", "right_max_position_embeddings"), _KERNEL),
    **dict.fromkeys(("mask_time_length", "mask_feature_length"), _LENGTH),
    **dict.fromkeys(("mask_time_prob", "mask_feature_prob", "layerdrop", "dropout"), _SHARE),
    "feature_projection_input_dim": _WIDTH,
    "vocab_size": (1, 10_000_000),
    "layer_norm_eps": (1e-30, 1.0),
}
_LISTS: Final = ("conv_dim", "conv_kernel", "conv_stride")  # a value for each layer
_OF_EXTRACTOR: Final[Mapping[str, Range]] = {
    "feature_size": (1, 1024),
    "num_mel_bins": (1, 1024),
    "sampling_rate": (1000, 192_000),
    "max_length": _LENGTH,
    "chunk_length": (1, 120),  # seconds
    "n_fft": _KERNEL,
    "hop_length": _KERNEL,
    "stride": _KERNEL,
    "std": (1e-6, 1e6),
}
_LEFT_OUT: Final = {  # settings of every transformers model that say nothing of the architecture
    *("architectures", "auto_map", "dtype", "torch_dtype", "id2label", "label2id", "num_labels"),
    *("return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "model_type"),
    *("problem_type", "task_specific_params", "transformers_version", "name_or_path"),
    *("_name_or_path", "quantization_config", "_attn_implementation", "attn_implementation"),
}
_IN_VAIN: Final = {
    "auto_map": "names code of its own, which is never run",
    "quantization_config": "asks for quantised weights; they are loaded as they are, in float32",
}
_OWN_ATTENTION: Final = ("_attn_implementation", "attn_implementation")

log = logging.getLogger(__name__)


def read_config(path: str, model_type: str, data: Mapping[str, Any]) -> PreTrainedConfig:
    """Return the configuration of a model that config.json describes.

    Args:
        path: Of the backbone, for messages.
        model_type: As transformers calls it.
        data: The content of the file.

    Raises:
        BackboneError: a setting is of the wrong type, out of range or does not fit another.
    """
    _say_what_is_ignored(path, CONFIG, data)
    defaults = CONFIG_MAPPING[model_type]().to_dict()
    kept = {
        key: value
        for key, value in data.items()
        if key in defaults and key not in _LEFT_OUT and (value, defaults[key]) != (None, None)
    }
    return build_config(f"backbone '{path}': {CONFIG}", model_type, kept)


def build_config(where: str, model_type: str, settings: Mapping[str, Any]) -> PreTrainedConfig:
    """Return the configuration with these settings, the others as transformers has them.

    Raises:
        BackboneError: a setting is of the wrong type, out of range or does not fit another.
    """
    for key, value in settings.items():
        _check_number(where, key, value, _RANGES.get(key, _ANY))
    try:
        with quiet_transformers():
            made: PreTrainedConfig = CONFIG_MAPPING[model_type](**settings)
    except (ArithmeticError, LookupError, TypeError, ValueError, StrictDataclassError) as error:
        raise BackboneError(f"{where} is no valid architecture: {one_line(error)}") from error
    return made


def read_extractor(path: str, family: Family, data: Mapping[str, Any]) -> Any:
    """Return the feature extractor that preprocessor_config.json describes.

    Args:
        path: Of the backbone, for messages.
        family: Whose extractor it must be.
        data: The content of the file.

    Raises:
        BackboneError: it is of another family, or a setting is of the wrong type or out of range.
    """
    _say_what_is_ignored(path, EXTRACTOR, data)
    mine = family.extractor["feature_extractor_type"]
    asked = data.get("feature_extractor_type", mine)
    if asked != mine:
        raise BackboneError(
            f"backbone '{path}': {EXTRACTOR} is of a {asked!r:.60} and {family.name} takes a "
            f"{mine}; use the {EXTRACTOR} that was saved with this model"
        )
    known = inspect.signature(getattr(transformers, mine)).parameters
    kept = {key: data[key] for key in data if key in known and key not in ("self", "kwargs")}
    return build_extractor(f"backbone '{path}': {EXTRACTOR}", mine, kept)


def build_extractor(where: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Return a feature extractor of that class with these settings.

    Raises:
        BackboneError: a setting is of the wrong type or out of range.
    """
    made = getattr(transformers, name)
    defaults = inspect.signature(made).parameters
    for key, value in settings.items():
        like = defaults[key].default if key in defaults else None
        is_flag = isinstance(like, bool)
        if is_flag and not isinstance(value, bool):
            raise BackboneError(f"{where} has {key}={value!r:.60}; expected true or false")
        if not is_flag:
            _check_number(where, key, value, _OF_EXTRACTOR.get(key, _ANY))
            if isinstance(like, int | float) and type(value) not in (int, float):
                raise BackboneError(
                    f"{where} has {key}={value!r:.60}; expected a number like {like}"
                )
    try:
        with quiet_transformers():
            return made(**settings)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise BackboneError(f"{where} cannot be used: {one_line(error)}") from error


def check_fit(path: str, family: Family, config: Any, extractor: Any) -> None:
    """Raise where the feature extractor gives something else than the model reads."""
    for given, value, read, expected in family.must_agree(config, extractor):
        if value != expected:
            raise BackboneError(
                f"backbone '{path}': {EXTRACTOR} has {given}={value} and {CONFIG} "
                f"{read}={expected}; make them equal, or use the files that were saved together"
            )


def one_line(error: Exception) -> str:
    """Return the message of an error without line breaks, or its type where it has none."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _say_what_is_ignored(path: str, file: str, data: Mapping[str, Any]) -> None:
    for key, words in _IN_VAIN.items():
        if data.get(key):
            log.warning("backbone '%s': %s in %s is ignored: it %s", path, key, file, words)
    for key in _OWN_ATTENTION:
        if "flash" in str(data.get(key)) or "flex" in str(data.get(key)):
            words = "ossicle computes attention itself"
            log.warning("backbone '%s': %s in %s is ignored: %s", path, key, file, words)


def _check_number(where: str, key: str, value: Any, allowed: Range) -> None:
    """Raise for a number that is out of range, also as an item of a list."""
    if isinstance(value, list | tuple) and (key in _LISTS or key not in _RANGES):
        if len(value) > _LAYERS[1]:
            raise BackboneError(f"{where} has {len(value)} values for {key}; at most {_LAYERS[1]}")
        for one in value:
            _check_number(where, key, one, allowed)
    elif key in _RANGES or key in _OF_EXTRACTOR:
        _check_kind(where, key, value, allowed)
    if isinstance(value, int | float) and not allowed[0] <= value <= allowed[1]:
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)[:60]
        raise BackboneError(
            f"{where} has {key}={shown}; it must lie from {allowed[0]:g} to {allowed[1]:g}"
        )


def _check_kind(where: str, key: str, value: Any, allowed: Range) -> None:
    wanted = (int,) if isinstance(allowed[0], int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        kind = "a whole number" if wanted == (int,) else "a number"
        raise BackboneError(f"{where} has {key}={value!r:.60}; expected {kind}")
