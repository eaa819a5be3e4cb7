"""Lengths and content hashes of recordings, so that the next run does not decode them again.

A row of the database holds the result for an utterance: key, result, checksum, time of writing. The
key is a hash of everything the result depends on: path, size, times and inode of the file, place in
the file, sample rate, versions of the decoders. A file that changed less than two seconds before it
was read is not remembered. Beyond two million rows, those written first are removed.
"""

import time
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Final

import soundfile

from ossicle import __version__
from ossicle.data import Content, Scanned, Utterance
from ossicle.files import FileState
from ossicle.frozen.cache import digest
from ossicle.frozen.database import open_database

MOST_ROWS: Final = 2_000_000  # about 400 MB
_TABLE: Final = (
    "scans (key TEXT PRIMARY KEY, num_samples INTEGER, sound TEXT, file TEXT, checksum TEXT, "
    "written INTEGER)"
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
        self._files: dict[Path, FileState | None] = {}

    def find(self, utterances: Sequence[Utterance]) -> dict[str, Scanned]:
        """Return the remembered results, by key of the utterance."""
        self._files = {path: FileState.of(path) for path in {one.path for one in utterances}}
        self._keys = {
            one.key: self._key(one, file) for one in utterances if (file := self._files[one.path])
        }
        found: dict[str, Scanned] = {}
        with open_database(self._cache, _TABLE) as db:
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
        paths = {one.path for one in utterances}
        unchanged = {path for path in paths if (file := self._files[path]) and file.is_certain()}
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
        with open_database(self._cache, _TABLE) as db:
            if db is not None:
                db.executemany("INSERT OR REPLACE INTO scans VALUES (?, ?, ?, ?, ?, ?)", rows)
                oldest = "SELECT key FROM scans ORDER BY written DESC LIMIT -1 OFFSET ?"
                db.execute(f"DELETE FROM scans WHERE key IN ({oldest})", (MOST_ROWS,))
                db.commit()

    def _key(self, one: Utterance, file: FileState) -> str:
        part = (one.span, repr(one.start_s), repr(one.duration_s))
        return digest(self._facts, file.path, file.stamp, *part)
