"""The run folder: names of its files, checks before a run starts or resumes, and its write lock.

Nothing here imports torch, so that an unsuitable folder is refused within a second.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from filelock import FileLock, Timeout

from ossicle.checksums import unseal
from ossicle.errors import FolderLocked, RunError
from ossicle.files import is_part, replace_file
from ossicle.paths import HERE, fault
from ossicle.strict_json import read_object
from ossicle.training.config import TrainConfig

CONFIG: Final = "config.json"
SPLIT: Final = "split.json"
VERSIONS: Final = "versions.json"
LOG: Final = "log.jsonl"
METRICS: Final = "metrics.json"
FISHER: Final = "fisher.safetensors"  # of a stage that keeps what mattered to earlier ones
PRUNED: Final = "pruned.json"  # of a stage that starts from a smaller adapter
PARENT: Final = "parent"  # of a stage: a copy of the run that it started from
MAX_BYTES: Final = 1 << 30  # size limit of a JSON file; split.json lists every recording
THREADS: Final = "threads"  # in VERSIONS
LOCK: Final = ".lock"  # exists while a process writes to the folder; contains its process id
PROBE_S: Final = 0.5  # more than `check_unlocked` takes, which holds the lock for a moment
STARTED_IN: Final = "started_in"  # in VERSIONS: the working directory, absolute
FROM_RUN: Final = "started_in_from_run"  # the same, relative to the run folder


class Writer:
    """The write lock of a run folder, which one process holds at a time.

    The operating system releases it when the process ends, even if it is killed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            with suppress(OSError):  # Windows removes it when it is released
                (self.folder / LOCK).unlink(missing_ok=True)
            self._lock.release()

    def take(self) -> None:
        """Create the folder and acquire its lock; do nothing if this writer holds it already.

        Raises:
            FolderLocked: another process writes to it.
        RunError: the folder cannot be created.
        """
        if self._lock is not None:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = _locked(self.folder, PROBE_S)
            with suppress(OSError):  # Windows does not allow writing to a locked file
                (self.folder / LOCK).write_text(str(os.getpid()), encoding="ascii")
        except OSError as error:
            raise RunError(
                f"'{self.folder}' cannot be written: {error.strerror or error}; "
                "choose another folder"
            ) from error


def _locked(folder: Path, wait_s: float = 0.0) -> FileLock:
    file = folder / LOCK
    writer = ""
    with suppress(OSError, ValueError):
        writer = f" (process {int(file.read_text(encoding='ascii'))})"
    lock = FileLock(file)
    try:
        lock.acquire(timeout=wait_s)
    except Timeout:
        raise FolderLocked(
            f"'{folder}' is being written by another process{writer}; wait until it has finished, "
            "end it, or choose another folder"
        ) from None
    return lock


def copy_files(folder: Path, to: Path, names: Iterable[str]) -> None:
    """Copy the files of a run that are there, each whole or not at all.

    Args:
        folder: The folder of the run.
        to: Where to copy them; folders are created.
        names: Names of the files, relative to the folder.

    Raises:
        OSError: one cannot be read.
        RunError: one cannot be written.
    """
    for name in names:
        if (folder / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            replace_file(to / name, (folder / name).read_bytes())


def check_new(folder: Path) -> None:
    """Raise unless a new run may start in a folder: it does not exist, or is empty.

    Raises:
        RunError: it is a file, it is not empty, its name cannot be used, or a run is in progress.
    """
    if why := fault(folder):
        raise RunError(f"'{folder}' cannot be created: {why}; choose another folder")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"'{folder}' is a file; choose a new or an empty folder")
    check_unlocked(folder)
    check_empty(folder)


def check_empty(folder: Path) -> None:
    """Raise unless a folder is empty, except for files of a run that was killed while writing.

    Raises:
        RunError: it is not empty.
    """
    if any(not is_part(file) and file.name != LOCK for file in folder.iterdir()):
        resumable = (folder / CONFIG).is_file()
        also = ", or continue its run with --resume" if resumable else ""
        raise RunError(f"'{folder}' is not empty; choose another folder{also}")


