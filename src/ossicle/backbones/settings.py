"""Validation of config.json and preprocessor_config.json before a model is built from them.

Only settings of the architecture are used. Everything else (remote code in `auto_map`,
quantisation, attention implementation, class names) is ignored, so that no code from a folder runs
and no further package is imported.
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
MAX_PARAMETERS: Final = 4_000_000_000  # random weights: 16 GB

# Smallest and largest value of each setting, well beyond every released model.
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
_LISTS: Final = ("conv_dim", "conv_kernel", "conv_stride")  # one value for each CNN layer
_EXTRACTOR_RANGES: Final[Mapping[str, Range]] = {
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
_LEFT_OUT: Final = {  # settings that do not describe the architecture
    *("architectures", "auto_map", "dtype", "torch_dtype", "id2label", "label2id", "num_labels"),
    *("return_dict", "use_return_dict", "output_hidden_states", "output_attentions", "model_type"),
    *("problem_type", "task_specific_params", "transformers_version", "name_or_path"),
    *("_name_or_path", "quantization_config", "_attn_implementation", "attn_implementation"),
}
_IGNORED: Final = {
    "auto_map": "names remote code, which is never run",
    "quantization_config": "requests quantised weights; weights are loaded in float32",
}
_OWN_ATTENTION: Final = ("_attn_implementation", "attn_implementation")

log = logging.getLogger(__name__)


def read_config(path: str, model_type: str, data: Mapping[str, Any]) -> PreTrainedConfig:
    """Return the configuration described by config.json.

    Args:
        path: Name of the backbone, for messages.
        model_type: `model_type` of transformers.
        data: Content of the file.

    Raises:
        BackboneError: a setting has the wrong type, is out of range or contradicts another.
    """
    _warn_ignored(path, CONFIG, data)
    defaults = CONFIG_MAPPING[model_type]().to_dict()
    kept = {
        key: value
        for key, value in data.items()
        if key in defaults and key not in _LEFT_OUT and (value, defaults[key]) != (None, None)
    }
    return build_config(f"backbone '{path}': {CONFIG}", model_type, kept)


def build_config(where: str, model_type: str, settings: Mapping[str, Any]) -> PreTrainedConfig:
    """Return the configuration with these settings and transformers' defaults for the others.

    Raises:
        BackboneError: a setting has the wrong type, is out of range or contradicts another.
    """
    for key, value in settings.items():
        _check_number(where, key, value, _RANGES.get(key, _ANY))
    try:
        with quiet_transformers():
            config: PreTrainedConfig = CONFIG_MAPPING[model_type](**settings)
    except (ArithmeticError, LookupError, TypeError, ValueError, StrictDataclassError) as error:
        raise BackboneError(f"{where} is not a valid architecture: {one_line(error)}") from error
    return config


def read_extractor(path: str, family: Family, data: Mapping[str, Any]) -> Any:
    """Return the feature extractor described by preprocessor_config.json.

    Args:
        path: Name of the backbone, for messages.
        family: Family that the extractor must belong to.
        data: Content of the file.

    Raises:
        BackboneError: it belongs to another family, or a setting has the wrong type or is out of
            range.
    """
    _warn_ignored(path, EXTRACTOR, data)
    expected = family.extractor["feature_extractor_type"]
    found = data.get("feature_extractor_type", expected)
    if found != expected:
        raise BackboneError(
            f"backbone '{path}': {EXTRACTOR} has feature_extractor_type {found!r:.60}; "
            f"{family.name} needs {expected}. Use the {EXTRACTOR} that was saved with this model"
        )
    known = inspect.signature(getattr(transformers, expected)).parameters
    kept = {key: data[key] for key in data if key in known and key not in ("self", "kwargs")}
    return build_extractor(f"backbone '{path}': {EXTRACTOR}", expected, kept)


def build_extractor(where: str, name: str, settings: Mapping[str, Any]) -> Any:
    """Return a feature extractor of that class with these settings.

    Raises:
        BackboneError: a setting has the wrong type or is out of range.
    """
    extractor_class = getattr(transformers, name)
    defaults = inspect.signature(extractor_class).parameters
    for key, value in settings.items():
        default = defaults[key].default if key in defaults else None
        is_flag = isinstance(default, bool)
        if is_flag and not isinstance(value, bool):
            raise BackboneError(f"{where} has {key}={value!r:.60}; expected true or false")
        if not is_flag:
            _check_number(where, key, value, _EXTRACTOR_RANGES.get(key, _ANY))
            if isinstance(default, int | float) and type(value) not in (int, float):
                raise BackboneError(
                    f"{where} has {key}={value!r:.60}; expected a number like {default}"
                )
    try:
        with quiet_transformers():
            return extractor_class(**settings)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise BackboneError(f"{where} cannot be used: {one_line(error)}") from error


def check_fit(path: str, family: Family, config: Any, extractor: Any) -> None:
    """Raise BackboneError if feature extractor and model do not fit each other."""
    for given, value, read, expected in family.must_agree(config, extractor):
        if value != expected:
            raise BackboneError(
                f"backbone '{path}': {EXTRACTOR} has {given}={value} and {CONFIG} "
                f"{read}={expected}; make them equal, or use the files that were saved together"
            )


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, or its type if it has no message."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _warn_ignored(path: str, file: str, data: Mapping[str, Any]) -> None:
    for key, words in _IGNORED.items():
        if data.get(key):
            log.warning("backbone '%s': %s in %s is ignored: it %s", path, key, file, words)
    for key in _OWN_ATTENTION:
        if "flash" in str(data.get(key)) or "flex" in str(data.get(key)):
            words = "ossicle computes attention itself"
            log.warning("backbone '%s': %s in %s is ignored: %s", path, key, file, words)


def _check_number(where: str, key: str, value: Any, allowed: Range) -> None:
    """Raise BackboneError for a number out of range, also inside a list."""
    if isinstance(value, list | tuple) and (key in _LISTS or key not in _RANGES):
        if len(value) > _LAYERS[1]:
            raise BackboneError(f"{where} has {len(value)} values for {key}; at most {_LAYERS[1]}")
        for one in value:
            _check_number(where, key, one, allowed)
    elif key in _RANGES or key in _EXTRACTOR_RANGES:
        _check_type(where, key, value, allowed)
    if isinstance(value, int | float) and not allowed[0] <= value <= allowed[1]:
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)[:60]
        raise BackboneError(
            f"{where} has {key}={shown}; it must lie from {allowed[0]:g} to {allowed[1]:g}"
        )


def _check_type(where: str, key: str, value: Any, allowed: Range) -> None:
    wanted = (int,) if isinstance(allowed[0], int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        wanted_type = "a whole number" if wanted == (int,) else "a number"
        raise BackboneError(f"{where} has {key}={value!r:.60}; expected {wanted_type}")
