"""Write files whole or not at all; tell whether a file has changed."""

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from ossicle import strict_json
from ossicle.checksums import seal
from ossicle.errors import RunError

RACY_NS: Final = 2 * 10**9  # twice the coarsest resolution of file times, on FAT


@dataclass(frozen=True, slots=True)
class FileState:
    """What distinguishes a file from a changed one, without reading it.

    Attributes:
        path: Real path of the file.
        stamp: Size in bytes, times of change in ns, inode and device.
        seen_ns: When the file was looked at, in ns since 1970.
    """

    path: Path
    stamp: tuple[int, ...]
    seen_ns: int

    @classmethod
    def of(cls, path: Path) -> Self | None:
        """Return the state of a file; None if it cannot be looked at."""
        seen_ns = time.time_ns()
        try:
            real = Path(os.path.realpath(path))
            found = real.stat()
        except (OSError, ValueError):
            return None
        times = (found.st_mtime_ns, found.st_ctime_ns)
        return cls(real, (found.st_size, *times, found.st_ino, found.st_dev), seen_ns)

    def is_certain(self) -> bool:
        """Whether the content is still what it was, as far as times of change can tell.

        After a change within the last two seconds, another one could leave the times as they are.
        """
        now = FileState.of(self.path)
        unchanged = now is not None and now.stamp == self.stamp
        return unchanged and max(self.stamp[1:3]) + RACY_NS <= self.seen_ns


def replace_file(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file atomically: a reader sees either the old or the new content.

    Args:
        path: The file.
        parts: Its new content, in consecutive parts.

    Raises:
        RunError: it cannot be written, say because the disk is full; the old one is untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise RunError(
            f"'{path}' cannot be written: {error.strerror or error}. What was there before is "
            "untouched; make room or choose another folder"
        ) from error


def is_part(path: Path) -> bool:
    """Return whether a file is what `replace_file` leaves behind when it is killed."""
    return path.name.startswith(".") and path.name.endswith(".part")


def write_json(path: Path, data: object) -> None:
    """Write plain data as JSON, whole or not at all; see `replace_file`."""
    replace_file(path, (strict_json.dumps(data, indent=2) + "\n").encode())


def write_sealed(path: Path, data: Mapping[str, Any]) -> None:
    """Write plain data as JSON with a hash over all of it; see `replace_file`."""
    write_json(path, seal(data))
