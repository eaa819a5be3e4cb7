"""The cache on disk: what frozen prefixes make of recordings, each computed once.

    CACHE/STORE/store.json             what its entries were computed by
    CACHE/STORE/ab/abcd….safetensors   one entry: the states of one piece of a recording

A store is named by a hash of all that its numbers depend on but the sound, an entry by a hash of
the sound and the piece; nothing is ever changed in place, so nothing can be out of date. Entries
are written under another name first, so that processes can share a cache, and hold a hash of the
whole file, so that one that was cut short or changed counts as absent. What was not read for
longest goes first when the cache is full. An entry that cannot be read or written is as if it were
not there: a cache makes a run faster, and never ends it.

The folder may hold files of others. Only what ossicle wrote is counted or removed: a store whose
`store.json` hashes to its name, and in it entries whose header names the store and the entry.

OSSICLE_CACHE names the folder, OSSICLE_CACHE_GB its greatest size.
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
    """Return where the cache is: OSSICLE_CACHE, or the user's cache folder."""
    named = os.environ.get("OSSICLE_CACHE")
    return Path(named).expanduser() if named else platformdirs.user_cache_path("ossicle")


def cache_limit() -> int:
    """Return the greatest size of the cache in bytes: OSSICLE_CACHE_GB, or 50 GB.

    Raises:
        RunError: it is no positive number.
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
    """Return the room on the disk of a folder, which need not be there yet."""
    there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(there).free


def digest(*parts: object) -> str:
    """Return a hash of some values, by what they print as."""
    joined = "\0".join(str(part) for part in parts)
    return hashlib.blake2b(joined.encode(), digest_size=16).hexdigest()


class StateCache:
    """The entries of one kind.

    Attributes:
        folder: Where they lie.
        damaged: Entries that were found cut short or changed, and were removed.
        fault: Why the last entry could not be written; None: all were.
    """

    def __init__(
        self, cache: Path, limit: int, facts: Mapping[str, Any], about: Mapping[str, Any]
    ) -> None:
        """Open the store, and make it where there is none.

        Args:
            cache: The folder of the whole cache.
            limit: Its greatest size in bytes.
            facts: All that the numbers depend on but the sound; they name the store.
            about: What a person wants to know beside it.

        Raises:
            RunError: the folder cannot be made or written to.
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
                "another folder in OSSICLE_CACHE, or say --cache off"
            ) from error

    def get(self, key: str) -> tuple[NDArray[Any], int] | None:
        """Return the states of an entry and the real length of its values; None: not there."""
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
        """Keep an entry; where that fails, say so in `fault` and keep no more.

        Args:
            key: Of the sound and the piece.
            states: (S, T, ...), float32 or float16.
            length: Real entries of the values that they were made of.
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
        """Remove what was not used for longest, so that an entry of that size fits."""
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
        file: Where it lies.
        size: In bytes.
        used: When it was last read or written, in seconds since 1970.
    """

    file: Path
    size: int
    used: float


def entries(store: Path) -> Iterator[Entry]:
    """Yield the files of a store that are named as entries, and half-written ones."""
    for file in store.glob("??/*"):
        if not _NAME.fullmatch(file.name) or file.is_symlink() or not file.is_file():
            continue
        with suppress(FileNotFoundError):  # it may vanish meanwhile
            found = file.stat()
            yield Entry(file, found.st_size, found.st_mtime)


def all_entries(cache: Path) -> Iterator[Entry]:
    """Yield the entries of all stores of a cache, and nothing else that its folder holds."""
    for folder, _ in _stores(cache):
        yield from entries(folder)


def stores(cache: Path) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    """Yield the facts of each store of a cache with its entries."""
    for folder, facts in _stores(cache):
        yield facts, list(entries(folder))


def clear(cache: Path) -> tuple[int, int]:
    """Remove what ossicle has written to a cache; folders only if nothing else is in them.

    Returns:
        The bytes of the entries that were removed, and the number of stores that hold other files
        and so remain as folders.
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
    """Yield each folder that is a store, with what its `store.json` says."""
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
    """Return what the header of an entry says of its place."""
    return {"ossicle": FORMAT, "store": file.parent.parent.name, "entry": file.stem}


def _remove(entry: Entry) -> bool:
    """Remove a file of a store if ossicle wrote it, and return whether it did."""
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
    """Write a file under another name, one of this process, and put it in its place."""
    part = file.with_name(f".{uuid.uuid4().hex}{_PART}")
    try:
        with part.open("wb") as opened:
            opened.writelines(parts)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def as_numbers(states: NDArray[Any], numbers: str) -> NDArray[Any]:
    """Return the states as they are kept.

    Raises:
        RunError: some are too large for float16.
    """
    with np.errstate(over="ignore"):  # told below
        kept = np.ascontiguousarray(states, dtype=np.dtype(numbers))
    if not np.isfinite(kept).all() and np.isfinite(states).all():
        raise RunError(
            f"this backbone makes numbers up to {np.abs(states).max():.0f}, which float16 cannot "
            "hold; say --cache float32, or off"
        )
    return kept
