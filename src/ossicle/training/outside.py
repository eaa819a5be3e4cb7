"""What a run gains and loses: the model before the first step, and recordings of another corpus.

    bare    the pretrained model without adapters, on the validation and test recordings; of a task
            that writes text, whose answers do not need a trained head
    also    the model before and after training, on the recordings of `--also DATA`: those for test,
            or all if the corpus names none

Nothing is chosen by either. What precedes the first step is kept in `before.json`, because full
fine-tuning changes the backbone itself.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ossicle.data import Clips, Dataset, overlapping, read_data
from ossicle.errors import DataError, RunError, SplitError, listing
from ossicle.files import write_sealed
from ossicle.inference.assessment import assess
from ossicle.inference.predictor import check_whole, longest_piece
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.tasks import Task, parse_task
from ossicle.training.folder import read_json
from ossicle.training.intervals import with_intervals
from ossicle.training.learnt import learnt_contents
from ossicle.training.prepare import Prepared
from ossicle.training.recordings import scan_together
from ossicle.training.result import RunResult

BEFORE: Final = "before.json"
Metrics = dict[str, Any]


@dataclass(frozen=True)
class Also:
    """The test recordings of another corpus.

    Attributes:
        dataset: The corpus.
        task: The task with the settings for it.
        clips: Its test recordings, with their lengths.
        contents: A hash of the samples of each, by key.
    """

    dataset: Dataset
    task: Task
    clips: Clips
    contents: Mapping[str, str]


def open_also(run: Prepared, places: Sequence[Path], progress: Progress) -> Also | None:
    """Return the recordings of `--also` as `Trained.evaluate` takes them; None without it.

    Raises:
        RunError: its task is another one.
        SplitError: the run learns from some of them.
        DataError: they cannot be read, or there are none.
        LabelError: the task cannot be evaluated on them.
    """
    config = run.config
    if config.also is None:
        return None
    asked = config.also_task or config.task
    dataset = run.processes.together(lambda: read_data(str(config.also), places))
    chosen = dataset.test
    if not chosen:
        raise DataError(f"--also '{config.also}' gives no test recordings; choose others")
    task = _task_for(run, asked, dataset)
    task.check_labels([one.label for one in chosen])
    backbone = run.model.backbone
    scanned = scan_together(chosen, backbone, run.processes, progress)
    found = {key: one.content for key, one in scanned.items()}
    learnt = [run.contents[one.key] for one in (*run.dataset.train, *run.dataset.valid)]
    for stage in () if run.stage is None else run.stage.parent.stages:
        learnt += learnt_contents(stage.folder, stage.split)
    if seen := overlapping(learnt, found):
        raise SplitError(
            f"{len(seen)} of the {len(found)} test recordings of --also '{config.also}' are among "
            f"the training or validation recordings of this run or of an earlier stage: "
            f"{listing(seen, 3)}"
        )
    sizes = {one.key: scanned[one.key].num_samples for one in chosen}
    limit, rate = longest_piece(backbone, config.max_seconds), backbone.sample_rate
    check_whole(task, sizes, limit, rate)
    task.check_lengths(chosen, [size / rate for size in sizes.values()])
    clips = Clips(tuple(chosen), tuple(sizes.values()), limit)
    return Also(dataset, task, clips, {key: one.samples for key, one in found.items()})


def _task_for(run: Prepared, asked: str | None, dataset: Dataset) -> Task:
    """Return the task of the run; with settings of its own, if it writes text."""
    if run.config.also_task is None or asked is None:
        return run.task.with_trials(dataset.trials.get("test", ()))
    kind, settings = parse_task(asked)
    if kind is not type(run.task) or not kind.needs_decoder:
        raise RunError(
            f"--also-task is '{asked}', and the task of the run is {run.task.name}; give the "
            f"settings of {run.task.name} for the other corpus, if it is a task that writes text"
        )
    return kind.from_dataset(dataset, **settings).with_tokens(run.model.backbone.tokens)


def before_training(
    run: Prepared, also: Also | None, folder: Path, *, test: bool, progress: Progress
) -> dict[str, Any]:
    """Return the metrics before the first step: from the folder, or computed and kept there.

    Args:
        run: The run, whose model has not been trained yet.
        also: The result of `open_also`.
        folder: The run folder.
        test: Whether to test. False: only on validation recordings.
        progress: Called after every batch.

    Returns:
        `bare`, with `valid` and `test`, and `also`; null for what has no answers before training.
    """
    file = folder / BEFORE
    kept = read_json(file) if file.is_file() else {}
    run.processes.wait()  # all have seen the file as it was
    found = {"bare": kept.get("bare"), "also": kept.get("also")}
    writes = run.task.needs_decoder
    if writes and run.stage is None:
        with _without_adapters(run):
            bare = found["bare"] or {"valid": None, "test": None}
            for side in ("valid", "test") if test else ("valid",):
                bare[side] = bare[side] or _on_side(run, side, progress)
            found["bare"] = bare
            if also is not None and test:
                found["also"] = found["also"] or on_also(run, also, progress)
    elif also is not None and test and run.stage is not None and run.config.head_from == "keep":
        found["also"] = found["also"] or on_also(run, also, progress)
    if run.processes.is_main and found != {"bare": None, "also": None}:
        write_sealed(file, found)
    return found


def with_before(
    result: RunResult,
    run: Prepared,
    also: Also | None,
    before: Mapping[str, Any],
    progress: Progress,
) -> RunResult:
    """Return a result with what was before training, and the test on the other corpus.

    Args:
        result: The result.
        run: The run, with the parameters of its best epoch.
        also: The result of `open_also`.
        before: The result of `before_training`.
        progress: Called after every batch.
    """
    added: dict[str, Any] = {"bare": before["bare"]}
    if also is not None and result.test is not None:
        after = on_also(run, also, progress)
        added["also"] = {"data": run.config.also, "before": before["also"], "after": after}
    return RunResult.of({**result.to_dict(), **added})


def on_also(run: Prepared, also: Also, progress: Progress) -> Metrics:
    """Return the metrics of the model as it is on the other corpus."""
    head = run.model.current.head
    assert head is not None, "a run has a head"
    frozen = replace(run.frozen, contents=also.contents)
    also.task.configure(head)
    try:
        single = SingleModel(run.model, frozen, run.config.precision)
        return _metrics(run, single, also.task, also.clips, progress)
    finally:
        run.task.configure(head)


@contextmanager
def _without_adapters(run: Prepared) -> Iterator[None]:
    """Let no adapter act; what is fine-tuned in place has not changed yet."""
    run.model.act(())
    try:
        yield
    finally:
        run.model.act(run.model.active)


def _on_side(run: Prepared, side: str, progress: Progress) -> Metrics:
    single = SingleModel(run.model, run.frozen, run.config.precision)
    return _metrics(run, single, run.judge(side), run.clips[side], progress)


def _metrics(
    run: Prepared, single: SingleModel, task: Task, clips: Clips, progress: Progress
) -> Metrics:
    """Return the reported metrics with their intervals, and the number of recordings."""
    found = assess(
        single,
        task,
        clips,
        run.config.batch_size,
        processes=run.processes,
        progress=progress,
        stage="before",
    )
    whole = with_intervals(task, clips.utterances, found)
    return {key: whole[key] for key in (*task.reported, "intervals", "count")}
