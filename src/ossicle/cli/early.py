"""Checks of paths before torch is imported: a slip of the hand is answered within a second."""

from collections.abc import Sequence
from pathlib import Path

from ossicle.paths import HERE, check_name


def check_started(backbone: str, data: str, places: Sequence[Path] = HERE) -> None:
    """Raise unless the data are there and the backbone can be.

    Raises:
        BackboneError: its name can only be that of a folder, and there is none.
        DataError: there is no such reader or path.
    """
    from ossicle.data.spec import find_data

    check_name(backbone, places)
    find_data(data, places)


def check_trained(run: Path, backbone: str | None) -> None:
    """Raise unless a folder holds an adapter, and the backbone that is given can be there.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        BackboneError: its name can only be that of a folder, and there is none.
    """
    from ossicle.adapters.folder import read_folder
    from ossicle.training.folder import places_of

    facts = read_folder(run).facts
    if backbone is None:
        check_name(facts["backbone"]["name"], places_of(run))
    else:
        check_name(backbone)
