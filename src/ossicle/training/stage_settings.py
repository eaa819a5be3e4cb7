"""The settings of a stage: those of its parent where none are given, and what must fit both."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ossicle.data.spec import find_data
from ossicle.errors import DataError, RunError, listing
from ossicle.paths import expand, find, is_there
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.settings import split_call
from ossicle.training.config import STAGE_DEFAULTS, TrainConfig
from ossicle.training.freeze import check_freeze
from ossicle.training.parent import Parent


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
    if config.prune is not None:
        check_prunable(parent)
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


def check_prunable(parent: Parent) -> None:
    """Raise if a run has no adapters that could be pruned; `ossicle.pruning` checks the rest.

    Raises:
        RunError: it trains the head alone, or the backbone in place.
    """
    methods = {one["method"] for one in parent.facts["recipe"]["placements"]}
    if not methods or "full" in methods:
        why = "trains the backbone's own parameters in place" if methods else "has no adapters"
        raise RunError(
            f"'{parent.folder}' {why} (its recipe is {parent.facts['expression']}), so there is "
            "nothing to prune; name a run whose recipe inserts adapters, such as lora"
        )


def pruning_config(
    parent: Parent, folder: Path | str, prune: str, data: str | None = None, **changes: Any
) -> TrainConfig:
    """Return the settings of a run that prunes another and trains on, with those of the other.

    Args:
        parent: The run to prune.
        folder: Its folder, as it is written down.
        prune: How to prune it, such as `taylor(keep=0.5)`.
        data: Recordings to train on; None: its own.
        changes: Other settings that differ.
    """
    stage: dict[str, Any] = {name: STAGE_DEFAULTS[name] for name in ("freeze", "head_from", "keep")}
    changed = {
        "data": data or reachable(parent.config.data, parent.places),
        "backbone": "",
        "recipe": "",
        "parent": str(folder),
        **stage,
        "prune": prune,
        **changes,
    }
    return replace(parent.config, **changed)


def reachable(spec: str, places: Sequence[Path]) -> str:
    """Return a data string of a run as it can be read from here: with an absolute path, if needed.

    Args:
        spec: Data string, or several joined by ` + `.
        places: Where relative paths in it may start.

    Raises:
        DataError: the recordings are no longer there.
    """
    parts = []
    for part, source in find_data(spec, places).items():
        try:
            find_data(part)
            parts.append(part)
        except DataError:
            options = "&".join(f"{name}={value}" for name, value in source.options.items())
            path = f"{source.reader}:{source.path.absolute()}"
            parts.append(f"{path}?{options}" if options else path)
    return " + ".join(parts)


def check_parent_out(parent: Parent, out: Path) -> None:
    """Raise if the folder of a new run is that of its parent, or of a run before it.

    Raises:
        RunError: it is.
    """
    for stage in parent.stages:
        if os.path.realpath(stage.folder) == os.path.realpath(out):
            raise RunError(
                f"--out is '{out}', the folder of the run that it starts from; write to another "
                "folder"
            )


def check_stage_backbone(parent: Parent, fingerprint: str, name: str) -> None:
    """Raise unless the backbone of a stage has the weights that its parent was trained on."""
    saved = parent.facts["backbone"]
    if saved["fingerprint"] != fingerprint:
        raise RunError(
            f"the parent run '{parent.folder}' was trained on '{saved['name']}' (fingerprint "
            f"{saved['fingerprint']}), and the backbone is '{name}' ({fingerprint}). Leave "
            "--backbone out, or name the backbone of the parent"
        )