def check_unlocked(folder: Path) -> None:
    """Raise if another process writes to a folder; the folder is not changed.

    Raises:
        FolderLocked: another process writes to it.
    """
    if (folder / LOCK).exists():
        with suppress(OSError):  # no process can write to a read-only folder
            _locked(folder).release()


def read_config(folder: Path) -> TrainConfig:
    """Return the configuration of a run.

    Raises:
        RunError: it is not a run folder, or its configuration cannot be read.
    """
    file = folder / CONFIG
    if fault(folder) or not file.is_file():
        raise RunError(
            f"'{folder}' is not a run folder: it has no {CONFIG}; leave --resume out to start one"
        )
    return TrainConfig.from_dict(read_json(file))


def check_same(folder: Path, config: TrainConfig) -> None:
    """Raise unless the run in a folder has this configuration.

    Raises:
        RunError: it is not a run folder, or its run has other settings.
    """
    saved = read_config(folder).to_dict()
    if other := [key for key, value in config.to_dict().items() if saved[key] != value]:
        raise RunError(
            f"the run in '{folder}' has other values of {', '.join(other)}; resume it with its "
            f"own settings (see {CONFIG}), or start a new run in another folder"
        )


def read_json(file: Path) -> dict[str, Any]:
    """Return the content of a JSON file of a run, after a check of its checksum.

    Raises:
        RunError: it cannot be read, or was edited or damaged.
    """
    with suppress(OSError, ValueError, RecursionError, msgspec.MsgspecError):
        if file.is_file() and file.stat().st_size <= MAX_BYTES:  # a pipe would block
            return unseal(msgspec.json.decode(file.read_bytes(), type=dict[str, Any]))
    try:  # again with all checks, which take four times as long, for their messages
        return unseal(read_object(file, MAX_BYTES))
    except (OSError, ValueError) as error:
        raise RunError(
            f"'{file}' cannot be used: {error}. Copy it again from the run, or start a new run"
        ) from error


def starting_place(folder: Path) -> dict[str, str]:
    """Return the entries of `versions.json` for the directory from which a run was started.

    A resumed run keeps its first ones, because paths of its data and backbone are relative to it.
    """
    kept = _versions(folder)
    if STARTED_IN in kept:
        return {key: str(kept[key]) for key in (STARTED_IN, FROM_RUN) if key in kept}
    here = Path.cwd()
    places = {STARTED_IN: str(here)}
    with suppress(ValueError):  # another drive of Windows
        places[FROM_RUN] = os.path.relpath(here, folder.absolute())
    return places


def places_of(folder: Path) -> tuple[Path, ...]:
    """Return the folders to search for the relative paths of a run, in this order.

    The working directory; the directory from which the run was started; and the directory with the
    same position relative to the run folder, in case both have been moved together.
    """
    kept = _versions(folder)
    found = [HERE[0]]
    if isinstance(kept.get(STARTED_IN), str):
        found.append(Path(kept[STARTED_IN]))
    if isinstance(kept.get(FROM_RUN), str):
        found.append(Path(os.path.normpath(folder.absolute() / kept[FROM_RUN])))
    unique: dict[Path, Path] = {}
    for place in found:
        unique.setdefault(place.absolute(), place)
    return tuple(unique.values())


def threads_of(folder: Path) -> int | None:
    """Return the number of threads of the run in a folder, on which rounding depends.

    Raises:
        RunError: `versions.json` was edited or damaged.
    """
    if not (folder / VERSIONS).is_file():
        return None
    count = read_json(folder / VERSIONS).get(THREADS)
    return count if type(count) is int and count > 0 else None


def _versions(folder: Path) -> dict[str, Any]:
    with suppress(RunError):  # an adapter can be used without it
        return read_json(folder / VERSIONS)
    return {}
