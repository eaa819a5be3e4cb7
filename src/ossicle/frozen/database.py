"""What was computed from files, so that the next run does not read or hash them again.

    CACHE/scans-1.sqlite     a table for recordings, one for weights of backbones

A key is a hash of everything a value depends on. SQLite lets several processes use the file. A
damaged file is removed, and one that cannot be used is ignored.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

FILE: Final = "scans-1.sqlite"


@contextmanager
def open_database(cache: Path, table: str) -> Iterator[sqlite3.Connection | None]:
    """Open the database, or return None if it cannot be used; errors in its use are ignored.

    Args:
        cache: The folder of the whole cache.
        table: Name and columns of the table that is created if it is missing.
    """
    file = cache / FILE
    try:
        cache.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(file, timeout=10)
    except (OSError, sqlite3.Error):
        yield None
        return
    with closing(db):
        try:
            db.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        except sqlite3.Error as error:
            _remove_damaged(file, error)
            yield None
            return
        try:
            yield db
        except sqlite3.Error as error:
            _remove_damaged(file, error)


def _remove_damaged(file: Path, error: sqlite3.Error) -> None:
    if not isinstance(error, sqlite3.OperationalError):  # such as a lock or a full disk
        with suppress(OSError):
            file.unlink(missing_ok=True)


def clear_database(cache: Path) -> int:
    """Remove the file and return its size in bytes; 0 if it does not exist."""
    size = database_bytes(cache)
    with suppress(OSError):
        (cache / FILE).unlink(missing_ok=True)
    return size


def database_bytes(cache: Path) -> int:
    """Return the size of the file in bytes; 0 if it does not exist."""
    try:
        return (cache / FILE).stat().st_size
    except OSError:
        return 0
