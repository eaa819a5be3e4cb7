"""Folders of adapters: those that are found at the start, and those that HTTP may name.

Over HTTP, they are below one root, and nothing in them leads out of it.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ossicle.adapters.folder import FACTS
from ossicle.errors import AdapterFileError
from ossicle.hub import name_of
from ossicle.serving.refusal import Refusal
from ossicle.serving.settings import ServeSettings
from ossicle.training.ensemble_folder import is_ensemble, members_of


def check_allowed(settings: ServeSettings) -> Path:
    """Return the root.

    Raises:
        Refusal: adapters may not be loaded or removed over HTTP.
    """
    if settings.root is None or not settings.allow_loading:
        raise Refusal(
            403,
            "this server does not load or remove adapters over HTTP; start it with --adapters "
            "FOLDER --allow-loading",
            "not_allowed",
        )
    return settings.root


def folder_below(settings: ServeSettings, name: str) -> tuple[Path, Path]:
    """Return the root, and a folder below it.

    Links are followed first: what lies elsewhere is refused, and so is a folder that names other
    folders, as an ensemble with --link does.

    Raises:
        Refusal: loading is not allowed, the folder is not below the root, or does not exist.
        AdapterFileError: it is an ensemble that cannot be used.
    """
    root = Path(os.path.realpath(check_allowed(settings)))
    folder = _below(root, Path(name), name)
    if folder == root or not folder.is_dir():
        raise Refusal(
            422, f"there is no folder '{name:.200}' below that of --adapters", "bad_adapter"
        )
    for path in folder.rglob("*"):
        if path.is_symlink():
            _below(root, path, name)
    for member in members_of(folder):
        _below(root, member.folder, name)
    return root, folder


def _below(root: Path, path: Path, name: str) -> Path:
    """Return a path without links.

    Raises:
        Refusal: it is not below the root.
    """
    try:
        found = Path(os.path.realpath(root / path))
    except ValueError:  # a zero byte
        found = root.parent
    if not found.is_relative_to(root):
        raise Refusal(
            403,
            f"'{name:.200}' is not below the folder of --adapters, or leads out of it; name a "
            "folder there, relative to it",
            "outside_root",
        )
    return found


def runs_below(root: Path) -> dict[str, Path]:
    """Return the runs and ensembles below a folder, by their paths relative to it, sorted.

    Raises:
        AdapterFileError: it is not a folder.
    """
    if not root.is_dir():
        raise AdapterFileError(f"'{root}' is not a folder; name the one that holds the runs")
    return {folder.relative_to(root).as_posix(): folder for folder in _runs_in(root)}


def _runs_in(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.is_dir() and not one.name.startswith("."):
            if is_ensemble(one) or (one / FACTS).is_file():
                yield one
            else:
                yield from _runs_in(one)


def named(folders: Sequence[Path]) -> dict[str, Path]:
    """Return folders by their own names, such as `lora-2` where one is taken."""
    found: dict[str, Path] = {}
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        base = name_of(folder)
        name, number = base, 2
        while name in found:
            name, number = f"{base}-{number}", number + 1
        found[name] = folder
    return found
