"""Paths that users give: `~`, names that are too long, folders that have been moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ossicle.errors import BackboneError

HERE: Final = (Path(),)  # where to look by default: the working directory


def expand(text: Path | str) -> Path:
    """Return a path with `~` and `~user` replaced; unchanged if the user does not exist."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def fault(path: Path) -> str | None:
    """Return why a path is unusable, for example a name that is too long; None if it is usable."""
    if path.parts[:1] and path.parts[0].startswith("~"):
        return f"there is no user '{path.parts[0][1:]}'" if path.parts[0] != "~" else "no home"
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror or str(error)
    except ValueError:
        return "it holds a null character"
    return None


def is_there(path: Path) -> bool:
    """Return whether there is a file or folder at a path that this process can see."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def find(text: Path | str, places: Sequence[Path] = HERE) -> Path:
    """Return the path in the first of several places that contains it, else in the first place.

    Args:
        text: Relative to one of the places, or absolute.
        places: Folders to look in.
    """
    path = expand(text)
    return next((place / path for place in places if is_there(place / path)), places[0] / path)


def looked_in(places: Sequence[Path]) -> str:
    """Return a sentence that lists the places; empty if there is only one."""
    if len(places) == 1:
        return ""
    names = ", ".join(f"'{place.absolute()}'" for place in places)
    return f" Looked in {names}."


def check_name(name: str, places: Sequence[Path] = HERE) -> None:
    """Raise if the name of a backbone must be a local folder, and the folder does not exist.

    Raises:
        BackboneError: the folder does not exist.
    """
    path = name.partition("?")[0]
    local = path.count("/") > 1 or path.startswith((".", "/", "~")) or len(path) > 255
    folder = find(path, places)
    if local and not (is_there(folder) and folder.is_dir()):
        why = fault(folder)
        raise BackboneError(
            f"there is no folder '{path:.200}'{f': {why}' if why else ''}{looked_in(places)}"
        )
