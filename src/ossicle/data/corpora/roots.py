"""Find the root folder of a corpus near the path given."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from ossicle.errors import DataError, listing

Root = Callable[[Path], bool]

_ABOVE, _BELOW = 3, 3  # levels to search
_MOST = 2000  # most folders to search at each level
TABLES: Final = (".csv", ".tsv", ".jsonl")


def holds(*patterns: str) -> Root:
    """Return a predicate: whether a folder has a match of one of the glob patterns."""

    def is_root(path: Path) -> bool:
        return path.is_dir() and any(any(path.glob(pattern)) for pattern in patterns)

    return is_root


def anywhere(_: Path) -> bool:
    """Return True: the reader itself checks the folder."""
    return True


def is_table(path: Path) -> bool:
    """Return whether a path is a table, by its extension."""
    return path.is_file() and path.suffix.lower() in TABLES


def check_root(name: str, path: Path, is_root: Root) -> None:
    """Raise DataError with the right folder, if it is near the path given.

    If no folder nearby is right, the reader itself reports the error.
    """
    if path.is_file() or is_root(path):
        return
    try:
        found = [place for place in _nearby(path) if is_root(place)]
    except OSError:  # a folder that may not be read
        return
    found = [one for one in found if not set(one.parents) & set(found)]
    if found:
        either = listing((f"{name}:{place}" for place in found), 5)
        which = "Give" if len(found) == 1 else "Give one of"
        raise DataError(f"{path} is not the root folder of the data. {which} {either}")


def _nearby(path: Path) -> Iterator[Path]:
    """Yield the folders above a path, nearest first, and the folders and tables below it."""
    for above in islice(path.absolute().parents, _ABOVE):
        yield from (above, *_inside(above, tables=True))
    level = [path]
    for _ in range(_BELOW):
        level = [one for folder in level for one in _inside(folder)]
        yield from islice(level, _MOST)
        level = [one for one in level[:_MOST] if one.is_dir()]


def _inside(folder: Path, *, tables: bool = False) -> list[Path]:
    """Return the visible folders and tables of a folder, or only its tables."""
    if not folder.is_dir():
        return []
    shown = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    return [one for one in shown if is_table(one) or (not tables and one.is_dir())]
