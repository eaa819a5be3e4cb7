"""Losses and metrics of a run as curves, for TensorBoard and what else accelerate reports to.

RUN/tensorboard/    read by `tensorboard --logdir RUN`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from ossicle.errors import RunError, did_you_mean

NONE: Final = "none"


def check_trackers(names: str) -> list[str]:
    """Return the trackers that a setting names, separated by commas.

    Raises:
        RunError: one is not known, or its package is not installed.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip() not in ("", NONE)]
    installed = {str(getattr(one, "value", one)) for one in get_available_trackers()}
    known = [str(getattr(one, "value", one)) for one in LOGGER_TYPE_TO_CLASS]
    for name in wanted:
        if name not in known:
            raise RunError(
                f"no tracker '{name}'; available: {NONE}, {', '.join(known)}."
                f"{did_you_mean(name, known)}"
            )
        if name not in installed:
            raise RunError(f"the tracker {name} is not installed; `pip install {name}`")
    return wanted


def start_trackers(
    names: Sequence[str], folder: Path, settings: dict[str, Any]
) -> list[GeneralTracker]:
    """Return the trackers of a run, told its settings."""
    started = []
    for name in names:
        kind = LOGGER_TYPE_TO_CLASS[name]
        where = {"logging_dir": str(folder)} if kind.requires_logging_directory else {}
        tracker = kind(name if where else folder.name, **where)
        if hasattr(tracker, "start"):
            tracker.start()
        tracker.store_init_configuration({key: str(value) for key, value in settings.items()})
        started.append(tracker)
    return started
