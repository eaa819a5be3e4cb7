"""A run folder, from labelled recordings to a trained adapter with honest figures.

    RUN/adapter.safetensors     adapters and head after the best epoch
    RUN/recipe.json             what they are and what they fit on
    RUN/config.json             everything that decides the outcome
    RUN/split.json              which recordings were on which side, with a hash of their content
    RUN/versions.json           of what it ran on
    RUN/log.jsonl               a line an epoch
    RUN/metrics.json            figures on validation and test recordings, sizes, time, memory
    RUN/checkpoint.safetensors  where the run stands, for --resume

Every file is replaced as a whole, so a run that is killed leaves none of them half-written.
"""

import json
import math
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import torch

from ossicle import __version__
from ossicle.attach.adapted import AdaptedModel
from ossicle.attach.check import attach
from ossicle.attach.count import tally
from ossicle.attach.folder import TENSORS, is_part, replace_file, write_json
from ossicle.attach.presets import PRESETS
from ossicle.attach.recipe import Recipe
from ossicle.attach.store import put_tensors, read_tensors, save_facts, save_tensors
from ossicle.backbones import Backbone, load_backbone
from ossicle.data import Dataset, contents, open_data, scan
from ossicle.errors import DataError, LabelError, RunError, did_you_mean, listing
from ossicle.heads import HEADS, build_head
from ossicle.tasks import TASKS, Task
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.clips import Clips
from ossicle.training.config import TrainConfig
from ossicle.training.figures import with_intervals
from ossicle.training.loop import Epoch, Progress, State, assess, epochs, no_progress
from ossicle.training.machine import peak_memory_mib, pick_device
from ossicle.training.optim import build_optimizer

