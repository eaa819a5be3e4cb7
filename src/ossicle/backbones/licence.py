"""The licence of a backbone, as its own model card states it."""

from collections.abc import Sequence
from pathlib import Path

from ossicle.backbones.source import Source
from ossicle.backbones.transformers_logging import quiet_transformers
from ossicle.errors import BackboneError
from ossicle.paths import HERE
from ossicle.settings import split_query

CARD = "README.md"


def licence_of(name: str, places: Sequence[Path] = HERE) -> str | None:
    """Return the licence that the card of a backbone states; None if none is known.

    Args:
        name: Its name, hub id or folder.
        places: Folders to search for a relative path.

    Raises:
        BackboneError: the name is malformed.
    """
    from huggingface_hub import metadata_load

    if name.startswith("config:"):
        return None
    path, options = split_query(name, BackboneError)
    with quiet_transformers():
        card = Source(path, options.get("revision"), places).file(CARD)
    try:
        data = None if card is None else metadata_load(card)
    except (OSError, ValueError):  # a card without metadata, or with damaged metadata
        return None
    said = (data or {}).get("license")
    return said if isinstance(said, str) and said not in ("other", "unknown") else None
