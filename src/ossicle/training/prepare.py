"""Prepare a run: read its data, load its backbone, attach its adapters, and check all of it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch

from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import check_compiler, pick_device
from ossicle.compute.precision import check_precision, pick_precision
from ossicle.compute.processes import Processes
from ossicle.continual import Start, parse_keep
from ossicle.data import Clips, Content, Dataset, parse_augment
from ossicle.errors import RunError
from ossicle.frozen.cache import cache_folder
from ossicle.frozen.part import FrozenPart, check_cache, open_frozen_part
from ossicle.frozen.weights import loaded_digest
from ossicle.heads import HEADS, build_head
from ossicle.inference.single import SingleModel
from ossicle.paths import HERE
from ossicle.progress import Progress, no_progress
from ossicle.pruning import parse_prune
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Task, parse_task
from ossicle.training.choice import Choice
from ossicle.training.config import TrainConfig
from ossicle.training.earlier import check_unchanged
from ossicle.training.keeping import Keeping
from ossicle.training.loop import with_epochs
from ossicle.training.parent import Parent, find_parent
from ossicle.training.pruned import Smaller, smaller
from ossicle.training.recordings import (
    checked,
    clips_by_side,
    clips_of,
    contents_by_side,
    scan_together,
)
from ossicle.training.split import open_split, task_type, with_known_labels
from ossicle.training.stage import Stage, check_not_learnt, stage_model, stage_task, with_notice
from ossicle.training.stage_settings import check_stage_backbone, stage_config

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train.

    Attributes:
        config: The settings; the number of epochs is filled in where none was given.
        model: The backbone with the recipe's adapters, attached and checked.
        task: The task, with the labels of the training recordings.
        dataset: The recordings and their split.
        clips: The recordings of each side, with their lengths.
        contents: Hashes of the sound of each utterance, by key.
        frozen: The frozen part of the model, and its cache.
        processes: The processes that train together.
        stage: What it starts from; None for a run without a parent.
        keeping: How to keep what earlier stages have learnt; None: in no way.
        start: What that starts from; None: nothing is kept.
    """

    config: TrainConfig
    model: AdaptedModel
    task: Task
    dataset: Dataset
    clips: dict[str, Clips]
    contents: dict[str, Content]
    frozen: FrozenPart
    processes: Processes
    stage: Stage | None = None
    keeping: Keeping | None = None
    start: Start | None = None

    def judge(self, side: str) -> Task:
        """Return the task with the trials of a side."""
        return self.task.with_trials(self.dataset.trials.get(side, ()))

    @property
    def choice(self) -> Choice:
        """How the best epoch is chosen."""
        return Choice.of(self.judge("valid"), [one.label for one in self.clips["valid"].utterances])

    @property
    def split(self) -> dict[str, dict[str, str]]:
        """The content of each recording as text, by side and key."""
        return contents_by_side(self.dataset, self.contents)


def prepare(
    config: TrainConfig,
    *,
    places: Sequence[Path] = HERE,
    processes: Processes | None = None,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
    parent: Parent | None = None,
    reads_test: bool = True,
) -> Prepared:
    """Read, check and attach everything that a run needs, and write nothing.

    The new parameters depend on the seed alone.

    Args:
        config: Everything that decides the outcome.
        places: Where relative paths of data and backbone may start.
        processes: The processes that train together; None: those that the launcher started.
        load: Loads the backbone: `load_backbone`, or `Kept.load`, which keeps it for the next run.
        progress: Called after every step.
        parent: The run that a stage starts from; None: the one that the settings name.
        reads_test: Whether to read and check the test recordings. False: there are none.

    Raises:
        OssicleError: bad input of any kind.
    """
    parent = parent or find_parent(config, places=tuple(places))
    config = stage_config(config, parent)
    recipe = Recipe.parse(config.recipe)
    may_cache = config.cache != "off" and not parse_augment(config.augment)
    if config.task:
        parse_task(config.task)  # a wrong name is reported before the data are read
    if config.keep is not None:
        parse_keep(config.keep)
    if config.prune is not None:
        parse_prune(config.prune)
    dataset = open_split(config, places)
    device = pick_device(config.device)
    processes = processes or Processes(cpu=device == "cpu")
    if device == "cuda" and processes.count > 1:
        device = f"cuda:{processes.local_rank}"
    dtype = pick_precision(config.precision, device)
    needs_decoder = task_type(config, dataset)[0].needs_decoder
    backbone = _load(config, needs_decoder, device, dtype, places, load)
    weights = loaded_digest(backbone, cache_folder()) if may_cache else None
    start_from = None
    if parent is not None:
        check_stage_backbone(parent, backbone.fingerprint, backbone.name)
        if config.prune is not None:
            start_from = smaller(config, parent, backbone, processes, progress)
    dataset, task, model, stage = _modelled(config, backbone, recipe, dataset, parent, start_from)
    if not reads_test:
        dataset = replace(dataset, test=())
    keeping = None
    if stage is not None and config.keep is not None:
        keeping = Keeping.of(config.keep, stage, model)
        dataset = keeping.added(dataset, task, config.seed)
    dataset, scanned = checked(dataset, task, backbone, processes, progress)
    if keeping is not None:
        scanned |= scan_together(keeping.read, backbone, processes, progress)
    contents = {key: one.content for key, one in scanned.items()}
    if parent is not None:
        check_not_learnt(parent, dataset, contents)
        check_unchanged(parent.stages, contents)
    size_by_key = {key: one.num_samples for key, one in scanned.items()}
    clips = clips_by_side(dataset, task, backbone, config, size_by_key)
    source = clips_of(keeping.read if keeping else (), backbone, config, size_by_key)
    config = with_epochs(config, task, clips["train"], backbone.sample_rate)
    frozen = _frozen(config, model, (*clips.values(), source), contents, str(dtype), weights)
    start = None
    if keeping is not None:
        single = SingleModel(model, frozen, config.precision)
        start = keeping.start(single, task, source, config, processes)
    return Prepared(
        config, model, task, dataset, clips, contents, frozen, processes, stage, keeping, start
    )


