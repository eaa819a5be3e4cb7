"""Compute one trial in this process: what the workers of every engine call."""

import errno
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ossicle.errors import FolderLocked, OssicleError
from ossicle.progress import Progress
from ossicle.training.config import TrainConfig
from ossicle.trials.folder import FAILED, write_failed
from ossicle.trials.kept import Kept
from ossicle.trials.runners import RUNNERS
from ossicle.trials.trial import Trial


def run_trial(order: Mapping[str, Any], kept: Kept, progress: Progress) -> dict[str, Any]:
    """Compute a trial, or continue it, and say how that ended; a failure is written to its folder.

    Args:
        order: `Job.to_dict` of the trial.
        kept: What this process keeps between trials.
        progress: Called after every step.

    Returns:
        Plain data: `what` is `finished`, `failed`, `elsewhere` (another process computes it) or
        `full` (the disk is full, so no trial can go on); `reason` says why; `seconds`.
    """
    started = time.perf_counter()
    what, reason = "finished", None
    try:
        _compute(order, kept, progress)
    except FolderLocked as error:
        what, reason = "elsewhere", str(error)
    except Exception as error:  # whatever it is, the other trials go on
        what, reason = _failed(Path(order["folder"]), error)
    seconds = round(time.perf_counter() - started, 2)
    return {"what": what, "reason": reason, "seconds": seconds}


def _compute(order: Mapping[str, Any], kept: Kept, progress: Progress) -> None:
    folder = Path(order["folder"])
    with suppress(FileNotFoundError, NotADirectoryError):
        (folder / FAILED).unlink()  # it may succeed this time
    trial = Trial(
        config=TrainConfig.from_dict(order["config"]),
        labels={},
        runner=order["runner"],
        settings=order["settings"],
    )
    RUNNERS[trial.runner].run(trial, folder, kept, progress)


def _failed(folder: Path, error: Exception) -> tuple[str, str]:
    """Write why a trial failed; return what happened, and the reason."""
    reason = _reason(error)
    details = "" if isinstance(error, OssicleError) else "".join(traceback.format_exception(error))
    if not _is_full(error):
        try:
            write_failed(folder, reason, details)
            return "failed", reason
        except OssicleError as second:
            if not _is_full(second):
                return "failed", reason
    return "full", (
        f"the disk of '{folder}' is full. Finished trials are kept, and interrupted ones continue: "
        "make room, and repeat the command"
    )


def _reason(error: Exception) -> str:
    """Return one line for an error."""
    if isinstance(error, OssicleError):
        return str(error)
    first = (str(error).splitlines() or [""])[0]
    reason = f"{type(error).__name__}: {first}" if first else type(error).__name__
    if isinstance(error, MemoryError) or "memory" in first:
        reason += ". Use fewer workers (--workers 1) or a smaller --batch-size"
    return reason


def _is_full(error: BaseException | None) -> bool:
    """Return whether an error, or what it came from, is that of a full disk or a used-up quota."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        error = error.__cause__ or error.__context__
    return False
