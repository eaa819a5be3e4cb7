"""Write files whole or not at all."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ossicle import strict_json
from ossicle.checksums import seal
from ossicle.errors import RunError


def replace_file(path: Path, *parts: bytes | memoryview) -> None:
    """Write a file so that a reader finds the old content or the new, never half of one.

    Args:
        path: Of the file.
        parts: Its new content, one part after the other.

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
