"""The folder of a peft adapter: `adapter_config.json` and `adapter_model.safetensors`.

Read without peft. Names of tensors begin with `base_model.model.` and go on with the path of a
module of the transformers model. Versions differ: before 0.7, biases of adapted modules have no
`base_layer` in their names; with `bias="all"`, saved heads appear several times.

Source: peft 0.4 to 0.21, `peft.utils.save_and_load`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from safetensors import SafetensorError

from ossicle.errors import AdapterFileError, listing
from ossicle.hub import download
from ossicle.paths import HubName, expand
from ossicle.strict_json import read_object

if TYPE_CHECKING:
    from torch import Tensor

CONFIG: Final = "adapter_config.json"
TENSORS: Final = "adapter_model.safetensors"
PATTERNS: Final = ("*.json", TENSORS)  # nothing pickled
PICKLED: Final = "adapter_model.bin"
PREFIX: Final = "base_model.model."
KINDS: Final = ("LORA", "IA3", "LN_TUNING")
OTHER: Final = "Train it again with LoRA, (IA)^3 or LN tuning, or with ossicle"
# Settings that change neither which modules are adapted nor what they compute once trained.
_HARMLESS: Final = {
    *("auto_mapping", "base_model_name_or_path", "revision", "task_type", "inference_mode"),
    *("peft_type", "peft_version", "target_modules", "exclude_modules", "modules_to_save"),
    *("layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern", "bias"),
    *("r", "lora_alpha", "lora_dropout", "use_rslora", "init_lora_weights", "init_ia3_weights"),
    *("fan_in_fan_out",),  # peft switches it off for the linear layers of these models
    *("feedforward_modules", "megatron_core", "megatron_config", "loftq_config", "eva_config"),
    *("corda_config", "lora_ga_config", "runtime_config", "qalora_group_size"),
    *("ensure_weight_tying", "layers"),
}
_NAMES: Final = {"use_dora": "DoRA", "use_qalora": "QALoRA", "alora_invocation_tokens": "aLoRA"}
_KEEPS_BASE: Final = (True, False, "gaussian", "eva", "orthogonal")  # initialisations


@dataclass(frozen=True, slots=True)
class PeftFile:
    """A peft adapter.

    Attributes:
        folder: Where it is.
        config: The content of `adapter_config.json`.
        tensors: The tensors in float32, by name without `base_model.model.`.
    """

    folder: Path
    config: Mapping[str, Any]
    tensors: "Mapping[str, Tensor]"

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        return str(self.config["peft_type"])

    @property
    def base(self) -> str:
        """The name of the model that it was trained on, or the empty string."""
        return str(self.config.get("base_model_name_or_path") or "")

    @property
    def model_class(self) -> str:
        """The class of that model, such as `HubertForCTC`, or the empty string."""
        mapping = self.config.get("auto_mapping")
        found = mapping.get("base_model_class") if isinstance(mapping, dict) else None
        return str(found or "")


def locate_peft(adapter: str) -> Path:
    """Return the local folder of a peft adapter.

    Args:
        adapter: A folder, or `hf:USER/NAME[@REVISION]`, which is downloaded to the hub's cache.

    Raises:
        HubError: it cannot be downloaded, or the repository is not a peft adapter.
    """
    name = HubName.parse(adapter)
    if name is None:
        return expand(adapter)
    return download(name, PATTERNS, (CONFIG,), "an adapter of peft")


def check_peft(folder: Path) -> dict[str, Any]:
    """Return the configuration of a peft adapter, without reading a tensor.

    Raises:
        AdapterFileError: the folder is not a peft adapter, its weights are pickled, or it is of a
            kind that ossicle does not have.
    """
    file = folder / CONFIG
    if not file.is_file():
        what = f"it has no {CONFIG}" if folder.is_dir() else "there is no such folder"
        raise AdapterFileError(f"'{folder}' is not a peft adapter: {what}")
    try:
        config = read_object(file)
    except (OSError, ValueError) as error:
        raise AdapterFileError(f"'{file}' cannot be read: {error}") from error
    kind = config.get("peft_type")
    if kind not in KINDS:
        raise AdapterFileError(
            f"'{folder}' is a peft adapter of type {kind!r:.60}, and ossicle has no equal of that; "
            f"it imports {', '.join(KINDS)}. {OTHER}"
        )
    _check_settings(folder, config)
    if not (folder / TENSORS).is_file():
        raise AdapterFileError(_no_tensors(folder))
    return config


def read_peft(folder: Path) -> PeftFile:
    """Return a peft adapter.

    Raises:
        AdapterFileError: as `check_peft`, or the tensors cannot be read.
    """
    from safetensors.torch import load_file

    config = check_peft(folder)
    file = folder / TENSORS
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError) as error:
        raise AdapterFileError(f"'{file}' is damaged ({error}); copy it again") from error
    strange = [key for key in tensors if not key.startswith(PREFIX)]
    if strange or not tensors:
        found = f"such as {listing(strange, 3)}" if strange else "and it has none"
        raise AdapterFileError(
            f"'{file}' is not a file of peft: names of its tensors begin with '{PREFIX}', {found}"
        )
    wrong = [key for key, tensor in tensors.items() if not tensor.float().isfinite().all()]
    if wrong:
        raise AdapterFileError(
            f"'{file}' has weights that are NaN or infinite, in {listing(wrong, 3)}: its training "
            "has diverged"
        )
    named = {key.removeprefix(PREFIX): tensor.float() for key, tensor in tensors.items()}
    return PeftFile(folder, config, named)


def _check_settings(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise AdapterFileError for a setting that lets the adapter compute something else."""
    on = [key for key, value in config.items() if value and key not in _HARMLESS]
    if on:
        named = listing(_NAMES.get(key, f"{key}={config[key]!r:.60}") for key in sorted(on))
        raise AdapterFileError(
            f"'{folder}' is a {config['peft_type']} adapter with {named}, which ossicle does not "
            f"have. {OTHER}"
        )
    start = config.get("init_lora_weights", True)
    if start not in _KEEPS_BASE:
        raise AdapterFileError(
            f"'{folder}' was initialised with {start!r:.60}, which changes the weights of the "
            "backbone. Convert it to plain LoRA in peft: save_pretrained(DIR, "
            "path_initial_model_for_weight_conversion=...), see peft's guide to LoRA"
        )


def _no_tensors(folder: Path) -> str:
    if (folder / PICKLED).is_file():
        return (
            f"'{folder}' has its weights in {PICKLED}, a pickled file, which can run any code when "
            f"it is read, so ossicle does not. Save it as {TENSORS}: load it in peft, if you trust "
            "its source, and call save_pretrained(DIR, safe_serialization=True)"
        )
    return f"'{folder}' has no {TENSORS}; copy the whole folder"
