"""Representations of the test recordings of a finished run, layer by layer, kept in its folder.

RUN/representations.safetensors    (N, L, D), with the keys of the recordings, and the CKA of every
                                   layer with that of the bare backbone
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from ossicle.adapters.folder import read_folder
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device
from ossicle.data import Clips
from ossicle.errors import DataError
from ossicle.inference.representations import represent
from ossicle.progress import Progress, no_progress
from ossicle.statistics.cka import linear_cka
from ossicle.training.config import TrainConfig
from ossicle.training.folder import places_of, read_config
from ossicle.training.kept import Tensors, adapter_digest, keep, read_kept
from ossicle.training.tested import draw, tested_clips
from ossicle.training.trained import Trained

REPRESENTATIONS: Final = "representations.safetensors"
MOST_REPRESENTED: Final = 300

# Representations by a bare backbone, by its fingerprint, the recordings and how they were cut.
BareStates: TypeAlias = dict[tuple[Any, ...], NDArray[np.float32]]


@dataclass(frozen=True)
class Representations:
    """Representations of recordings by a trained model.

    Attributes:
        keys: Key of each recording.
        hidden: The mean output of each layer for each recording.
        with_bare: CKA of each layer with the same layer of the backbone without adapters.
    """

    keys: tuple[str, ...]
    hidden: Float[np.ndarray, "N L D"]
    with_bare: Float[np.ndarray, " L"]


def read_representations(folder: Path) -> Representations | None:
    """Return the representations in a run folder; None if it has none of its present adapter.

    Raises:
        AdapterFileError: the folder has no adapter file, or a file is damaged.
    """
    return read_kept(folder / REPRESENTATIONS, "--explain", _parsed)


def _parsed(tensors: Tensors, facts: Any) -> Representations:
    hidden, with_bare = tensors["hidden"].numpy(), tensors["with_bare"].numpy()
    return Representations(tuple(facts["keys"]), hidden, with_bare)


def compute_representations(
    folder: Path,
    *,
    device: str = "auto",
    bare: BareStates | None = None,
    progress: Progress = no_progress,
) -> Representations:
    """Compute the representations of at most `MOST_REPRESENTED` test recordings, and keep them.

    Of more recordings, that many are drawn, always the same.

    Args:
        folder: The folder of a finished run.
        device: Where to compute them: auto, cpu, cuda, ...
        bare: Representations by bare backbones that are known; new ones are added.
        progress: Called after every batch.

    Raises:
        OssicleError: the backbone or the recordings are no longer what they were in the run, or the
            file cannot be written.
    """
    adapter, config = adapter_digest(folder), read_config(folder)
    trained = Trained.open(folder, device=device)
    clips = tested_clips(trained, lambda every: draw(every, MOST_REPRESENTED), progress)
    if len(clips.utterances) < 2:
        raise DataError(
            "there is one test recording, and representations are compared over several"
        )
    backbone, known = trained.model.backbone, {} if bare is None else bare
    hidden = _represented(backbone, clips, config, progress)
    keys = tuple(one.key for one in clips.utterances)
    key = (backbone.fingerprint, keys, clips.limit, config.precision)
    if key not in known:
        # loaded again: full fine-tuning has changed the one of the run
        name = read_folder(folder).facts["backbone"]["name"]
        again = load_backbone(name, device=pick_device(device), places=places_of(folder))
        known[key] = _represented(again, clips, config, progress)
    pairs = zip(hidden.swapaxes(0, 1), known[key].swapaxes(0, 1), strict=True)
    with_bare = np.array([linear_cka(*pair) for pair in pairs])
    tensors = {"hidden": torch.from_numpy(hidden), "with_bare": torch.from_numpy(with_bare)}
    keep(folder / REPRESENTATIONS, adapter, tensors, {"keys": keys})
    return Representations(keys, hidden, with_bare)


def _represented(
    backbone: Backbone, clips: Clips, config: TrainConfig, progress: Progress
) -> NDArray[np.float32]:
    size, precision = config.batch_size, config.precision
    return represent(backbone, clips, size, precision=precision, progress=progress)
