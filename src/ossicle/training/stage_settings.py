"""The settings of a stage: those of its parent where none are given, and what must fit both."""

import os
from dataclasses import replace
from pathlib import Path

from ossicle.errors import RunError, listing
from ossicle.paths import expand, find, is_there
from ossicle.recipes.presets import HEAD_ONLY
from ossicle.settings import split_call
from ossicle.training.config import TrainConfig
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


def check_stage_backbone(parent: Parent, fingerprint: str, name: str) -> None:
    """Raise unless the backbone of a stage has the weights that its parent was trained on."""
    saved = parent.facts["backbone"]
    if saved["fingerprint"] != fingerprint:
        raise RunError(
            f"the parent run '{parent.folder}' was trained on '{saved['name']}' (fingerprint "
            f"{saved['fingerprint']}), and the backbone is '{name}' ({fingerprint}). Leave "
            "--backbone out, or name the backbone of the parent"
        )
