"""The cache on disk: outputs of the frozen part of a model, computed once per recording.

    CACHE/NAME/store.json             settings that its entries depend on
    CACHE/NAME/ab/abcd….safetensors   one entry: the states of one piece of a recording

A folder NAME holds the entries of one `StateCache`. NAME is a hash of everything that the states
depend on except the sound; the name of an entry is a hash of the sound and the piece. Files are
never changed in place, so no entry can be out of date. Entries are written under a temporary name
first, so that processes can share a cache, and contain a hash of the whole file: a truncated or
changed entry counts as missing. The least recently used entries are removed when the cache is full.
An entry that cannot be read or written is treated as missing: a cache makes a run faster, and never
stops it.

The folder may contain files of other programs. Only files that ossicle wrote are counted or
removed: folders whose `store.json` hashes to their name, and in them entries whose header names
the folder and the entry.

OSSICLE_CACHE names the folder, OSSICLE_CACHE_GB its size limit.
"""

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import platformdirs
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from ossicle import strict_json
from ossicle.checksums import check_tensors, read_metadata, seal_tensors
from ossicle.errors import RunError

FORMAT: Final = "ossicle cache 1"
FACTS: Final = "store.json"
GB: Final = 10**9
LIMIT_GB: Final = 50.0
ROOM: Final = 0.9  # of the limit, after making room
UNSEEN: Final = 0.02  # of the limit: after writing so much, look what other processes have written
_STATES, _LENGTH = "states", "length"
_PART: Final = ".part"
_NAME: Final = re.compile(r"[0-9a-f]{32}\.safetensors|\.[0-9a-f]{32}\.part")


