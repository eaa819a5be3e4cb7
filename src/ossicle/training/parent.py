"""The run that a stage starts from: a copy of it is kept in the folder of the new run.

RUN/parent/         adapter.safetensors, recipe.json, config.json, split.json, versions.json and
                    metrics.json of the parent run
RUN/parent/parent/  those of the parent's parent, and so on

The new run loads, resumes and evaluates with the copy alone. Opening it imports no torch.
"""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.checksums import DIGEST, check_tensors
from ossicle.errors import AdapterFileError, RunError
from ossicle.files import write_sealed
from ossicle.paths import HERE, HubName, fault, find, looked_in
from ossicle.training.config import TrainConfig
from ossicle.training.ensemble_folder import is_ensemble, read_ensemble
from ossicle.training.folder import (
    CONFIG,
    FISHER,
    FROM_RUN,
    METRICS,
    PARENT,
    PRUNED,
    SPLIT,
    STARTED_IN,
    VERSIONS,
    check_unlocked,
    copy_files,
    places_of,
    read_config,
    read_json,
)
from ossicle.training.learnt import read_split
from ossicle.training.located import locate_run
from ossicle.training.result import RunResult, read_result

if TYPE_CHECKING:
    from torch import Tensor

    from ossicle.data import Dataset
    from ossicle.recipes.recipe import Recipe
    from ossicle.tasks import Task

FILES: Final = (TENSORS, FACTS, CONFIG, SPLIT, METRICS, FISHER)  # VERSIONS is written anew


@dataclass(frozen=True)
class Parent:
    """A finished run that a stage starts from.

    Attributes:
        folder: Its folder: the original, or the copy in the folder of the new run.
        config: Its settings.
        places: Where relative paths of its data may start.
        facts: The content of its `recipe.json`.
        result: Its result.
        split: The content of each of its recordings, by side and key.
        digest: Hash of its adapter file.
        earlier: The run that it started from itself; None for a first stage.
        pruned: What the run in whose folder the copy is has kept of its adapter; None: all of it,
            or it is not known yet.
    """

    folder: Path
    config: TrainConfig
    places: tuple[Path, ...]
    facts: dict[str, Any]
    result: RunResult
    split: dict[str, Any]
    digest: str
    earlier: "Parent | None" = None
    pruned: dict[str, Any] | None = None

    @property
    def stages(self) -> tuple["Parent", ...]:
        """This run and those before it, the first stage first."""
        return (*(self.earlier.stages if self.earlier else ()), self)

    @property
    def recipe(self) -> "Recipe":
        """All its placements, those of the runs before it included."""
        from ossicle.recipes.recipe import Recipe  # imports torch, like those below

        return Recipe.from_dict(self.facts["recipe"])

    @property
    def task(self) -> "Task":
        """Its task, with the names of its outputs."""
        from ossicle.inference.saved_task import check_head, read_task

        task, _ = read_task(self.folder, self.facts)
        check_head(self.folder, task, self.facts["head"])
        return task

    def tensors(self) -> "dict[str, Tensor]":
        """Return its tensors by key, after verifying their hash.

        Raises:
            AdapterFileError: the file is damaged.
        """
        from ossicle.adapters.saving import check_finite, read_tensors

        tensors, _ = read_tensors(self.folder / TENSORS)
        check_finite(tensors, f"'{self.folder}'")
        return tensors

    def open_source(self) -> "Dataset":
        """Return its recordings, split as in the run; `train` holds those that it trained on.

        Raises:
            DataError: they cannot be read.
        """
        from ossicle.training.split import open_own

        return open_own(self.folder, self.config, self.places)


def find_parent(
    config: TrainConfig, folder: Path | None = None, places: tuple[Path, ...] = HERE
) -> Parent | None:
    """Return the run that a stage starts from; None if the settings name none.

    Args:
        config: The settings of the stage.
        folder: Its folder, if it resumes: a copy there is preferred to the original.
        places: Where the path of the original may start.

    Raises:
        RunError: the parent is not a finished run.
        AdapterFileError: it is damaged.
        HubError: it is on the hub and cannot be downloaded.
    """
    if config.parent is None:
        return None
    if folder is not None and (folder / PARENT).is_dir():
        kept = read_json(folder / PRUNED) if (folder / PRUNED).is_file() else None
        return replace(open_parent(folder / PARENT), pruned=kept)
    if HubName.parse(config.parent) is not None:
        return open_parent(locate_run(config.parent))
    return open_parent(find(config.parent, places), places)


