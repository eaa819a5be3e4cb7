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
from ossicle.errors import AdapterFileError, RunError, listing
from ossicle.files import replace_file, write_sealed
from ossicle.paths import HERE, expand, fault, find, is_there, looked_in
from ossicle.settings import split_call
from ossicle.training.config import TrainConfig
from ossicle.training.ensemble_folder import is_ensemble, read_ensemble
from ossicle.training.folder import (
    CONFIG,
    FISHER,
    FROM_RUN,
    METRICS,
    PARENT,
    SPLIT,
    STARTED_IN,
    VERSIONS,
    check_unlocked,
    places_of,
    read_config,
    read_json,
)
from ossicle.training.freeze import check_freeze
from ossicle.training.learnt import read_split
from ossicle.training.result import RunResult, read_result

if TYPE_CHECKING:
    from torch import Tensor

    from ossicle.data import Dataset
    from ossicle.recipes.recipe import Recipe
    from ossicle.tasks import Task

FILES: Final = (TENSORS, FACTS, CONFIG, SPLIT, METRICS)  # as they are; VERSIONS is written anew
MORE_FILES: Final = (FISHER,)  # where a run has them
HEAD_ONLY: Final = "linear"  # the recipe that adds nothing


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
    """

    folder: Path
    config: TrainConfig
    places: tuple[Path, ...]
    facts: dict[str, Any]
    result: RunResult
    split: dict[str, Any]
    digest: str
    earlier: "Parent | None" = None

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
    """
    if config.parent is None:
        return None
    if folder is not None and (folder / PARENT).is_dir():
        return open_parent(folder / PARENT)
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
    if opened.facts["head"] is None:
        raise RunError(f"the adapter in '{folder}' has no head; start from a run")
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


def stage_config(config: TrainConfig, parent: Parent | None) -> TrainConfig:
    """Return the settings of a stage, with those of the parent where none are given.

    They are the backbone, the task, the head and the recipe `linear`, which adds nothing.

    Raises:
        RunError: the settings do not suit the parent, or name no backbone or recipe without one.
    """
    if parent is None:
        if missing := [name for name in ("backbone", "recipe") if not getattr(config, name)]:
            raise RunError(f"{listing(missing)} missing: required for a run without a parent")
        return config
    task, head = parent.facts["task"]["name"], parent.facts["head"]["name"]
    if config.task and (call := split_call(config.task)) and call[0] != task:
        raise RunError(
            f"the task is '{call[0]}' and that of the parent run '{task}'; a stage has the task of "
            "its parent. Leave --task out, or start a run without --from"
        )
    if config.head not in (None, head) and config.head_from != "new":
        raise RunError(
            f"the head is '{config.head}' and that of the parent run '{head}'; leave --head out, "
            "or start with a new head with --head-from new"
        )
    _check_trains(config, parent)
    return replace(
        config,
        backbone=config.backbone or _backbone_of(parent),
        recipe=config.recipe or HEAD_ONLY,
        task=config.task or parent.config.task or task,
        head=config.head or head,
    )


def _backbone_of(parent: Parent) -> str:
    """Return the backbone of a parent; its path, if it is not found from here."""
    name = parent.config.backbone
    path, mark, settings = name.partition("?")
    found = find(path, parent.places)
    return name if is_there(expand(path)) or not is_there(found) else f"{found}{mark}{settings}"


def _check_trains(config: TrainConfig, parent: Parent) -> None:
    """Raise unless `freeze` names parts of the parent and leaves something that trains."""
    left = check_freeze(config.freeze, parent.facts)
    if config.head_from != "keep" and "head" not in left:
        raise RunError(
            f"--freeze names the head, and --head-from {config.head_from} gives it outputs that "
            "must be trained; leave one of them out"
        )
    if not left and config.recipe in ("", HEAD_ONLY):
        raise RunError(
            f"--freeze '{config.freeze}' freezes everything, so nothing would train. Leave a part "
            "out, or add placements with --recipe"
        )


def check_parent_out(parent: Parent, out: Path) -> None:
    """Raise if the folder of a new run is that of its parent, or of a run before it.

    Raises:
        RunError: it is.
    """
    for stage in parent.stages:
        if os.path.realpath(stage.folder) == os.path.realpath(out):
            raise RunError(
                f"--out is '{out}', the folder that --from names; write the stage to another folder"
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
    for name in FILES:
        replace_file(to / name, (parent.folder / name).read_bytes())
    for name in MORE_FILES:
        if (parent.folder / name).is_file():
            replace_file(to / name, (parent.folder / name).read_bytes())
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


def check_stage_backbone(parent: Parent, fingerprint: str, name: str) -> None:
    """Raise unless the backbone of a stage has the weights that its parent was trained on."""
    saved = parent.facts["backbone"]
    if saved["fingerprint"] != fingerprint:
        raise RunError(
            f"the parent run '{parent.folder}' was trained on '{saved['name']}' (fingerprint "
            f"{saved['fingerprint']}), and the backbone is '{name}' ({fingerprint}). Leave "
            "--backbone out, or name the backbone of the parent"
        )


def listed(names: set[str]) -> str:
    """Return names for a message; the blank of transcriptions, which is empty, has none."""
    return listing(sorted(filter(None, names)), 20) or "none"
