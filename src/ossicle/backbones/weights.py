"""Load safetensors weights strictly.

transformers initialises missing weights at random and drops unexpected ones. Both change the output
of a model, so both are errors here, as are tensors of another shape, integers without a scale and
non-finite weights. Weights outside the part that ossicle runs (task heads, projections of
pretraining, Whisper's decoder) are ignored.

Shapes are read from the file headers and compared with the configuration before memory is
allocated.
"""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ossicle.backbones.family import Family
from ossicle.backbones.settings import CONFIG, one_line
from ossicle.errors import BackboneError
from ossicle.strict_json import read_object

WEIGHTS: Final = "model.safetensors"
INDEX: Final = "model.safetensors.index.json"
MAX_SHARDS: Final = 1000
OPTIONAL: Final = ("masked_spec_embed",)  # used by SpecAugment only
OUTPUT: Final = "proj_out.weight"  # of a text decoder
EMBEDDINGS: Final = "decoder.embed_tokens.weight"
COUNTER: Final = "num_batches_tracked"  # of a batch norm, an integer
FLOATS: Final = ("F16", "BF16", "F32", "F64")
MANY: Final = 10_000_000  # numbers, 40 MB
LARGEST: Final = torch.finfo(torch.float32).max


@dataclass(frozen=True, slots=True)
class Stored:
    """Header of a tensor in a safetensors file.

    Attributes:
        key: Name in the file.
        file: Path of the file.
        dtype: Dtype in the notation of safetensors, e.g. `F32`.
        shape: Shape.
    """

    key: str
    file: Path
    dtype: str
    shape: tuple[int, ...]


def load_weights(path: str, files: Iterable[Path], family: Family, config: Any) -> Any:
    """Return the part of the model that ossicle runs, with its weights in float32.

    Args:
        path: Name of the backbone, for messages.
        files: Safetensors files of one checkpoint.
        family: Model family.
        config: Configuration of the model.

    Raises:
        BackboneError: the files are damaged or do not fit the configuration.
    """
    prefix = f"{family.model_class(config).base_model_prefix}."
    headers = _headers(path, files)
    if family.has_decoder and OUTPUT in headers:
        _check_tied(path, headers)
    stored = _of_part(family, prefix, headers)
    for one in stored.values():
        if one.dtype not in FLOATS and not one.key.endswith(COUNTER):
            raise BackboneError(
                f"the weights of '{path}': '{one.key}' has dtype {one.dtype}; ossicle reads F16, "
                "BF16, F32 and F64, not quantised weights. Save the model again without "
                "quantisation"
            )
    _compare_sizes(path, stored, meta_model(path, family, config))
    tensors = _read(path, stored)
    model_class = family.model_class(config)
    model, report = model_class.from_pretrained(
        None,
        config=config,
        state_dict=tensors,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # they are in the report, and raise below
        output_loading_info=True,
    )
    _check(path, family, report)
    return model


def _check_tied(path: str, headers: Mapping[str, Stored]) -> None:
    """Raise BackboneError if an output layer is not the table of token embeddings."""
    table = next((one for key, one in headers.items() if key.endswith(EMBEDDINGS)), None)
    kept = {"output": headers[OUTPUT]} | ({} if table is None else {"table": table})
    found = _read(path, kept)
    if table is None or not torch.equal(found["output"], found["table"]):
        raise BackboneError(
            f"the weights of '{path}': the output layer '{OUTPUT}' is not the table of token "
            "embeddings, and ossicle runs Whisper with the two tied, as it was released. Save the "
            "model with tie_word_embeddings"
        )


def meta_model(path: str, family: Family, config: Any) -> Any:
    """Return the part of the model that ossicle runs, on the meta device.

    Raises:
        BackboneError: the configuration is not valid.
    """
    try:
        model_class = family.model_class(config)  # imports its module, which may make tensors
        with torch.device("meta"):
            return model_class(config)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise BackboneError(
            f"backbone '{path}': {CONFIG} is not a valid architecture: {one_line(error)}"
        ) from error


