"""Tensors that are computed from the adapter of a finished run, and kept in its folder.

RUN/NAME.safetensors    tensors, and facts about them, with the hash of the adapter file that they
                        were computed with
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

from torch import Tensor

from ossicle import strict_json
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors, serialise_with_digest
from ossicle.checksums import DIGEST, read_metadata
from ossicle.errors import AdapterFileError
from ossicle.files import replace_file

_ADAPTER: Final = "adapter"
_FACTS: Final = "facts"
Tensors: TypeAlias = dict[str, Tensor]
Kept = TypeVar("Kept")


def adapter_digest(folder: Path) -> str:
    """Return the hash of the adapter file in a run folder.

    Raises:
        AdapterFileError: there is none, or it cannot be read.
    """
    try:
        return read_metadata(folder / TENSORS)[DIGEST]
    except (OSError, ValueError, KeyError) as error:
        raise AdapterFileError(f"'{folder / TENSORS}' cannot be read: {error}") from error


def keep(
    file: Path, adapter: str, tensors: Mapping[str, Tensor], facts: Mapping[str, object]
) -> None:
    """Write a file that is computed from an adapter.

    Args:
        file: The file, in the folder of the run.
        adapter: The `adapter_digest` that was found before the computation.
        tensors: Its tensors.
        facts: What is known about them, as plain data.

    Raises:
        RunError: it cannot be written.
    """
    whole = {key: tensor.contiguous() for key, tensor in tensors.items()}
    metadata = {_ADAPTER: adapter, _FACTS: strict_json.dumps(facts)}
    replace_file(file, *serialise_with_digest(whole, **metadata))


def read_kept(file: Path, option: str, parse: Callable[[Tensors, Any], Kept]) -> Kept | None:
    """Return what `keep` wrote; None if there is nothing of the present adapter of the folder.

    Args:
        file: The file, in the folder of a run.
        option: The option of `ossicle report` that computes it again.
        parse: Returns the contents, given tensors and facts.

    Raises:
        AdapterFileError: the folder has no adapter file, or a file is damaged.
    """
    adapter = adapter_digest(file.parent)
    if not file.is_file():
        return None
    try:
        tensors, metadata = read_tensors(file)
        if metadata.get(_ADAPTER) != adapter or _FACTS not in metadata:
            return None
        return parse(tensors, strict_json.loads(metadata[_FACTS]))
    except (AdapterFileError, KeyError, TypeError, ValueError) as error:
        raise AdapterFileError(
            f"'{file}' is damaged. Compute it again with `ossicle report {option}`"
        ) from error
