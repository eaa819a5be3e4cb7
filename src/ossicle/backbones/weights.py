"""From safetensors files to a model, in which every tensor has its place and every place a tensor.

transformers fills what is missing with random numbers and leaves out what it has no place for. Both
change what a model computes, so both are refused here, as are tensors of another shape, integers
without a scale, and weights that are not finite. What lies outside the part that ossicle runs (the
head of a task, projections of pretraining, Whisper's decoder) is not looked at.

Shapes are read from the headers of the files and compared with the configuration before memory is
asked for.
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
OPTIONAL: Final = ("masked_spec_embed",)  # of SpecAugment in pretraining
COUNTER: Final = "num_batches_tracked"  # of a batch norm, a whole number
FLOATS: Final = ("F16", "BF16", "F32", "F64")
MANY: Final = 10_000_000  # numbers, 40 MB
LARGEST: Final = torch.finfo(torch.float32).max


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor in a file.

    Attributes:
        key: Its name there.
        file: Where it is.
        dtype: As the format calls it.
        shape: Its sizes.
    """

    key: str
    file: Path
    dtype: str
    shape: tuple[int, ...]


def load_weights(path: str, files: Iterable[Path], family: Family, config: Any) -> Any:
    """Return the part of the model that ossicle runs, with its weights in float32.

    Args:
        path: Of the backbone, for messages.
        files: The safetensors files of one checkpoint.
        family: What kind of model it is.
        config: Its configuration.

    Raises:
        BackboneError: the files are damaged, or hold something else than the configuration says.
    """
    prefix = f"{family.model_class(config).base_model_prefix}."
    stored = _of_part(family, prefix, _headers(path, files))
    for one in stored.values():
        if one.dtype not in FLOATS and not one.key.endswith(COUNTER):
            raise BackboneError(
                f"the weights of '{path}': '{one.key}' is stored as {one.dtype}, without a scale "
                "that could make numbers of it; ossicle reads F16, BF16, F32 and F64. Save the "
                "model again without quantisation"
            )
    _compare_sizes(path, stored, meta_model(path, family, config))
    tensors = _read(path, stored)
    kind = family.model_class(config)
    model, report = kind.from_pretrained(
        None,
        config=config,
        state_dict=tensors,
        dtype=torch.float32,
        ignore_mismatched_sizes=True,  # they are in the report, and refused below
        output_loading_info=True,
    )
    _check(path, family, report)
    return model


def meta_model(path: str, family: Family, config: Any) -> Any:
    """Return the part of the model that ossicle runs, on the meta device.

    Raises:
        BackboneError: there is no such model.
    """
    try:
        with torch.device("meta"):
            return family.model_class(config)(config)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise BackboneError(
            f"backbone '{path}': {CONFIG} is no valid architecture: {one_line(error)}"
        ) from error


def shards(path: str, index: Path) -> list[str]:
    """Return the names of the files that an index lists.

    Raises:
        BackboneError: it is damaged, or names files elsewhere.
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
                ".safetensors file beside it"
            )
    return names


def _headers(path: str, files: Iterable[Path]) -> dict[str, Stored]:
    found: dict[str, Stored] = {}
    for file in files:
        try:
            if not file.is_file():  # a pipe would block
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

    A model with a head of its own puts the name of the architecture before the names of the part:
    then, whatever does not begin so is the head's.
    """
    has_prefix = any(key.startswith(prefix + family.weights_prefix) for key in found)
    begins = prefix + family.weights_prefix if has_prefix else family.weights_prefix
    names = {key.removeprefix(begins): key for key in found if key.startswith(begins)}
    if not begins:
        names = {key: key for key in found if key.split(".")[0] in family.top_modules}
    return {name: found[key] for name, key in names.items()}


def _compare_sizes(path: str, stored: Mapping[str, Stored], model: Any) -> None:
    """Raise where the configuration describes a far larger model than the files hold.

    The names of the tensors are compared later: some have changed since older files were written,
    and transformers, which knows them, first makes room for the whole model.
    """
    described = sum(value.numel() for value in model.state_dict().values())
    there = sum(prod(one.shape) for one in stored.values())
    if described > MANY + 2 * there:
        raise BackboneError(
            f"the weights of '{path}' do not fit its {CONFIG}, which describes a model of "
            f"{described} numbers; the files hold {there} for it. Use the {CONFIG} and the weights "
            "that were saved together"
        )


def _read(path: str, stored: Mapping[str, Stored]) -> dict[str, Tensor]:
    """Return the tensors, all of them finite in float32."""
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
                    f"the weights of '{path}': '{one.key}' holds numbers that are not finite in "
                    "float32. Download or save the checkpoint again"
                )
            tensors[name] = tensor
    return tensors


def _is_finite(tensor: Tensor) -> bool:
    low, high = tensor.aminmax()
    return low.item() >= -LARGEST and high.item() <= LARGEST  # neither holds for not-a-number


def _check(path: str, family: Family, report: Mapping[str, Any]) -> None:
    """Raise unless every tensor found its place and every place its tensor."""
    missing = sorted(set(report["missing_keys"]) - set(OPTIONAL))
    extra = sorted(set(report["unexpected_keys"]) - set(OPTIONAL))
    shapes = sorted(report["mismatched_keys"], key=str)
    said = []
    if missing:
        said.append(f"{len(missing)} tensors are missing, the first '{missing[0]}'")
    if extra:
        said.append(f"{len(extra)} are not part of such a {family.name}, the first '{extra[0]}'")
    if shapes:
        name, there, described = shapes[0]
        said.append(
            f"{len(shapes)} have another shape, the first '{name}': {tuple(there)} in the file, "
            f"{tuple(described)} by {CONFIG}"
        )
    if said:
        raise BackboneError(
            f"the weights of '{path}' do not fit its {CONFIG}: {'; '.join(said)}. Use the {CONFIG} "
            "and the weights that were saved together"
        )
