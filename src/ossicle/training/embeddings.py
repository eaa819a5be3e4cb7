"""Embeddings of the test recordings of a finished run, kept in its folder.

RUN/embeddings.safetensors    (N, E), with keys and labels of the recordings, and the hash of
                              the adapter file that they were computed with
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from jaxtyping import Float

from ossicle import strict_json
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors, serialise_with_digest
from ossicle.checksums import DIGEST, read_metadata
from ossicle.compute.processes import Processes
from ossicle.data import Clips, Utterance
from ossicle.errors import AdapterFileError, RunError, SplitError, listing
from ossicle.files import replace_file
from ossicle.inference.embeddings import embed
from ossicle.progress import Progress, no_progress
from ossicle.training.folder import SPLIT, places_of, read_config, read_json
from ossicle.training.recordings import scan_together
from ossicle.training.split import open_split
from ossicle.training.trained import Trained

EMBEDDINGS: Final = "embeddings.safetensors"
MOST_EMBEDDED: Final = 300
_KEY: Final = "embeddings"
_ADAPTER: Final = "adapter"
_ROWS: Final = "recordings"


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of recordings.

    Attributes:
        keys: Key of each recording.
        labels: Its label.
        vectors: Its embedding.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    vectors: Float[np.ndarray, "N E"]


def read_embeddings(folder: Path) -> Embeddings | None:
    """Return the embeddings in a run folder; None if there are none of its present adapter.

    Raises:
        AdapterFileError: the folder has no adapter file, or a file is damaged.
    """
    adapter = _digest(folder)
    if not (folder / EMBEDDINGS).is_file():
        return None
    try:
        tensors, metadata = read_tensors(folder / EMBEDDINGS)
        if metadata.get(_ADAPTER) != adapter:
            return None
        rows = strict_json.loads(metadata[_ROWS])
        return Embeddings(tuple(rows["keys"]), tuple(rows["labels"]), tensors[_KEY].numpy())
    except (AdapterFileError, KeyError, TypeError, ValueError) as error:
        raise AdapterFileError(
            f"'{folder / EMBEDDINGS}' is damaged. Compute it again with "
            "`ossicle report --embeddings`"
        ) from error


def compute_embeddings(
    folder: Path, *, device: str = "auto", progress: Progress = no_progress
) -> Embeddings:
    """Compute the embeddings of at most `MOST_EMBEDDED` test recordings, and keep them.

    Of more recordings, that many are drawn, always the same.

    Args:
        folder: The folder of a finished run.
        device: Where to compute them: auto, cpu, cuda, ...
        progress: Called after every batch.

    Raises:
        OssicleError: the backbone or the recordings are no longer what they were in the run, the
            head works frame by frame, or the file cannot be written.
    """
    adapter, config = _digest(folder), read_config(folder)
    trained = Trained.open(folder, device=device)
    dataset = open_split(replace(config, shots=None, train_fraction=None), places_of(folder))
    chosen = _drawn(dataset.test)
    backbone = trained.model.backbone
    processes = Processes(cpu=next(backbone.parameters()).device.type == "cpu")
    scanned = scan_together(chosen, backbone, processes, progress)
    _check_same(folder, {key: str(one.content) for key, one in scanned.items()})
    sizes = tuple(scanned[one.key].num_samples for one in chosen)
    vectors = embed(
        trained.model,
        Clips(tuple(chosen), sizes, trained.limit),
        config.batch_size,
        precision=config.precision,
        progress=progress,
    )
    found = Embeddings(
        tuple(one.key for one in chosen), tuple(one.label for one in chosen), vectors
    )
    rows = strict_json.dumps({"keys": found.keys, "labels": found.labels})
    tensors = {_KEY: torch.from_numpy(vectors).contiguous()}
    parts = serialise_with_digest(tensors, **{_ADAPTER: adapter, _ROWS: rows})
    replace_file(folder / EMBEDDINGS, *parts)
    return found


def _digest(folder: Path) -> str:
    try:
        return read_metadata(folder / TENSORS)[DIGEST]
    except (OSError, ValueError, KeyError) as error:
        raise AdapterFileError(f"'{folder / TENSORS}' cannot be read: {error}") from error


def _drawn(utterances: Sequence[Utterance]) -> list[Utterance]:
    rows = np.random.default_rng(0).permutation(len(utterances))[:MOST_EMBEDDED]
    return [utterances[row] for row in sorted(rows.tolist())]


def _check_same(folder: Path, contents: dict[str, str]) -> None:
    """Raise unless the recordings are those that the run was tested on.

    Raises:
        SplitError: some have changed, or are not among its test recordings.
        RunError: the split of the run cannot be read.
    """
    tested = read_json(folder / SPLIT).get("test")
    if not isinstance(tested, dict):
        raise RunError(f"'{folder / SPLIT}' names no test recordings; copy it again from the run")
    if changed := [key for key, content in contents.items() if tested.get(key) != content]:
        raise SplitError(
            f"{len(changed)} test recordings of '{folder}' have changed since the run: "
            f"{listing(changed, 3)}. Put the originals back"
        )
