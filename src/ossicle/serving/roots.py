"""Folders that may be loaded over HTTP: those below one root, and nothing that leads out of it."""

import os
from pathlib import Path

from ossicle.serving.refusal import Refusal
from ossicle.serving.settings import ServeSettings
from ossicle.training.ensemble_folder import members_of


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
