"""Paths that users give: `~`, names that are too long, folders that have been moved, the hub."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ossicle.errors import BackboneError, HubError

HERE: Final = (Path(),)  # where to look by default: the working directory
HUB: Final = "hf:"
_ON_HUB: Final = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(@(?P<revision>[^\s@?]+))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository on the Hugging Face Hub: `hf:USER/NAME[@REVISION]`.

    Attributes:
        repo: `USER/NAME`.
        revision: Branch, tag or commit; None: the main branch.
    """

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: Path | str) -> Self | None:
        """Return the repository that a text names; None if it does not start with `hf:`.

        Raises:
            HubError: it starts so, and is not of that form.
        """
        given = text.as_posix() if isinstance(text, Path) else text
        if not given.startswith(HUB):
            return None
        found = _ON_HUB.fullmatch(given)
        if found is None:
            raise HubError(
                f"'{given:.200}' does not name a repository on the hub; expected "
                "hf:USER/NAME or hf:USER/NAME@REVISION, such as hf:me/my-run@main"
            )
        return cls(found["repo"], found["revision"])

    def __str__(self) -> str:
        return HUB + self.repo + (f"@{self.revision}" if self.revision else "")


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
        HubError: it starts with `hf:` and is not of that form.
    """
    path = name.partition("?")[0]
    if HubName.parse(path) is not None:
        return
    local = path.count("/") > 1 or path.startswith((".", "/", "~")) or len(path) > 255
    folder = find(path, places)
    if local and not (is_there(folder) and folder.is_dir()):
        why = fault(folder)
        raise BackboneError(
            f"there is no folder '{path:.200}'{f': {why}' if why else ''}{looked_in(places)}"
        )
