"""Curves of losses and metrics, for TensorBoard and the other trackers of accelerate.

RUN/tensorboard/    read by `tensorboard --logdir RUN`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from accelerate.tracking import LOGGER_TYPE_TO_CLASS, GeneralTracker, get_available_trackers

from ossicle.errors import RunError, did_you_mean

NONE: Final = "none"


def check_trackers(names: str) -> list[str]:
    """Return the names of trackers in a comma-separated setting.

    Raises:
        RunError: one is unknown, or its package is not installed.
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
    """Start the trackers of a run, log its settings, and return them."""
    started = []
    for name in names:
        tracker_class = LOGGER_TYPE_TO_CLASS[name]
        where = {"logging_dir": str(folder)} if tracker_class.requires_logging_directory else {}
        tracker = tracker_class(name if where else folder.name, **where)
        if hasattr(tracker, "start"):
            tracker.start()
        tracker.store_init_configuration({key: str(value) for key, value in settings.items()})
        started.append(tracker)
    return started
