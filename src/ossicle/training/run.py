"""A run folder, from labelled recordings to a trained adapter with honest figures.

    RUN/adapter.safetensors     adapters and head after the best epoch
    RUN/recipe.json             what they are and what they fit on
    RUN/config.json             everything that decides the outcome
    RUN/split.json              which recordings were on which side, with a hash of their content
    RUN/versions.json           of what it ran on
    RUN/log.jsonl               a line an epoch
    RUN/metrics.json            figures on validation and test recordings, sizes, time, memory
    RUN/checkpoint.safetensors  where the run stands, for --resume
    RUN/cohort.safetensors      embeddings of training, where verification normalises by them
    RUN/tensorboard/            curves, for `tensorboard --logdir RUN`

Every file is replaced as a whole, so a run that is killed leaves none of them half-written.
"""

import logging
import math
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from accelerate.tracking import GeneralTracker

from ossicle import __version__, strict_json
from ossicle.adapters.check import attach
from ossicle.adapters.count import tally
from ossicle.adapters.folder import TENSORS
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import put_tensors, read_tensors, save_facts, save_tensors
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import (
    check_compiler,
    peak_memory_mib,
    pick_device,
    pick_threads,
    threads,
)
from ossicle.compute.precision import check_precision, pick_precision
from ossicle.compute.processes import Processes
from ossicle.data import (
    Content,
    Dataset,
    Scanned,
    Utterance,
    by_recording,
    check_contents,
    open_data,
    parse_augment,
    scan,
)
from ossicle.data.augment import SPEEDS
from ossicle.data.sizes import describe_sizes
from ossicle.errors import DataError, LabelError, RunError, listing
from ossicle.files import replace_file, write_sealed
from ossicle.frozen.part import FrozenPart, check_cache, open_frozen_part
from ossicle.heads import HEADS, build_head
from ossicle.paths import HERE, expand
from ossicle.recipes.presets import PRESETS
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Events, Task, parse_task
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.choice import Choice
from ossicle.training.clips import Clips
from ossicle.training.cohort import write_cohort
from ossicle.training.config import TrainConfig
from ossicle.training.figures import with_intervals
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
from ossicle.training.loop import Epoch, Progress, State, assess, epochs, no_progress, with_epochs
from ossicle.training.tracking import check_trackers, start_trackers