CONFIG: Final = "config.json"
SPLIT: Final = "split.json"
VERSIONS: Final = "versions.json"
LOG: Final = "log.jsonl"
METRICS: Final = "metrics.json"
PACKAGES: Final = ("torch", "transformers", "safetensors", "numpy", "soundfile", "soxr")


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train.

    Attributes:
        model: With the recipe's adapters attached and checked.
        task: With the labels of the training recordings.
        dataset: The recordings and their split.
        clips: The same with their lengths, by side.
    """

    model: AdaptedModel
    task: Task
    dataset: Dataset
    clips: dict[str, Clips]


def train(
    config: TrainConfig, out: Path | str, *, resume: bool = False, progress: Progress = no_progress
) -> dict[str, Any]:
    """Train, keep the best epoch by validation, test it once, and return the metrics.

    Args:
        config: Everything that decides the outcome.
        out: The run folder; new, or empty, unless resuming.
        resume: Go on from the folder's checkpoint. A finished run returns its metrics.
        progress: Told of every step.

    Raises:
        OssicleError: bad input of any kind, before anything is written.
        RunError: the folder holds something else, or a run with another configuration.
    """
    folder = Path(out)
    config = replace(config, recipe=_written_out(config.recipe))
    _check_folder(folder, config, resume=resume)
    if resume and (folder / METRICS).is_file():
        return read_json(folder / METRICS)
    started = time.perf_counter()
    run = prepare(config, progress=progress)
    _write_facts(folder, config, run)
    state = State(build_optimizer(run.model, config))
    read_checkpoint(folder, run.model, state)
    sides = (run.clips["train"], run.clips["valid"])
    for epoch in epochs(run.model, run.task, *sides, config, state, progress=progress):
        if epoch.is_best:
            save_tensors(run.model, folder)
        _write_log(folder, state.history)
        write_checkpoint(folder, run.model, state)
    best, _ = read_tensors(folder / TENSORS)
    put_tensors(run.model, run.model.current, best, folder)
    trained = time.perf_counter()
    metrics = {
        "recipe": run.model.current.recipe.label,
        "expression": str(run.model.current.recipe),
        "data": run.dataset.name,
        "split": run.dataset.note,
        "task": run.task.name,
        "best_epoch": state.best.number,
        "chosen_by": run.task.shown[run.task.primary],
        "epochs": len(state.history),
        "valid": state.best.valid,
        "test": _test(run, config, progress),
        "parameters": tally(run.model, run.model.current).to_dict(),
        "adapter_bytes": (folder / TENSORS).stat().st_size,
        "train_seconds": round(trained - started, 2),
        "test_seconds": round(time.perf_counter() - trained, 2),
        "peak_memory_mib": peak_memory_mib(run.model),
    }
    write_json(folder / METRICS, metrics)
    return metrics


def _written_out(recipe: str) -> str:
    """Return a preset's name or an expression: a recipe file may change before a run resumes.

    A file may bear the name of a preset and hold something else.
    """
    parsed = Recipe.parse(recipe)
    if parsed.name in PRESETS and Recipe.parse(parsed.name) == parsed:
        return parsed.name
    return str(parsed)


def prepare(config: TrainConfig, *, progress: Progress = no_progress) -> Prepared:
    """Read, check and attach everything that a run needs, and write nothing.

    The new parameters depend on the seed alone.

    Raises:
        OssicleError: bad input of any kind.
    """
    recipe = Recipe.parse(config.recipe)
    dataset = open_data(config.data)
    backbone = load_backbone(
        config.backbone, stochastic=config.stochastic, device=pick_device(config.device)
    )
    task = choose_task(config.task).of(dataset)
    head_name = config.head or task.heads[0]
    if head_name in HEADS and HEADS[head_name].by_frame != task.by_frame:
        raise RunError(
            f"head '{head_name}' gives {'a row' if task.by_frame else 'each frame'} no output of "
            f"its own, which the task {task.name} needs; use {' or '.join(task.heads)}"
        )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        with torch.device(next(backbone.parameters()).device):
            seen = recipe.seen_by_head(backbone.anatomy)
            head = build_head(head_name, seen, task.num_outputs)
        model = attach(backbone, recipe, head)
    return Prepared(model, task, dataset, _clips(dataset, task, backbone, config, progress))


def choose_task(name: str) -> type[Task]:
    """Return the task of that name.

    Raises:
        RunError: there is none.
    """
    if name not in TASKS:
        raise RunError(
            f"no task '{name}'; there are: {', '.join(TASKS)}.{did_you_mean(name, TASKS)}"
        )
    return TASKS[name]


def longest_piece(backbone: Backbone, max_seconds: float) -> int:
    """Return the longest piece of a recording in samples: the setting, or what the model takes."""
    wanted = max(int(max_seconds * backbone.sample_rate), backbone.min_samples)
    return wanted if backbone.max_samples is None else min(wanted, backbone.max_samples)


def _clips(
    dataset: Dataset, task: Task, backbone: Backbone, config: TrainConfig, progress: Progress
) -> dict[str, Clips]:
    def scanned(done: int, total: int) -> None:
        progress("checking recordings", done, total)

    everything = dataset.utterances
    sizes = scan(everything, backbone.sample_rate, backbone.min_samples, progress=scanned)
    size_by_key = {one.key: size for one, size in zip(everything, sizes, strict=True)}
    limit = longest_piece(backbone, config.max_seconds)
    check_whole(task, size_by_key, limit / backbone.sample_rate, backbone.sample_rate)
    short = _too_short(dataset, task, backbone, size_by_key)
    if short and not config.drop_short:
        told = [f"{key} (needs {needs}, has {has})" for key, (needs, has) in short.items()]
        raise LabelError(
            f"{len(short)} of {len(size_by_key)} recordings have fewer frames than their "
            f"transcript needs: {listing(told, 5)}. Mend the transcripts, or leave these "
            "recordings out with --drop-short"
        )
    kept = {
        side: tuple(one for one in part if one.key not in short)
        for side, part in dataset.sides.items()
    }
    if empty := [side for side, part in kept.items() if not part]:
        raise LabelError(f"every recording of {listing(empty)} is too short for its transcript")
    return {
        side: Clips(part, tuple(size_by_key[one.key] for one in part), limit)
        for side, part in kept.items()
    }


def check_whole(
    task: Task, size_by_key: Mapping[str, int], limit_s: float, sample_rate: int
) -> None:
    """Raise where a task by frame would have to put a recording together from windows.

    Raises:
        DataError: some recordings are longer than what is taken whole.
    """
    longer = [key for key, size in size_by_key.items() if size > limit_s * sample_rate]
    if task.by_frame and longer:
        longest = max(size_by_key.values()) / sample_rate
        raise DataError(
            f"{len(longer)} recordings are longer than the {limit_s:g} s that are taken whole "
            f"({listing(longer, 3)}), and the task {task.name} cannot put windows together. Say "
            f"--max-seconds {math.ceil(longest)}, or cut them"
        )


def _too_short(
    dataset: Dataset, task: Task, backbone: Backbone, size_by_key: Mapping[str, int]
) -> dict[str, tuple[int, int]]:
    """Return the frames that a label needs and those that there are, where there are too few."""
    if not task.by_frame:
        return {}
    frames = {
        one.key: (task.frames_needed(one.label), backbone.num_frames(size_by_key[one.key]))
        for one in dataset.utterances
    }
    return {key: (needs, has) for key, (needs, has) in frames.items() if needs > has}


def _check_folder(folder: Path, config: TrainConfig, *, resume: bool) -> None:
    if not resume:
        if folder.exists() and not folder.is_dir():
            raise RunError(f"'{folder}' is a file; choose a new or an empty folder")
        if folder.exists() and any(not is_part(file) for file in folder.iterdir()):
            resumable = (folder / CONFIG).is_file()
            also = ", or go on with the run in it with --resume" if resumable else ""
            raise RunError(f"'{folder}' is not empty; choose another folder{also}")
        return
    saved = read_config(folder)
    other = [key for key, value in config.to_dict().items() if saved.to_dict()[key] != value]
    if other:
        raise RunError(
            f"the run in '{folder}' has another {', '.join(other)}; resume it with its own "
            f"settings (see {CONFIG}) or start anew in another folder"
        )


def read_config(folder: Path) -> TrainConfig:
    """Return the configuration of a run.

    Raises:
        RunError: the folder holds no run, or its configuration cannot be read.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise RunError(f"'{folder}' holds no run: it has no {CONFIG}; leave --resume out to start")
    return TrainConfig.from_dict(read_json(file))


