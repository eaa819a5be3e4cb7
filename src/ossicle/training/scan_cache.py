"""Lengths and content hashes of recordings, so that the next run does not decode them again.

    CACHE/scans-1.sqlite     a row for each utterance: key, result, checksum, time of writing

A key is a hash of everything a result depends on: path, size, times, inode, place in the file,
sample rate, versions of the decoders. A file that changed less than two seconds before it was read
is not remembered, because a second change could leave its times as they are. SQLite lets several
processes use the file. A damaged file is removed, and one that cannot be used is ignored. Beyond
two million rows, those written first are removed.
"""

import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Final

import soundfile

from ossicle import __version__
from ossicle.data import Content, Scanned, Utterance
from ossicle.frozen.cache import digest

FILE: Final = "scans-1.sqlite"
MOST_ROWS: Final = 2_000_000  # about 400 MB
RACY_NS: Final = 2 * 10**9  # twice the coarsest resolution of file times, on FAT
_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS scans (key TEXT PRIMARY KEY, num_samples INTEGER, sound TEXT, "
    "file TEXT, checksum TEXT, written INTEGER)"
)


class ScanCache:
    """Remembers what `scan` returns for one sample rate."""

    def __init__(self, cache: Path, sample_rate: int) -> None:
        """Open nothing yet.

        Args:
            cache: The folder of the whole cache.
            sample_rate: Of the backbone, in Hz.
        """
        self._cache = cache
        self._facts = digest(
            sample_rate,
            __version__,
            soundfile.__libsndfile_version__,
            metadata.version("soxr"),
            metadata.version("numpy"),
        )
        self._keys: dict[str, str] = {}
        self._stamps: dict[Path, tuple[int, ...] | None] = {}
        self._asked_ns = 0

    def find(self, utterances: Sequence[Utterance]) -> dict[str, Scanned]:
        """Return the remembered results, by key of the utterance."""
        self._asked_ns = time.time_ns()
        self._stamps = {path: _stamp(path) for path in {one.path for one in utterances}}
        self._keys = {one.key: self._key(one) for one in utterances if self._stamps[one.path]}
        found: dict[str, Scanned] = {}
        with self._opened() as db:
            for one in utterances if db is not None and self._keys else ():
                assert db is not None
                key = self._keys.get(one.key)
                row = db.execute("SELECT * FROM scans WHERE key = ?", (key,)).fetchone()
                if row is not None and row[4] == digest(*row[:4]):
                    content = Content(row[2], row[3], one.start_s, one.duration_s)
                    found[one.key] = Scanned(row[1], content)
        return found

    def put(self, utterances: Sequence[Utterance], results: Mapping[str, Scanned]) -> None:
        """Remember new results of utterances that `find` was asked for, if it is safe."""
        unchanged = {path for path in {one.path for one in utterances} if self._is_safe(path)}
        now = time.time_ns()
        rows = []
        for one in utterances:
            if one.path in unchanged and one.key in self._keys:
                result = results[one.key]
                facts = (
                    self._keys[one.key],
                    result.num_samples,
                    result.content.sound,
                    result.content.file,
                )
                rows.append((*facts, digest(*facts), now))
        if not rows:
            return
        with self._opened() as db:
            if db is not None:
                db.executemany("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?, ?, ?)", rows)
                oldest = "SELECT key FROM scans ORDER BY written DESC LIMIT -1 OFFSET ?"
                db.execute(f"DELETE FROM scans WHERE key IN ({oldest})", (MOST_ROWS,))
                db.commit()

    def _key(self, one: Utterance) -> str:
        path = os.path.realpath(one.path)
        stamp = self._stamps[one.path]
        return digest(self._facts, path, stamp, one.span, repr(one.start_s), repr(one.duration_s))

    def _is_safe(self, path: Path) -> bool:
        """Return whether a file is as it was asked for, and had not changed just before."""
        stamp = self._stamps.get(path)
        if stamp is None or stamp != _stamp(path):
            return False
        return max(stamp[1:3]) + RACY_NS <= self._asked_ns

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection | None]:
        """Give the database, or None if it cannot be used; errors in its use are ignored."""
        file = self._cache / FILE
        try:
            self._cache.mkdir(parents=True, exist_ok=True)
            db = sqlite3.connect(file, timeout=10)
        except (OSError, sqlite3.Error):
            yield None
            return
        with closing(db):
            try:
                db.execute(_TABLE)
            except sqlite3.Error as error:
                _remove_damaged(file, error)
                yield None
                return
            try:
                yield db
            except sqlite3.Error as error:
                _remove_damaged(file, error)


def _stamp(path: Path) -> tuple[int, ...] | None:
    """Return size, times, inode and device of a file; None if it cannot be looked at."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_dev


def _remove_damaged(file: Path, error: sqlite3.Error) -> None:
    if not isinstance(error, sqlite3.OperationalError):  # such as a lock or a full disk
        with suppress(OSError):
            file.unlink(missing_ok=True)


def clear_scans(cache: Path) -> int:
    """Remove the file, and return its size in bytes; 0 if there is none."""
    size = scans_bytes(cache)
    with suppress(OSError):
        (cache / FILE).unlink(missing_ok=True)
    return size


def scans_bytes(cache: Path) -> int:
    """Return the size of the file in bytes; 0 if there is none."""
    try:
        return (cache / FILE).stat().st_size
    except OSError:
        return 0
