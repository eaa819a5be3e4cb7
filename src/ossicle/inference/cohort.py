"""The cohort of a verification run: `cohort.safetensors`, (K, E) embeddings from training."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ossicle.adapters.folder import COHORT
from ossicle.adapters.saving import check_finite, read_tensors, serialise_with_digest
from ossicle.errors import AdapterFileError
from ossicle.files import replace_file

_KEY = "embeddings"


def write_cohort(folder: Path, embeddings: NDArray[np.float64]) -> None:
    """Save the embeddings with the adapter, in float32."""
    tensor = torch.from_numpy(embeddings).float().contiguous()
    replace_file(folder / COHORT, *serialise_with_digest({_KEY: tensor}))


def read_cohort(folder: Path) -> NDArray[np.float64] | None:
    """Return the embeddings saved with an adapter; None if the folder has no such file.

    Raises:
        AdapterFileError: the file is damaged, or is not a cohort.
    """
    if not (folder / COHORT).is_file():
        return None
    tensors, _ = read_tensors(folder / COHORT)
    embeddings = tensors.get(_KEY)
    if embeddings is None or embeddings.ndim != 2 or not embeddings.is_floating_point():
        raise AdapterFileError(
            f"'{folder / COHORT}' contains no embeddings of shape (recordings, width); copy it "
            "again, or remove it to score without it"
        )
    check_finite(tensors, f"'{folder / COHORT}'")
    return embeddings.double().numpy()