def cache_folder() -> Path:
    """Return the folder of the cache: OSSICLE_CACHE, or the user's cache folder."""
    named = os.environ.get("OSSICLE_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("ossicle")


def cache_limit() -> int:
    """Return the size limit of the cache in bytes: OSSICLE_CACHE_GB, or 50 GB.

    Raises:
        RunError: OSSICLE_CACHE_GB is not a positive number.
    """
    text = os.environ.get("OSSICLE_CACHE_GB", str(LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise RunError(f"OSSICLE_CACHE_GB is '{text}'; expected a number of gigabytes above 0")
    return int(limit * GB)


def free_bytes(folder: Path) -> int:
    """Return the free space on the disk of a folder, which need not exist yet."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


def digest(*parts: object) -> str:
    """Return a hash of values in their printed form."""
    joined = "\0".join(str(part) for part in parts)
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()


class StateCache:
    """The entries for one model, cut and number format.

    Attributes:
        folder: Their folder.
        damaged: Number of truncated or changed entries that were found and removed.
        fault: The reason why an entry could not be written; None: all were written.
    """

    def __init__(
        self, cache: Path, limit: int, facts: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Open the folder of these entries, and create it if needed.

        Args:
            cache: The folder of the whole cache.
            limit: Size limit of the whole cache in bytes.
            facts: Everything that the states depend on except the sound; its hash names the folder.
            about: Further facts for `ossicle cache info`.

        Raises:
            RunError: the folder cannot be created or written.
        """
        self.folder = cache / _store_name(facts)
        self.damaged = 0
        self.fault: str | None = None
        self._cache = cache
        self._limit = limit
        description = {"format": FORMAT, "about": dict(about), "facts": dict(facts)}
        self._description = strict_json.dumps(description, indent=2).encode()
        self._size: int | None = None
        self._unseen = 0
        try:
            self._describe()
        except OSError as error:
            raise RunError(
                f"the cache '{cache}' cannot be written to: {error.strerror or error}. Name "
                "another folder in OSSICLE_CACHE, or use --cache off"
            ) from error

    def get(self, key: str) -> tuple[NDArray[Any], int] | None:
        """Return the states of an entry and the length of its model input; None: no such entry."""
        file = self._file(key)
        try:
            metadata = check_tensors(file)
            length = int(metadata.pop(_LENGTH))
            if not metadata.items() >= _entry_facts(file).items():
                raise ValueError("it is another entry")
            with safe_open(file, framework="np") as opened:
                states = opened.get_tensor(_STATES)
        except OSError:  # gone, another user's alone, or on a disk that fails
            return None
        except (SafetensorError, KeyError, ValueError):
            self.damaged += 1
            with suppress(OSError):  # where it cannot be removed, it is counted again
                file.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(file)  # it was used: the last to go
        return states, length

    def put(self, key: str, states: NDArray[Any], length: int) -> None:
        """Write an entry; if that fails, set `fault` and write no more.

        Args:
            key: Hash of the sound and the piece.
            states: (S, T, ...), float32 or float16.
            length: Real entries of the model input.
        """
        if self.fault is not None:
            return
        file = self._file(key)
        facts = {**_entry_facts(file), _LENGTH: str(length)}
        parts = seal_tensors(save({_STATES: states}), facts)
        try:
            self._make_room(sum(len(part) for part in parts))
            if not (self.folder / FACTS).is_file():  # somebody has cleared the cache
                self._describe()
            file.parent.mkdir(exist_ok=True)
            _write(file, *parts)
        except OSError as error:
            self.fault = f"'{file}' cannot be written: {error.strerror or error}"

    def _describe(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / FACTS, self._description)

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"

    def _make_room(self, size: int) -> None:
        """Remove the least recently used entries, so that an entry of that size fits."""
        if self._size is None or self._unseen > UNSEEN * self._limit:
            self._size = sum(entry.size for entry in all_entries(self._cache))
            self._unseen = 0
        self._unseen += size
        self._size += size
        if self._size <= self._limit:
            return
        oldest_first = sorted(all_entries(self._cache), key=lambda entry: entry.used)
        self._size = size + sum(entry.size for entry in oldest_first)
        for entry in oldest_first:
            if self._size <= ROOM * self._limit:
                break
            if _remove(entry):
                self._size -= entry.size


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the cache.

    Attributes:
        file: Its path.
        size: Size in bytes.
        used: Time of its last use, in seconds since 1970.
    """

    file: Path
    size: int
    used: float


def entries(store: Path) -> Iterator[Entry]:
    """Yield the files in a folder of the cache that are named as entries, complete or partial."""
    for file in store.glob("??/*"):
        if not _NAME.fullmatch(file.name) or file.is_symlink() or not file.is_file():
            continue
        with suppress(FileNotFoundError):  # it may vanish meanwhile
            found = file.stat()
            yield Entry(file, found.st_size, found.st_mtime)


def all_entries(cache: Path) -> Iterator[Entry]:
    """Yield the entries of all folders of a cache, and no other files."""
    for folder, _ in _stores(cache):
        yield from entries(folder)


def stores(cache: Path) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    """Yield the facts of each folder of a cache, with its entries."""
    for folder, facts in _stores(cache):
        yield facts, list(entries(folder))


def clear(cache: Path) -> tuple[int, int]:
    """Remove all files that ossicle wrote to a cache, and folders that are empty afterwards.

    Returns:
        The size of the removed entries in bytes, and the number of folders that remain because they
        contain other files.
    """
    freed, remaining = 0, 0
    for folder, _ in list(_stores(cache)):
        freed += sum(entry.size for entry in entries(folder) if _remove(entry))
        for inner in folder.glob("??"):
            with suppress(OSError):  # it holds something else
                inner.rmdir()
        (folder / FACTS).unlink(missing_ok=True)
        try:
            folder.rmdir()
        except OSError:
            remaining += 1
    return freed, remaining


def _stores(cache: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield each folder that ossicle wrote, with the contents of its `store.json`."""
    for file in sorted(cache.glob(f"*/{FACTS}")):
        try:
            found = strict_json.read_object(file)
        except (OSError, ValueError):
            continue
        facts, about = found.get("facts"), found.get("about")
        if not isinstance(facts, dict) or not isinstance(about, dict):
            continue
        if found.get("format") == FORMAT and file.parent.name == _store_name(facts):
            yield file.parent, {**about, **facts}


def _store_name(facts: Mapping[str, Any]) -> str:
    return digest(FORMAT, json.dumps(facts, sort_keys=True))


def _entry_facts(file: Path) -> dict[str, str]:
    """Return the metadata that ties an entry to its path."""
    return {"ossicle": FORMAT, "store": file.parent.parent.name, "entry": file.stem}


def _remove(entry: Entry) -> bool:
    """Remove a file if ossicle wrote it, and return whether it was removed."""
    if entry.file.suffix != _PART:
        try:
            metadata = read_metadata(entry.file)
        except (OSError, ValueError):
            return False
        if not metadata.items() >= _entry_facts(entry.file).items():
            return False
    entry.file.unlink(missing_ok=True)
    return True


def _write(file: Path, *parts: bytes | memoryview) -> None:
    """Write a file under a temporary name of this process, then rename it."""
    part = file.with_name(f".{uuid.uuid4().hex}{_PART}")
    try:
        with part.open("wb") as opened:
            opened.writelines(parts)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def as_numbers(states: NDArray[Any], numbers: str) -> NDArray[Any]:
    """Return the states in the number format of the cache.

    Raises:
        RunError: some values are too large for float16.
    """
    with np.errstate(over="ignore"):  # reported below
        kept = np.ascontiguousarray(states, dtype=np.dtype(numbers))
    if not np.isfinite(kept).all() and np.isfinite(states).all():
        raise RunError(
            f"the states of this backbone reach {np.abs(states).max():.0f}, too large for float16; "
            "use --cache float32 or --cache off"
        )
    return kept
