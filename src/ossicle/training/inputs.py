"""What is written before the first result: settings, recordings and versions of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ossicle.data import Dataset
from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.training.config import TrainConfig
from ossicle.training.folder import CONFIG, SPLIT, VERSIONS, read_json, starting_place
from ossicle.training.versions import versions


def write_inputs(
    folder: Path, config: TrainConfig, dataset: Dataset, split: Mapping[str, Mapping[str, str]]
) -> None:
    """Write `config.json`, `split.json` and `versions.json`.

    Args:
        folder: The run folder.
        config: The settings.
        dataset: The recordings.
        split: The content of each recording as text, by side and key.

    Raises:
        RunError: the folder was begun with other recordings, or cannot be written.
    """
    file = folder / SPLIT
    now = {"data": dataset.name, "note": dataset.note, **split}
    if file.is_file() and _recordings(read_json(file)) != _recordings(now):
        raise RunError(
            f"the recordings of '{dataset.name}' are no longer those in '{file}'; replace those "
            "that have changed by their originals, or start a new run"
        )
    write_sealed(folder / CONFIG, config.to_dict())
    write_sealed(file, now)
    write_sealed(folder / VERSIONS, versions() | starting_place(folder))


def _recordings(split: Mapping[str, Any]) -> dict[str, Any]:
    """Return a split without its note, whose wording may change from version to version."""
    return {key: value for key, value in split.items() if key != "note"}