_LOGGER: Final = logging.getLogger(__name__)
PACKAGES: Final = ("torch", "transformers", "safetensors", "numpy", "soundfile", "soxr")


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to train.

    Attributes:
        config: With the number of epochs that the recordings call for, where none was given.
        model: With the recipe's adapters attached and checked.
        task: With the labels of the training recordings.
        dataset: The recordings and their split.
        clips: The same with their lengths, by side.
        contents: The sound of each utterance, by key.
        frozen: What is frozen, and where it is kept.
        processes: That train together.
    """

    config: TrainConfig
    model: AdaptedModel
    task: Task
    dataset: Dataset
    clips: dict[str, Clips]
    contents: dict[str, Content]
    frozen: FrozenPart
    processes: Processes

    def judge(self, side: str) -> Task:
        """Return the task with the trials of a side."""
        return self.task.judged_by(self.dataset.trials.get(side, ()))


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
    folder = expand(out)
    config = replace(config, recipe=_written_out(config.recipe))
    trackers = check_trackers(config.track)
    processes = Processes(cpu=pick_device(config.device) == "cpu")
    if resume:
        check_same(folder, config)
    else:
        check_new(folder)
    if resume and (folder / METRICS).is_file():
        return read_json(folder / METRICS)
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
) -> dict[str, Any]:
    """Train, test and return the metrics."""
    processes = run.processes
    state = State.of(run.model, config)
    read_checkpoint(folder, run.model, state)
    tracked = start_trackers(trackers if processes.is_main else (), folder, config.to_dict())
    if state.history:  # what went before counts, loading once more does not
        started = time.perf_counter() - state.seconds
    _fit(run, config, state, folder, tracked, started, progress)
    trained = time.perf_counter()
    choice = Choice.of(run.judge("valid"), [one.label for one in run.clips["valid"].utterances])
    doubts = choice.notices(state.best.valid)
    _log(doubts, processes)
    test = _test(run, config, folder, progress)
    for tracker in tracked:
        tracker.log({f"test/{key}": test[key] for key in run.task.shown}, step=state.best.number)
        tracker.finish()
    metrics = {
        "recipe": run.model.current.recipe.label,
        "expression": str(run.model.current.recipe),
        "data": run.dataset.name,
        "split": run.dataset.note,
        "notices": [*run.dataset.notices, *doubts],
        "task": run.task.name,
        "best_epoch": state.best.number,
        "chosen_by": choice.decided_by(state.best.valid),
        "epochs": len(state.history),
        "valid": state.best.valid,
        "test": test,
        "parameters": tally(run.model, run.model.current).to_dict(),
        "adapter_bytes": (folder / TENSORS).stat().st_size,
        "train_seconds": round(trained - started, 2),
        "first_step_seconds": _rounded(state.step_seconds[:1]),
        "step_seconds": _rounded(state.step_seconds[1:]),
        "test_seconds": round(time.perf_counter() - trained, 2),
        "peak_memory_mib": peak_memory_mib(run.model),
        "processes": processes.count,
        "cache": run.frozen.to_dict(run.model.backbone),
    }
    if processes.is_main:
        write_sealed(folder / METRICS, metrics)
    processes.wait()
    return metrics


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
    curves |= {f"valid/{key}": epoch.valid[key] for key in task.shown}
    return {key: value for key, value in curves.items() if value is not None}


def _written_out(recipe: str) -> str:
    """Return a preset's name or an expression: a recipe file may change before a run resumes.

    A file may bear the name of a preset and hold something else.
    """
    parsed = Recipe.parse(recipe)
    if parsed.name in PRESETS and Recipe.parse(parsed.name) == parsed:
        return parsed.name
    return str(parsed)


def prepare(
    config: TrainConfig,
    *,
    places: Sequence[Path] = HERE,
    processes: Processes | None = None,
    progress: Progress = no_progress,
) -> Prepared:
    """Read, check and attach everything that a run needs, and write nothing.

    The new parameters depend on the seed alone.

    Args:
        config: Everything that decides the outcome.
        places: Where relative paths of data and backbone may start.
        processes: That train together.
        progress: Told of every step.

    Raises:
        OssicleError: bad input of any kind.
    """
    recipe = Recipe.parse(config.recipe)
    augment = parse_augment(config.augment)
    asked = parse_task(config.task)[0].name if config.task else None
    dataset = open_data(config.data, places, task=asked)
    device = pick_device(config.device)
    processes = processes or Processes(cpu=device == "cpu")
    if device == "cuda" and processes.count > 1:
        device = f"cuda:{processes.local_rank}"
    dtype = pick_precision(config.precision, device)
    check_cache(config.cache)
    if config.compile:
        check_compiler(device)
    backbone = load_backbone(
        config.backbone,
        stochastic=config.stochastic,
        fast=config.fast,
        device=device,
        places=places,
    )
    check_precision(backbone, dtype)
    kind, settings = parse_task(config.task or dataset.task)
    task = kind.of(dataset, backbone.frame_rate, **settings)
    if "speed" in augment and isinstance(task, Events):
        raise RunError("--augment speed moves the events of a recording; leave it out")
    head_name = config.head or task.heads[0]
    if head_name in HEADS and head_name not in task.heads:
        raise RunError(
            f"head '{head_name}' does not suit the task {task.name}; use {' or '.join(task.heads)}"
        )
    with torch.random.fork_rng():
        torch.manual_seed(config.seed)
        with torch.device(next(backbone.parameters()).device):
            seen = recipe.seen_by_head(backbone.anatomy)
            head = build_head(head_name, seen, task.num_outputs)
        model = attach(backbone, recipe, head)
    dataset = _with_notices(dataset, task)
    if processes.is_main:
        for line in describe_sizes(dataset):
            _LOGGER.info(line)
    _log(dataset.notices, processes)
    scanned = scan_together(dataset.utterances, backbone, processes, progress)
    contents = {key: one.content for key, one in scanned.items()}
    check_contents(dataset, contents)
    size_by_key = {key: one.num_samples for key, one in scanned.items()}
    clips = _clips(dataset, task, backbone, config, size_by_key)
    config = with_epochs(config, task, clips["train"], backbone.sample_rate)
    frozen = open_frozen_part(
        model,
        [size for part in clips.values() for size in part.sizes],
        {key: content.samples for key, content in contents.items()},
        cache=config.cache,
        epochs=config.num_epochs,
        augmented=bool(augment),
        precision=str(dtype),  # what `auto` is depends on the processor, and caches are shared
    )
    if config.compile:
        frozen.finish = model.compiled_finish()
    return Prepared(config, model, task, dataset, clips, contents, frozen, processes)


def _with_notices(dataset: Dataset, task: Task) -> Dataset:
    """Return the dataset with what its task has to say of its labels."""
    found = [
        notice
        for side in ("valid", "test")
        for notice in task.notices(side, [one.label for one in dataset.sides[side]])
    ]
    return replace(dataset, notices=(*dataset.notices, *found))


def _log(notices: Sequence[str], processes: Processes) -> None:
    if processes.is_main:
        for notice in notices:
            _LOGGER.warning(notice)


def longest_piece(backbone: Backbone, max_seconds: float) -> int:
    """Return the longest piece of a recording in samples: the setting, or what the model takes."""
    wanted = max(int(max_seconds * backbone.sample_rate), backbone.min_samples)
    return wanted if backbone.max_samples is None else min(wanted, backbone.max_samples)


def scan_together(
    utterances: Sequence[Utterance], backbone: Backbone, processes: Processes, progress: Progress
) -> dict[str, Scanned]:
    """Return length and content of every utterance, by key; each process decodes its share.

    Raises:
        AudioError: some cannot be used.
    """

    def scanned(done: int, total: int) -> None:
        progress("checking recordings", done, total)

    recordings = processes.share(by_recording(utterances))
    mine = [utterances[n] for rows in recordings for n in rows]
    rate, fewest = backbone.sample_rate, backbone.min_samples
    found = processes.together(lambda: scan(mine, rate, fewest, progress=scanned))
    parts = processes.gather(list(zip((one.key for one in mine), found, strict=True)))
    return {key: one for part in parts for key, one in part}


def _clips(
    dataset: Dataset,
    task: Task,
    backbone: Backbone,
    config: TrainConfig,
    size_by_key: Mapping[str, int],
) -> dict[str, Clips]:
    limit = longest_piece(backbone, config.max_seconds)
    check_whole(task, size_by_key, limit / backbone.sample_rate, backbone.sample_rate)
    everything = dataset.utterances
    task.check_lengths(
        everything, [size_by_key[one.key] / backbone.sample_rate for one in everything]
    )
    augment = parse_augment(config.augment)
    fastest = max(SPEEDS) if "speed" in augment else 1.0
    short = _too_short(dataset, task, backbone, size_by_key, fastest)
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
        side: Clips(part, tuple(size_by_key[one.key] for one in part), limit, augment)
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
    dataset: Dataset,
    task: Task,
    backbone: Backbone,
    size_by_key: Mapping[str, int],
    fastest: float,
) -> dict[str, tuple[int, int]]:
    """Return the frames that a label needs and those that there are, where there are too few.

    Args:
        dataset: The recordings.
        task: Says how many frames a label needs.
        backbone: Says how many a recording has.
        size_by_key: Samples of each recording.
        fastest: Times its speed that a recording may be played.
    """
    if not task.by_frame:
        return {}
    frames = {
        one.key: (
            task.frames_needed(one.label),
            backbone.num_frames(int(size_by_key[one.key] / fastest)),
        )
        for one in dataset.utterances
    }
    return {key: (needs, has) for key, (needs, has) in frames.items() if needs > has}


def _write_facts(folder: Path, config: TrainConfig, run: Prepared) -> None:
    split = {
        "data": run.dataset.name,
        "note": run.dataset.note,
        **{
            side: {one.key: str(run.contents[one.key]) for one in part}
            for side, part in run.dataset.sides.items()
        },
    }
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


def _test(run: Prepared, config: TrainConfig, folder: Path, progress: Progress) -> dict[str, Any]:
    """Return the figures on the test recordings, normalised by some of training if need be."""
    how: dict[str, Any] = {
        "frozen": run.frozen,
        "precision": config.precision,
        "processes": run.processes,
    }
    task = run.judge("test")
    if task.cohort_size:
        cohort = _drawn(run.clips["train"], task.cohort_size, config.seed)
        said = assess(
            run.model, task, cohort, config.batch_size, progress=progress, stage="cohort", **how
        )
        embeddings = np.array([one["embedding"] for one in said.decoded])
        task = task.with_cohort(embeddings)
        if run.processes.is_main:
            write_cohort(folder, embeddings)
    clips = run.clips["test"]
    found = assess(run.model, task, clips, config.batch_size, progress=progress, **how)
    return with_intervals(task, clips.utterances, found)


def _drawn(clips: Clips, most: int, seed: int) -> Clips:
    """Return so many of the recordings at most, drawn by the seed, in their order."""
    rows = np.random.default_rng(seed).permutation(len(clips.utterances))[:most]
    chosen = sorted(rows.tolist())
    return Clips(
        tuple(clips.utterances[row] for row in chosen),
        tuple(clips.sizes[row] for row in chosen),
        clips.limit,
    )


def versions() -> dict[str, str | int]:
    """Return what the run ran on."""
    return {
        "ossicle": __version__,
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
    }
