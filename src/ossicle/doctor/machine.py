"""Folders that must be writable, and memory and cores."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from ossicle.compute.machine import available_bytes, num_cores, total_bytes
from ossicle.doctor.finding import Finding
from ossicle.frozen.cache import cache_folder
from ossicle.hub.folder import hub_folder

GB: Final = 10**9
LITTLE_DISK: Final = 2 * GB  # a large backbone has 1.3 GB
LITTLE_MEMORY: Final = 2 * GB  # Python and its libraries take 0.6 GB, a base backbone 0.4 GB


def examine_machine() -> list[Finding]:
    """Return findings on the folders of caches and temporary files, memory and cores."""
    return [
        examine_folder("cache", cache_folder(), "OSSICLE_CACHE"),
        _hub(),
        _temporary(),
        _memory(),
        _cores(),
    ]


def examine_folder(name: str, folder: Path, variable: str) -> Finding:
    """Return whether a file can be written to a folder, tried by writing one, and its free space.

    A folder that does not exist is not created: the file is written to the nearest one above it.

    Args:
        name: What the folder is for.
        folder: The folder.
        variable: Environment variable that names another folder.
    """
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"ossicle")
            file.flush()
        free = shutil.disk_usage(there).free
    except OSError as error:
        fix = f"name another folder in {variable}"
        return Finding(name, "broken", f"'{folder}' cannot be written: {error.strerror}", fix)
    made = "" if there == folder else ", will be created"
    text = f"'{folder}' can be written{made}; {free / GB:,.1f} GB free"
    if free < LITTLE_DISK:
        return Finding(name, "note", text, f"free some space, or name another disk in {variable}")
    return Finding(name, "ok", text)


def _hub() -> Finding:
    try:
        return examine_folder("hub cache", hub_folder(), "HF_HOME")
    except ImportError as error:
        text = f"huggingface_hub cannot be imported: {error}"
        return Finding("hub cache", "broken", text, "pip install huggingface-hub")


def _temporary() -> Finding:
    try:
        folder = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        text = f"no temporary folder can be written: {error.strerror}"
        return Finding("temporary", "broken", text, "name a folder in TMPDIR")
    return examine_folder("temporary", folder, "TMPDIR")


def _memory() -> Finding:
    free, total = available_bytes(), total_bytes()
    if free is None or total is None:
        return Finding("memory", "note", "this system does not report its memory")
    text = f"{free / GB:.1f} of {total / GB:.1f} GB free"
    if free < LITTLE_MEMORY:
        fix = "end other programs, or use a small backbone and a small --batch-size"
        return Finding("memory", "note", text, fix)
    return Finding("memory", "ok", text)


def _cores() -> Finding:
    chosen = os.environ.get("OMP_NUM_THREADS")
    said = f"; OMP_NUM_THREADS={chosen}" if chosen else ""
    return Finding("cores", "ok", f"{num_cores()} of {os.cpu_count() or 1}{said}")
