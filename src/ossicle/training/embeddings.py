"""Embeddings of the test recordings of a finished run, kept in its folder.

RUN/embeddings.safetensors    (N, E), with keys and labels of the recordings, and the hash of
                              the adapter file that they were computed with
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from ossicle.inference.embeddings import embed
from ossicle.progress import Progress, no_progress
from ossicle.training.folder import read_config
from ossicle.training.kept import Tensors, adapter_digest, keep, read_kept
from ossicle.training.tested import draw, tested_clips
from ossicle.training.trained import Trained

EMBEDDINGS: Final = "embeddings.safetensors"
MOST_EMBEDDED: Final = 300
_KEY: Final = "embeddings"


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
    return read_kept(folder / EMBEDDINGS, "--embeddings", _parsed)


def _parsed(tensors: Tensors, facts: Any) -> Embeddings:
    return Embeddings(tuple(facts["keys"]), tuple(facts["labels"]), tensors[_KEY].numpy())


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
    adapter, config = adapter_digest(folder), read_config(folder)
    trained = Trained.open(folder, device=device)
    clips = tested_clips(trained, lambda every: draw(every, MOST_EMBEDDED), progress)
    vectors = embed(
        trained.model, clips, config.batch_size, precision=config.precision, progress=progress
    )
    chosen = clips.utterances
    found = Embeddings(
        tuple(one.key for one in chosen), tuple(one.label for one in chosen), vectors
    )
    facts = {"keys": found.keys, "labels": found.labels}
    keep(folder / EMBEDDINGS, adapter, {_KEY: torch.from_numpy(vectors)}, facts)
    return found