def read_json(file: Path) -> dict[str, Any]:
    """Return what a JSON file of a run holds.

    Raises:
        RunError: it cannot be read, or holds no object.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"'{file}' cannot be read: {error}. Start a new run") from error
    if not isinstance(data, dict):
        raise RunError(f"'{file}' holds no JSON object. Start a new run")
    return data


def _write_facts(folder: Path, config: TrainConfig, run: Prepared) -> None:
    split = {
        "data": run.dataset.name,
        "note": run.dataset.note,
        **{side: contents(part) for side, part in run.dataset.sides.items()},
    }
    file = folder / SPLIT
    if file.is_file() and read_json(file) != split:
        raise RunError(
            f"the recordings of '{run.dataset.name}' are no longer those in '{file}'; restore "
            "them, or start a new run"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"'{folder}' cannot be made: {error.strerror or error}") from error
    write_json(folder / CONFIG, config.to_dict())
    write_json(file, split)
    write_json(folder / VERSIONS, versions())
    task = run.task.to_dict() | {"max_seconds": config.max_seconds}
    save_facts(run.model, folder, task=task)


def _write_log(folder: Path, history: list[Epoch]) -> None:
    lines = "".join(json.dumps(epoch.to_dict()) + "\n" for epoch in history)
    replace_file(folder / LOG, lines.encode())


def _test(run: Prepared, config: TrainConfig, progress: Progress) -> dict[str, Any]:
    clips = run.clips["test"]
    found = assess(run.model, run.task, clips, config.batch_size, progress=progress)
    return with_intervals(run.task, clips.utterances, found)


def versions() -> dict[str, str | int]:
    """Return what the run ran on."""
    return {
        "ossicle": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
