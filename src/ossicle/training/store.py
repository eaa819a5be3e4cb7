"""The cache on disk: what frozen prefixes make of recordings, each computed once.

    CACHE/STORE/store.json             what its entries were computed by
    CACHE/STORE/ab/abcd….safetensors   one entry: the states of one piece of a recording

A store is named by a hash of all that its numbers depend on but the sound, an entry by a hash of
the sound and the piece; nothing is ever changed in place, so nothing can be out of date. Entries
are written under another name first, so that processes can share a cache, and hold a checksum, so
that a file that was cut short or changed is told from a whole one. What was not read for longest
goes first when the cache is full. An entry that cannot be read or written is as if it were not
there: a cache makes a run faster, and never ends it.

OSSICLE_CACHE names the folder, OSSICLE_CACHE_GB its greatest size.
"""

import hashlib
import json
import os
import shutil
import uuid
import zlib
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

from ossicle.errors import RunError

FACTS: Final = "store.json"
GB: Final = 10**9
LIMIT_GB: Final = 50.0
ROOM: Final = 0.9  # of the limit, after making room
UNSEEN: Final = 0.02  # of the limit: after writing so much, look what other processes have written
_STATES, _CHECKSUM, _LENGTH = "states", "crc32", "length"
_PART: Final = ".part"


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


class Store:
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
        self.folder = cache / digest(json.dumps(facts, sort_keys=True))
        self.damaged = 0
        self.fault: str | None = None
        self._cache = cache
        self._limit = limit
        self._description = json.dumps({**about, **facts}, indent=2).encode()
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
            with safe_open(file, framework="np") as opened:
                metadata = opened.metadata() or {}
                states = opened.get_tensor(_STATES)
            if metadata[_CHECKSUM] != str(zlib.crc32(states.data)):
                raise ValueError("the checksum is another")
        except OSError:  # gone, another user's alone, or on a disk that fails
            return None
        except (SafetensorError, KeyError, ValueError):
            self.damaged += 1
            with suppress(OSError):  # where it cannot be removed, it is told again
                file.unlink(missing_ok=True)
            return None
        with suppress(OSError):
            os.utime(file)  # it was used: the last to go
        return states, int(metadata[_LENGTH])

    def put(self, key: str, states: NDArray[Any], length: int) -> None:
        """Keep an entry; where that fails, say so in `fault` and keep no more.

        Args:
            key: Of the sound and the piece.
            states: (S, T, ...), float32 or float16.
            length: Real entries of the values that they were made of.
        """
        if self.fault is not None:
            return
        facts = {_CHECKSUM: str(zlib.crc32(states.data)), _LENGTH: str(length)}
        content = save({_STATES: states}, metadata=facts)
        file = self._file(key)
        try:
            self._make_room(len(content))
            if not (self.folder / FACTS).is_file():  # somebody has cleared the cache
                self._describe()
            file.parent.mkdir(exist_ok=True)
            _write(file, content)
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
            entry.file.unlink(missing_ok=True)
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
    """Yield the files of a store, half-written ones too, but none that vanish meanwhile."""
    for file in store.glob("??/*"):
        if file.suffix not in (".safetensors", _PART):
            continue
        with suppress(FileNotFoundError):
            found = file.stat()
            yield Entry(file, found.st_size, found.st_mtime)


def all_entries(cache: Path) -> Iterator[Entry]:
    """Yield the entries of all stores of a cache; what else lies in its folder is none of ours."""
    for file in _descriptions(cache):
        yield from entries(file.parent)


def stores(cache: Path) -> Iterator[tuple[dict[str, Any], list[Entry]]]:
    """Yield the facts of each store of a cache with its entries."""
    for file in _descriptions(cache):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            facts = {}
        yield facts, list(entries(file.parent))


def clear(cache: Path) -> int:
    """Remove all stores of a cache and return how many bytes their entries had.

    Only what looks like a store is touched, so that a wrong OSSICLE_CACHE costs nothing.
    """
    freed = 0
    for file in _descriptions(cache):
        freed += sum(entry.size for entry in entries(file.parent))
        shutil.rmtree(file.parent, ignore_errors=True)
    return freed


def _descriptions(cache: Path) -> list[Path]:
    """Return the file that describes each store; a folder without one is no store."""
    return sorted(cache.glob(f"*/{FACTS}"))


def _write(file: Path, content: bytes) -> None:
    """Write a file under another name, one of this process, and put it in its place."""
    part = file.with_name(f".{uuid.uuid4().hex}{_PART}")
    try:
        part.write_bytes(content)
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
