"""A run folder, from labelled recordings to a trained adapter with honest metrics.

    RUN/adapter.safetensors     adapters and head after the best epoch
    RUN/recipe.json             their recipe, and the backbone they belong to
    RUN/config.json             all settings that affect the result
    RUN/split.json              which recordings were on which side, with a hash of their content
    RUN/versions.json           versions of Python and packages, platform, threads
    RUN/before.json             metrics before the first step: `ossicle.training.outside`
    RUN/log.jsonl               one line per epoch
    RUN/metrics.json            metrics on validation and test recordings, sizes, time, memory
    RUN/checkpoint.safetensors  state after the last finished epoch, for --resume
    RUN/cohort.safetensors      embeddings of training recordings, to normalise verification scores
    RUN/fisher.safetensors      of a stage with `--keep ewc`: `ossicle.training.keeping`
    RUN/pruned.json             of a stage with `--prune`: `ossicle.training.pruned`
    RUN/parent/                 of a stage, a copy of the run it started from: `training.parent`
    RUN/tensorboard/            curves, for `tensorboard --logdir RUN`

Every file is replaced as a whole, so a run that is killed leaves none of them half-written.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from accelerate.tracking import GeneralTracker

from ossicle import strict_json
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import put_tensors, read_tensors, save_facts, save_tensors
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device, pick_threads, threads
from ossicle.compute.memory import PEAK
from ossicle.compute.processes import Processes
from ossicle.continual import as_finished
from ossicle.files import replace_file, write_sealed
from ossicle.paths import expand
from ossicle.progress import Progress, no_progress
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Task
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.config import TrainConfig
from ossicle.training.finish import tested_result, untested_result
from ossicle.training.folder import (
    LOG,
    METRICS,
    PRUNED,
    Writer,
    check_empty,
    check_new,
    check_same,
    places_of,
    threads_of,
)
from ossicle.training.inputs import write_inputs
from ossicle.training.loop import epochs
from ossicle.training.outside import before_training, open_also, with_before
from ossicle.training.parent import copy_parent, find_parent
from ossicle.training.prepare import Prepared, prepare
from ossicle.training.result import RunResult, read_result, write_result
from ossicle.training.stage_settings import check_parent_out, stage_config
from ossicle.training.state import Epoch, OnEpoch, State
from ossicle.training.tracking import check_trackers, start_trackers

_LOGGER: Final = logging.getLogger(__name__)


def train(
    config: TrainConfig,
    out: Path | str,
    *,
    resume: bool = False,
    test: bool = True,
    on_epoch: OnEpoch | None = None,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> RunResult:
    """Train, keep the best epoch by validation, test it once, and return the result.

    Args:
        config: Everything that decides the outcome.
        out: The run folder; new, or empty, unless resuming.
        resume: Continue from the folder's checkpoint. A finished run returns its result; one that
            was stopped before its test is tested, if `test` is set.
        test: Whether to test the best epoch. False: the test recordings are read and checked, but
            the result has no test, and neither has `metrics.json`.
        on_epoch: Called after every epoch; it may end the run, which then keeps its best epoch.
        load: Loads the backbone: `load_backbone`, or `Kept.load`, which keeps it for the next run.
        progress: Called after every step.

    Raises:
        OssicleError: bad input of any kind, before anything is written.
        RunError: the folder is not empty, or its run has other settings.
    """
    folder = expand(out)
    parent = find_parent(config, folder if resume else None, places_of(folder))
    config = stage_config(config, parent)
    config = replace(config, recipe=written_out(config.recipe))
    trackers = check_trackers(config.track)
    processes = Processes(cpu=pick_device(config.device) == "cpu")
    if resume:
        check_same(folder, config)
    else:
        if parent is not None:
            check_parent_out(parent, folder)
        check_new(folder)
    earlier = read_result(folder) if resume and (folder / METRICS).is_file() else None
    if earlier is not None and (earlier.test is not None or not test):
        return earlier
    processes.wait()  # all have seen the folder as it was
    with Writer(folder) as writer:
        if folder.exists():
            processes.together(lambda: writer.take() if processes.is_main else None)
        started = time.perf_counter()
        PEAK.start()
        run = prepare(
            config,
            places=places_of(folder),
            processes=processes,
            load=load,
            progress=progress,
            parent=parent,
        )
        also = open_also(run, places_of(folder), progress)
        with threads(pick_threads(run.model, threads_of(folder))):
            processes.together(lambda: begin(writer, config, run, resume=resume))
            before = before_training(run, also, folder, test=test, progress=progress)
            result = _train(run, folder, earlier, test, trackers, started, on_epoch, progress)
            result = with_before(result, run, also, before, progress)
            if processes.is_main:
                write_result(folder, result)
            processes.wait()
            return result


def begin(writer: Writer, config: TrainConfig, run: Prepared, *, resume: bool) -> None:
    """Write what is known before the first epoch, unless another run has come first."""
    if run.processes.is_main:
        writer.take()
        if not resume:
            check_empty(writer.folder)
        write_inputs(writer.folder, config, run.dataset, run.split)
        if run.stage is not None:
            if run.stage.pruned is not None:  # before the copy, next to which it is read
                write_sealed(writer.folder / PRUNED, dict(run.stage.pruned))
            copy_parent(run.stage.parent, writer.folder)
        task = run.task.to_dict() | {"max_seconds": config.max_seconds}
        save_facts(run.model, writer.folder, task=task)


def _train(
    run: Prepared,
    folder: Path,
    earlier: RunResult | None,
    test: bool,
    trackers: Sequence[str],
    started: float,
    on_epoch: OnEpoch | None,
    progress: Progress,
) -> RunResult:
    """Train, unless an earlier result is there; test, if that is asked for; return the result."""
    is_main = run.processes.is_main
    tracked = start_trackers(trackers if is_main else (), folder, run.config.to_dict())
    if earlier is None:
        result = _trained(run, folder, tracked, started, on_epoch, progress)
    else:
        result = earlier
        _put_best(run, folder)
    if test:
        result = tested_result(result, run, folder, progress)
        metrics = {f"test/{key}": result.test_metrics[key] for key in run.task.reported}
        for tracker in tracked:
            tracker.log(metrics, step=result.best_epoch)
    for tracker in tracked:
        tracker.finish()
    return result


def _trained(
    run: Prepared,
    folder: Path,
    tracked: Sequence[GeneralTracker],
    started: float,
    on_epoch: OnEpoch | None,
    progress: Progress,
) -> RunResult:
    """Train from the checkpoint, if there is one, to the end; return the result without a test."""
    keep = None
    if run.keeping is not None and run.start is not None:
        keep = run.keeping.begin(run.start, folder, progress)
    state = State.of(run.model, run.config, keep)
    read_checkpoint(folder, run.model, state)
    if state.history:  # what went before counts, loading once more does not
        started = time.perf_counter() - state.seconds
    _fit(run, state, folder, tracked, started, on_epoch, progress)
    _put_best(run, folder)
    result = untested_result(run, state, folder, time.perf_counter() - started)
    for notice in run.choice.notices(state.best.valid) if run.processes.is_main else ():
        _LOGGER.warning(notice)
    return result


def _fit(
    run: Prepared,
    state: State,
    folder: Path,
    tracked: Sequence[GeneralTracker],
    started: float,
    on_epoch: OnEpoch | None,
    progress: Progress,
) -> None:
    """Train the remaining epochs, and save after each of them what resuming needs."""
    processes = run.processes
    for epoch in epochs(
        run.model,
        run.task,
        run.clips["train"],
        run.clips["valid"],
        run.config,
        state,
        frozen=run.frozen,
        valid_task=run.judge("valid"),
        processes=processes,
        progress=progress,
    ):
        if processes.is_main:
            if epoch.is_best:
                with as_finished(run.model, state.keep):
                    save_tensors(run.model, folder)
            write_log(folder, state.history)
        state.stopped = _ends(on_epoch, epoch, processes)
        if processes.is_main:
            state.seconds = time.perf_counter() - started
            write_checkpoint(folder, run.model, state)
        for tracker in tracked:
            tracker.log(_curves(epoch, run.task), step=epoch.number)
    processes.wait()  # until the best is written


def _ends(on_epoch: OnEpoch | None, epoch: Epoch, processes: Processes) -> bool:
    """Return the answer of the callback, asked in the main process, in all processes."""
    if on_epoch is None:
        return False
    answer = processes.is_main and bool(on_epoch(epoch))
    return processes.gather(answer)[0]


def _put_best(run: Prepared, folder: Path) -> None:
    """Load the parameters of the best epoch into the model."""
    best, _ = read_tensors(folder / TENSORS)
    put_tensors(run.model.tensors(), best, folder)


def _curves(epoch: Epoch, task: Task) -> dict[str, float]:
    """Return losses and metrics of an epoch by their names in trackers."""
    curves = {"train/loss": epoch.train_loss}
    curves |= {} if epoch.penalty is None else {"train/penalty": epoch.penalty}
    curves |= {} if epoch.valid_loss is None else {"valid/loss": epoch.valid_loss}
    curves |= {f"valid/{key}": epoch.valid[key] for key in task.reported}
    return {key: value for key, value in curves.items() if value is not None}


def written_out(recipe: str) -> str:
    """Return a preset's name or an expression: a recipe file may change before a run resumes.

    A recipe file may have the name of a preset and another content.
    """
    parsed = Recipe.parse(recipe)
    if parsed.name in PRESETS and Recipe.parse(parsed.name) == parsed:
        return parsed.name
    return str(parsed)


def write_log(folder: Path, history: Sequence[Epoch]) -> None:
    """Replace `log.jsonl`, which has a line for each epoch."""
    lines = "".join(strict_json.dumps(epoch.to_dict()) + "\n" for epoch in history)
    replace_file(folder / LOG, lines.encode())