def _load(
    config: TrainConfig,
    decoder: bool,
    device: str,
    dtype: torch.dtype,
    places: Sequence[Path],
    load: Callable[..., Backbone],
) -> Backbone:
    """Return the backbone, after the checks of what it is to be run with."""
    check_cache(config.cache)
    if config.compile:
        check_compiler(device)
    backbone = load(
        config.backbone,
        decoder=decoder,
        stochastic=config.stochastic,
        fast=config.fast,
        device=device,
        places=places,
    )
    check_precision(backbone, dtype)
    return backbone


def _task_of(config: TrainConfig, dataset: Dataset, backbone: Backbone) -> Task:
    """Return the task of the run: the one that was asked for, or the one that the data suggest.

    Raises:
        LabelError: the labels cannot be parsed, trained on or evaluated.
        RunError: the augmentation or the head does not suit the task.
    """
    kind, settings = task_type(config, dataset)
    task = kind.from_dataset(dataset, backbone.frame_rate, **settings).with_tokens(backbone.tokens)
    if "speed" in parse_augment(config.augment) and task.has_times:
        raise RunError(
            f"--augment speed does not suit the task {task.name}: it moves the sound, and not the "
            "times in the labels. Leave it out"
        )
    if config.head in HEADS and config.head not in task.heads:
        raise RunError(
            f"head '{config.head}' does not suit the task {task.name}; "
            f"use {' or '.join(task.heads)}"
        )
    return task


def _modelled(
    config: TrainConfig,
    backbone: Backbone,
    recipe: Recipe,
    dataset: Dataset,
    parent: Parent | None,
    start_from: Smaller | None,
) -> tuple[Dataset, Task, AdaptedModel, Stage | None]:
    """Return the recordings that can be trained on, their task, the model, and its start."""
    if parent is None:
        task = _task_of(config, dataset, backbone)
        return dataset, task, _attached(config, backbone, recipe, task), None
    if config.common_labels:
        dataset = with_known_labels(dataset, parent.task)
    task = stage_task(config, _task_of(config, dataset, backbone), parent.task)
    dataset = with_notice(dataset, config, task, parent.task)
    return dataset, task, *stage_model(config, backbone, recipe, task, parent, start_from)


def _frozen(
    config: TrainConfig,
    model: AdaptedModel,
    clips: Sequence[Clips],
    contents: Mapping[str, Content],
    precision: str,
    weights: str | None,
) -> FrozenPart:
    """Return the frozen part of the model, with a cache of its outputs if that is of use."""
    frozen = open_frozen_part(
        model,
        [size for part in clips for size in part.sizes],
        {key: content.samples for key, content in contents.items()},
        cache=config.cache,
        epochs=config.num_epochs,
        augmented=bool(parse_augment(config.augment)),
        precision=precision,  # what `auto` is depends on the processor, and caches are shared
        weights=weights,
    )
    if config.compile:
        frozen.finish = model.compiled_finish()
    return frozen


def _attached(config: TrainConfig, backbone: Backbone, recipe: Recipe, task: Task) -> AdaptedModel:
    """Return the backbone with adapters and head, whose new parameters are drawn by the seed."""
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        with torch.device(next(backbone.parameters()).device):
            seen = recipe.seen_by_head(backbone.anatomy)
            head = build_head(config.head or task.heads[0], seen, task.num_outputs)
            task.configure(head)
        return attach(backbone, recipe, head)
