"""Where a run is: a folder, or a repository on the hub that is downloaded."""

from pathlib import Path
from typing import Final

from ossicle.adapters.folder import FACTS
from ossicle.hub import download
from ossicle.paths import HubName, expand
from ossicle.training.ensemble_folder import ENSEMBLE

PATTERNS: Final = ("*.json", "*.safetensors")  # all that a run consists of; nothing pickled


def locate_run(run: Path | str) -> Path:
    """Return the local folder of a run or ensemble.

    Args:
        run: A folder, or `hf:USER/NAME[@REVISION]`, which is downloaded to the hub's cache.

    Raises:
        HubError: it cannot be downloaded, or the repository is not a run.
    """
    name = HubName.parse(run)
    if name is None:
        return expand(run)
    return download(name, PATTERNS, (FACTS, ENSEMBLE), "a run of ossicle")
