"""A hash of the weights of a backbone, computed once for each state of its files."""

import hashlib
from importlib import metadata
from pathlib import Path
from typing import Final

import torch

from ossicle import __version__
from ossicle.backbones import Backbone
from ossicle.frozen.cache import digest
from ossicle.frozen.database import open_database

_TABLE: Final = "weights (key TEXT PRIMARY KEY, digest TEXT, checksum TEXT)"


def weights_digest(backbone: Backbone) -> str:
    """Return a hash of all weights and of all settings of the model and its feature extractor."""
    hashed = hashlib.blake2b(digest_size=16, person=backbone.family.variant.encode())
    for name, tensor in backbone.model.state_dict().items():
        hashed.update(f"{name} {tuple(tensor.shape)}".encode())
        hashed.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy())
    for settings in (backbone.model.config, backbone.extractor):
        hashed.update(settings.to_json_string().encode())
    return hashed.hexdigest()


def loaded_digest(backbone: Backbone, cache: Path) -> str:
    """Return `weights_digest` of a backbone whose weights are as they were loaded.

    The hash is remembered by path, size, times, inode and device of the weight files. Call this
    directly after `load_backbone`: a weight that was changed in memory would not be noticed.

    Args:
        backbone: As `load_backbone` returned it. Random weights have no files, so that their hash
            is computed every time, as is that of a backbone with adapters.
        cache: The folder of the whole cache.
    """
    if not backbone.weight_files or backbone.adapted:
        return weights_digest(backbone)
    key = _key(backbone)
    with open_database(cache, _TABLE) as db:
        row = db and db.execute("SELECT * FROM weights WHERE key = ?", (key,)).fetchone()
        if row and row[2] == digest(*row[:2]):
            return str(row[1])
    found = weights_digest(backbone)
    if all(file.is_certain() for file in backbone.weight_files):
        with open_database(cache, _TABLE) as db:
            if db is not None:
                row = (key, found, digest(key, found))
                db.execute("INSERT OR REPLACE INTO weights VALUES (?, ?, ?)", row)
                db.commit()
    return found


def _key(backbone: Backbone) -> str:
    """Return a hash of everything that the weights depend on: files, settings and versions."""
    return digest(
        *((file.path, file.stamp) for file in backbone.weight_files),
        *((name, value.shape, value.dtype) for name, value in backbone.model.state_dict().items()),
        backbone.family.variant,
        backbone.forward_state.fast,
        backbone.model.config.to_json_string(),
        backbone.extractor.to_json_string(),
        __version__,
        torch.__version__,
        metadata.version("transformers"),
    )