def open_parent(folder: Path, looked: tuple[Path, ...] = HERE) -> Parent:
    """Return a finished run, after checks of all that a stage needs of it.

    Args:
        folder: Its folder.
        looked: Where it was looked for, for messages.

    Raises:
        RunError: it is not a finished run.
        AdapterFileError: it is damaged.
    """
    _check_finished(folder, looked)
    opened = read_folder(folder)
    config = read_config(folder)
    split = read_split(folder)
    if not split:
        raise AdapterFileError(f"'{folder}' has no {SPLIT}; copy it again from the run")
    try:
        digest = check_tensors(folder / TENSORS)[DIGEST]
    except (OSError, ValueError) as error:
        raise AdapterFileError(
            f"'{folder / TENSORS}' is damaged ({error}); copy it again, or train again"
        ) from error
    if opened.facts["head"] is None or "name" not in opened.facts["task"]:
        raise AdapterFileError(f"'{folder / FACTS}' names no head and task; copy it from the run")
    earlier = None if config.parent is None else open_parent(folder / PARENT)
    return Parent(
        folder, config, places_of(folder), opened.facts, read_result(folder), split, digest, earlier
    )


def _check_finished(folder: Path, looked: tuple[Path, ...]) -> None:
    """Raise unless a folder holds a run whose training is over."""
    if is_ensemble(folder):
        raise RunError(
            f"'{folder}' is an ensemble, and a stage starts from a single run; name one of its "
            f"members, such as '{read_ensemble(folder).members[0].folder}'"
        )
    why = fault(folder) or ("it does not exist" if not folder.is_dir() else None)
    if why is not None:
        raise RunError(f"the parent run '{folder}' cannot be read: {why}.{looked_in(looked)}")
    if not (folder / CONFIG).is_file():
        raise RunError(
            f"'{folder}' is not a run folder: it has no {CONFIG}. Start from a folder that "
            "`ossicle train` wrote"
        )
    if not (folder / METRICS).is_file():
        check_unlocked(folder)
        raise RunError(
            f"the run in '{folder}' is not finished: it has no {METRICS}. Finish it with `ossicle "
            f"train --out {folder} --resume`"
        )


def copy_parent(parent: Parent, run: Path) -> None:
    """Copy a parent and the runs before it into the folder of a run, whole or not at all.

    Raises:
        RunError: it cannot be written.
    """
    if (run / PARENT).is_dir():
        return
    part = run / f".{PARENT}.part"
    try:
        with suppress(FileNotFoundError):  # of a run that was killed
            shutil.rmtree(part)
        _copy(parent, part, run / PARENT)
        part.rename(run / PARENT)
    except OSError as error:
        raise RunError(
            f"'{run / PARENT}' cannot be written: {error.strerror or error}; make room"
        ) from error


def _copy(parent: Parent, to: Path, final: Path) -> None:
    """Copy a parent to a folder that will be renamed."""
    to.mkdir(parents=True)
    copy_files(parent.folder, to, FILES)
    write_sealed(to / VERSIONS, _versions(parent.folder, final))
    if parent.earlier is not None:
        _copy(parent.earlier, to / PARENT, final / PARENT)


def _versions(folder: Path, final: Path) -> dict[str, Any]:
    """Return the `versions.json` of a copy, which is at another place relative to the data."""
    with suppress(RunError):  # a run can be used without it
        versions = read_json(folder / VERSIONS)
        start = Path(str(versions.get(FROM_RUN, versions.get(STARTED_IN, ""))))
        place = os.path.normpath(folder.absolute() / start)
        with suppress(ValueError):  # another drive of Windows
            versions[FROM_RUN] = os.path.relpath(place, final.absolute())
        return versions
    return {}


def describe(parent: Parent, given: str | None) -> dict[str, Any]:
    """Return where a stage started from, for its result.

    Args:
        parent: The parent run.
        given: Its path as the settings of the stage name it.
    """
    return {
        "folder": given,
        "adapter": parent.digest,
        "data": parent.config.data,
        "split_fingerprint": parent.result.split_fingerprint,
    }