def shards(path: str, index: Path) -> list[str]:
    """Return the file names listed in an index of sharded weights.

    Raises:
        BackboneError: the index is damaged, or lists files in other folders.
    """
    try:
        listed = read_object(index).get("weight_map")
    except (OSError, ValueError) as error:
        raise BackboneError(f"backbone '{path}': {INDEX} cannot be read: {error}") from error
    if not isinstance(listed, dict) or not all(isinstance(one, str) for one in listed.values()):
        raise BackboneError(f"backbone '{path}': {INDEX} has no 'weight_map' from names to files")
    names = sorted(set(listed.values()))
    if len(names) > MAX_SHARDS:
        raise BackboneError(f"backbone '{path}': {INDEX} lists {len(names)} files")
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise BackboneError(
                f"backbone '{path}': {INDEX} lists {name!r:.80}, which is not the name of a "
                ".safetensors file in the same folder"
            )
    return names


def _headers(path: str, files: Iterable[Path]) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    for file in files:
        try:
            if not file.is_file():  # reading a pipe would block
                raise OSError("it is not a file")
            with safe_open(file, framework="pt") as opened:
                for key in opened.keys():  # noqa: SIM118 - not a mapping
                    if key in found:
                        raise BackboneError(
                            f"the weights of '{path}': '{key}' is in {found[key].file.name} and "
                            f"in {file.name}; keep one of them"
                        )
                    part = opened.get_slice(key)
                    found[key] = Stored(key, file, part.get_dtype(), tuple(part.get_shape()))
        except (OSError, SafetensorError) as error:
            raise BackboneError(
                f"backbone '{path}': {file.name} cannot be read: {one_line(error)}"
            ) from error
    return found


def _of_part(family: Family, prefix: str, found: Mapping[str, Stored]) -> dict[str, Stored]:
    """Return the tensors of the part that ossicle runs, by their names inside it.

    A checkpoint with a task head prefixes the names of the base model with that of the
    architecture; tensors without this prefix then belong to the head.
    """
    has_prefix = any(key.startswith(prefix + family.weights_prefix) for key in found)
    begins = prefix + family.weights_prefix if has_prefix else family.weights_prefix
    names = {key.removeprefix(begins): key for key in found if key.startswith(begins)}
    if not begins:
        names = {key: key for key in found if key.split(".")[0] in family.top_modules}
    return {name: found[key] for name, key in names.items()}


def _compare_sizes(path: str, stored: Mapping[str, Stored], model: Any) -> None:
    """Raise BackboneError if the configuration describes a far larger model than the files hold.

    Names are compared later, by transformers: it knows names that have changed since older
    checkpoints, but allocates the whole model first.
    """
    described = sum(value.numel() for value in model.state_dict().values())
    there = sum(prod(one.shape) for one in stored.values())
    if described > MANY + 2 * there:
        raise BackboneError(
            f"the weights of '{path}' do not fit its {CONFIG}, which describes a model with "
            f"{described} parameters; the files hold {there}. Use the {CONFIG} and the weights "
            "that were saved together"
        )


def _read(path: str, stored: Mapping[str, Stored]) -> dict[str, Tensor]:
    """Return the tensors; raise BackboneError for values that are not finite in float32."""
    tensors: dict[str, Tensor] = {}
    with ExitStack() as stack:
        opened = {
            file: stack.enter_context(safe_open(file, framework="pt"))
            for file in {one.file for one in stored.values()}
        }
        for name, one in stored.items():
            tensor = opened[one.file].get_tensor(one.key)
            if tensor.numel() and not _is_finite(tensor):
                raise BackboneError(
                    f"the weights of '{path}': '{one.key}' holds values that are not finite in "
                    "float32. Download or save the checkpoint again"
                )
            tensors[name] = tensor
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    low, high = tensor.aminmax()
    return low.item() >= -LARGEST and high.item() <= LARGEST  # both are false for NaN


def _check(path: str, family: Family, report: Mapping[str, Any]) -> None:
    """Raise BackboneError for missing, unexpected or misshapen tensors."""
    missing = sorted(set(report["missing_keys"]) - set(OPTIONAL))
    extra = sorted(set(report["unexpected_keys"]) - set(OPTIONAL))
    shapes = sorted(report["mismatched_keys"], key=str)
    problems = []
    if missing:
        problems.append(f"{len(missing)} tensors are missing, the first '{missing[0]}'")
    if extra:
        problems.append(f"{len(extra)} are unexpected in {family.name}, the first '{extra[0]}'")
    if shapes:
        name, there, described = shapes[0]
        problems.append(
            f"{len(shapes)} have another shape, the first '{name}': {tuple(there)} in the file, "
            f"{tuple(described)} in {CONFIG}"
        )
    if problems:
        raise BackboneError(
            f"the weights of '{path}' do not fit its {CONFIG}: {'; '.join(problems)}. Use the "
            f"{CONFIG} and the weights that were saved together"
        )
