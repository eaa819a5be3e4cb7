"""A run folder, from labelled recordings to a trained adapter with honest metrics.

    RUN/adapter.safetensors     adapters and head after the best epoch
    RUN/recipe.json             what they are and what they fit on
    RUN/config.json             everything that decides the outcome
    RUN/split.json              which recordings were on which side, with a hash of their content
    RUN/versions.json           of what it ran on
    RUN/log.jsonl               a line an epoch
    RUN/metrics.json            metrics on validation and test recordings, sizes, time, memory
    RUN/checkpoint.safetensors  where the run stands, for --resume
    RUN/cohort.safetensors      embeddings of training, where verification normalises by them
    RUN/tensorboard/            curves, for `tensorboard --logdir RUN`

Every file is replaced as a whole, so a run that is killed leaves none of them half-written.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any, Final

from accelerate.tracking import GeneralTracker

from ossicle import strict_json
from ossicle.adapters.count import tally
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import put_tensors, read_tensors, save_facts, save_tensors
from ossicle.compute.device import peak_memory_mib, pick_device, pick_threads, threads
from ossicle.compute.processes import Processes
from ossicle.errors import RunError
from ossicle.files import replace_file, write_sealed
from ossicle.paths import expand
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Task
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.config import TrainConfig
from ossicle.training.folder import (
    CONFIG,
    LOG,
    METRICS,
    SPLIT,
    VERSIONS,
    Writer,
    check_empty,
    check_new,
    check_same,
    places_of,
    read_json,
    starting_place,
    threads_of,
)
from ossicle.training.loop import Epoch, Progress, State, epochs, no_progress
from ossicle.training.prepare import Prepared, prepare
from ossicle.training.result import (
    RESULT_VERSION,
    RunResult,
    fingerprint,
    plain,
    read_result,
    write_result,
)
from ossicle.training.testing import run_test
from ossicle.training.tracking import check_trackers, start_trackers
from ossicle.training.versions import versions

_LOGGER: Final = logging.getLogger(__name__)


def train(
    config: TrainConfig, out: Path | str, *, resume: bool = False, progress: Progress = no_progress
) -> RunResult:
    """Train, keep the best epoch by validation, test it once, and return the result.

    Args:
        config: Everything that decides the outcome.
        out: The run folder; new, or empty, unless resuming.
        resume: Go on from the folder's checkpoint. A finished run returns its result.
        progress: Told of every step.

    Raises:
        OssicleError: bad input of any kind, before anything is written.
        RunError: the folder holds something else, or a run with another configuration.
    """
    folder = expand(out)
    config = replace(config, recipe=_written_out(config.recipe))
    trackers = check_trackers(config.track)
    processes = Processes(cpu=pick_device(config.device) == "cpu")
    if resume:
        check_same(folder, config)
    else:
        check_new(folder)
    if resume and (folder / METRICS).is_file():
        return read_result(folder)
    processes.wait()  # all have seen the folder as it was
    with Writer(folder) as writer:
        if folder.exists():
            processes.together(lambda: writer.take() if processes.is_main else None)
        started = time.perf_counter()
        run = prepare(config, places=places_of(folder), processes=processes, progress=progress)
        with threads(pick_threads(run.model, threads_of(folder))):
            processes.together(lambda: _begin(writer, config, run, resume=resume))
            return _train(run, run.config, folder, trackers, started, progress)


def _begin(writer: Writer, config: TrainConfig, run: Prepared, *, resume: bool) -> None:
    """Write what is known before the first epoch, unless another run has come first."""
    if run.processes.is_main:
        writer.take()
        if not resume:
            check_empty(writer.folder)
        _write_facts(writer.folder, config, run)


def _train(
    run: Prepared,
    config: TrainConfig,
    folder: Path,
    trackers: Sequence[str],
    started: float,
    progress: Progress,
) -> RunResult:
    """Train, test and return the result."""
    processes = run.processes
    state = State.of(run.model, config)
    read_checkpoint(folder, run.model, state)
    tracked = start_trackers(trackers if processes.is_main else (), folder, config.to_dict())
    if state.history:  # what went before counts, loading once more does not
        started = time.perf_counter() - state.seconds
    _fit(run, config, state, folder, tracked, started, progress)
    trained = time.perf_counter()
    for notice in run.choice.notices(state.best.valid) if processes.is_main else ():
        _LOGGER.warning(notice)
    test = run_test(run, folder, progress)
    for tracker in tracked:
        tracker.log({f"test/{key}": test[key] for key in run.task.reported}, step=state.best.number)
        tracker.finish()
    result = _result(run, state, test, folder, trained - started, time.perf_counter() - trained)
    if processes.is_main:
        write_result(folder, result)
    processes.wait()
    return result


def _result(
    run: Prepared,
    state: State,
    test: dict[str, Any],
    folder: Path,
    train_seconds: float,
    test_seconds: float,
) -> RunResult:
    """Return the result of a run that is over."""
    recipe, backbone = run.model.current.recipe, run.model.backbone
    choice, best = run.choice, state.best
    found = {
        "recipe": recipe.label,
        "expression": str(recipe),
        "data": run.dataset.name,
        "split": run.dataset.note,
        "notices": [*run.dataset.notices, *choice.notices(best.valid)],
        "task": run.task.name,
        "best_epoch": best.number,
        "chosen_by": choice.decided_by(best.valid),
        "epochs": len(state.history),
        "valid": best.valid,
        "test": test,
        "parameters": tally(run.model, run.model.current).to_dict(),
        "adapter_bytes": (folder / TENSORS).stat().st_size,
        "train_seconds": round(train_seconds, 2),
        "first_step_seconds": _rounded(state.step_seconds[:1]),
        "step_seconds": _rounded(state.step_seconds[1:]),
        "test_seconds": round(test_seconds, 2),
        "peak_memory_mib": peak_memory_mib(run.model),
        "processes": run.processes.count,
        "cache": run.frozen.to_dict(backbone),
        "seed": run.config.seed,
        "backbone": backbone.name,
        "backbone_fingerprint": backbone.fingerprint,
        "split_fingerprint": {side: fingerprint(part) for side, part in run.split.items()},
        "version": RESULT_VERSION,
    }
    return RunResult.from_dict(plain(found))


def _rounded(seconds: Sequence[float]) -> float | None:
    """Return the median to the millisecond; None where there is none."""
    return round(median(seconds), 3) if seconds else None


def _fit(
    run: Prepared,
    config: TrainConfig,
    state: State,
    folder: Path,
    tracked: Sequence[GeneralTracker],
    started: float,
    progress: Progress,
) -> None:
    """Train from where the state stands, keep what every epoch leaves, and end at the best one."""
    processes = run.processes
    for epoch in epochs(
        run.model,
        run.task,
        run.clips["train"],
        run.clips["valid"],
        config,
        state,
        frozen=run.frozen,
        valid_task=run.judge("valid"),
        processes=processes,
        progress=progress,
    ):
        if processes.is_main:
            if epoch.is_best:
                save_tensors(run.model, run.model.current, folder)
            _write_log(folder, state.history)
            state.seconds = time.perf_counter() - started
            write_checkpoint(folder, run.model, state)
        for tracker in tracked:
            tracker.log(_curves(epoch, run.task), step=epoch.number)
    processes.wait()  # until the best is written
    best, _ = read_tensors(folder / TENSORS)
    put_tensors(run.model, run.model.current, best, folder)


def _curves(epoch: Epoch, task: Task) -> dict[str, float]:
    """Return what an epoch came to, by the names that a tracker shows."""
    curves = {"train/loss": epoch.train_loss}
    curves |= {} if epoch.valid_loss is None else {"valid/loss": epoch.valid_loss}
    curves |= {f"valid/{key}": epoch.valid[key] for key in task.reported}
    return {key: value for key, value in curves.items() if value is not None}


def _written_out(recipe: str) -> str:
    """Return a preset's name or an expression: a recipe file may change before a run resumes.

    A file may bear the name of a preset and hold something else.
    """
    parsed = Recipe.parse(recipe)
    if parsed.name in PRESETS and Recipe.parse(parsed.name) == parsed:
        return parsed.name
    return str(parsed)


def _write_facts(folder: Path, config: TrainConfig, run: Prepared) -> None:
    split = {"data": run.dataset.name, "note": run.dataset.note, **run.split}
    file = folder / SPLIT
    if file.is_file() and read_json(file) != split:
        raise RunError(
            f"the recordings of '{run.dataset.name}' are no longer those in '{file}'; restore "
            "them, or start a new run"
        )
    write_sealed(folder / CONFIG, config.to_dict())
    write_sealed(file, split)
    write_sealed(folder / VERSIONS, versions() | starting_place(folder))
    task = run.task.to_dict() | {"max_seconds": config.max_seconds}
    save_facts(run.model, run.model.current, folder, task=task)


def _write_log(folder: Path, history: list[Epoch]) -> None:
    lines = "".join(strict_json.dumps(epoch.to_dict()) + "\n" for epoch in history)
    replace_file(folder / LOG, lines.encode())
