"""Checks of paths before torch is imported, so that a typo is reported within a second."""

from collections.abc import Sequence
from pathlib import Path

from ossicle.paths import HERE, check_name


def check_started(backbone: str, data: str, places: Sequence[Path] = HERE) -> None:
    """Raise unless the data exist and the backbone is a hub id or an existing folder.

    Raises:
        BackboneError: the backbone is a path that does not exist.
        DataError: the reader or the path does not exist.
    """
    from ossicle.data.spec import find_data

    check_name(backbone, places)
    find_data(data, places)


def check_trained(run: Path, backbone: str | None) -> Path:
    """Return the folder of an adapter or an ensemble, whose backbone may exist.

    Args:
        run: Its folder, or `hf:USER/NAME[@REVISION]`, which is downloaded.
        backbone: Where the backbone is, if not where the run found it.

    Raises:
        HubError: it cannot be downloaded.
        AdapterFileError: the folder is not an adapter or ensemble folder, or is damaged; a member
            of an ensemble is missing or has changed.
        BackboneError: a backbone is a path that does not exist.
    """
    from ossicle.adapters.folder import read_folder
    from ossicle.training.ensemble_folder import members_of
    from ossicle.training.folder import places_of
    from ossicle.training.located import locate_run

    folder = locate_run(run)
    for member in members_of(folder):
        facts = read_folder(member.folder).facts
        if backbone is None:
            check_name(facts["backbone"]["name"], places_of(member.folder))
        else:
            check_name(backbone)
    return folder
