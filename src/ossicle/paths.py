"""Paths as people write them: `~`, names that are too long, folders that have been moved."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ossicle.errors import BackboneError

HERE: Final = (Path(),)  # the places to look in, where nothing else is known: the working directory


def expand(text: Path | str) -> Path:
    """Return a path with `~` and `~user` replaced; unchanged where there is no such user."""
    path = Path(text)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def fault(path: Path) -> str | None:
    """Return why no file can be at a path, such as a name that is too long; None: no reason."""
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
    """Return the path in the first place that has it; in the first place where none has.

    Args:
        text: Relative to one of the places, or absolute.
        places: Folders to look in.
    """
    path = expand(text)
    return next((place / path for place in places if is_there(place / path)), places[0] / path)


def looked_in(places: Sequence[Path]) -> str:
    """Return a sentence that names the places; empty where only the working directory was meant."""
    if len(places) == 1:
        return ""
    names = ", ".join(f"'{place.absolute()}'" for place in places)
    return f" Looked in {names}."


def check_name(name: str, places: Sequence[Path] = HERE) -> None:
    """Raise if the name of a backbone can only be that of a folder, and there is none.

    Raises:
        BackboneError: there is no such folder.
    """
    path = name.partition("?")[0]
    local = path.count("/") > 1 or path.startswith((".", "/", "~")) or len(path) > 255
    folder = find(path, places)
    if local and not (is_there(folder) and folder.is_dir()):
        why = fault(folder)
        raise BackboneError(
            f"there is no folder '{path:.200}'{f': {why}' if why else ''}{looked_in(places)}"
        )
