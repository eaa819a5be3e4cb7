"""Checks of a new ensemble that need no framework: its members, and the folder to write it to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.errors import AdapterFileError, RunError, listing
from ossicle.hub import name_of
from ossicle.training.ensemble_folder import ENSEMBLE, MEMBERS, Member, digest_of, is_ensemble
from ossicle.training.folder import check_new

# Entries of a saved task that only its loss depends on: members may differ in them.
LOSS_ONLY: Final = frozenset(
    {"max_seconds", "label_smoothing", "weights", "loss", "scale", "margin"}
)


def chosen_members(folders: Sequence[Path]) -> tuple[Member, ...]:
    """Return runs as members, named by their folders, after checks that need no framework.

    Raises:
        RunError: there are fewer than two, one is named twice, or is an ensemble itself.
        AdapterFileError: one is not an adapter folder, is damaged, or was trained for another task
            or other labels.
    """
    if len(folders) < 2:
        raise RunError("an ensemble needs two or more members; name the folders of two runs")
    if inner := [folder for folder in folders if is_ensemble(folder)]:
        raise RunError(
            f"'{inner[0]}' is an ensemble; name the runs that are its members instead, such as "
            f"'{inner[0] / MEMBERS}/...'"
        )
    tasks = [_task_of(read_folder(folder).facts) for folder in folders]
    for folder, task in zip(folders, tasks, strict=True):
        if task != tasks[0]:
            raise AdapterFileError(_difference(folders[0], tasks[0], folder, task))
    by_digest: dict[str | None, Path] = {}
    for folder in folders:
        if (other := by_digest.setdefault(digest_of(folder / TENSORS), folder)) is not folder:
            same = folder.resolve() == other.resolve()
            what = "is named twice" if same else f"holds the same adapter as '{other}'"
            raise RunError(f"'{folder}' {what}; the members of an ensemble must differ")
    return named([name_of(folder.resolve()) for folder in folders], folders)


def check_ensemble_out(out: Path) -> None:
    """Raise unless an ensemble can be written to a folder: it does not exist, or is empty.

    Raises:
        RunError: it cannot, or another process writes to it.
    """
    if is_ensemble(out):
        also = "" if (out / ENSEMBLE).is_file() else ", or continue its training with --resume"
        raise RunError(f"'{out}' has an ensemble in it; choose another folder{also}")
    check_new(out)


def named(names: Sequence[str], folders: Sequence[Path]) -> tuple[Member, ...]:
    """Return members with these names, or such as `lora-2` where one is taken."""
    taken: list[str] = []
    for name in names:
        free, number = name, 2
        while free in taken:
            free, number = f"{name}-{number}", number + 1
        taken.append(free)
    return tuple(Member(*pair) for pair in zip(taken, folders, strict=True))


def _task_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in facts["task"].items() if key not in LOSS_ONLY}


def _difference(first: Path, task: Mapping[str, Any], other: Path, its: Mapping[str, Any]) -> str:
    what = [key for key in (*task, *its) if task.get(key) != its.get(key)]
    key = what[0]
    shown = [
        listing(map(str, value), 6) if isinstance(value := one.get(key), list) else repr(value)
        for one in (task, its)
    ]
    return (
        f"'{first}' and '{other}' cannot be combined: their {key} differ ({shown[0]:.200}; "
        f"{shown[1]:.200}). Combine runs of one task with the same labels"
    )
