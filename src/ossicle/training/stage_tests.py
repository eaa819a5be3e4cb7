"""The tests at the end of a stage: on its own data and on those of every earlier stage.

    before   the parent run, without outputs for labels that it does not know
    after    the run itself

Both are tested on the same recordings with the settings of the run, so that their difference is
what the stage has changed: the gain on its own data, and the forgetting of earlier ones.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor

from ossicle.data import Clips, Content, Trial, overlapping
from ossicle.errors import LabelError, OssicleError, SplitError, listing
from ossicle.inference.assessment import assess
from ossicle.inference.predictor import check_whole
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.training.intervals import with_intervals
from ossicle.training.parent import Parent, describe
from ossicle.training.prepare import Prepared
from ossicle.training.recordings import scan_together
from ossicle.training.result import fingerprint
from ossicle.training.split import known_labels, open_own
from ossicle.training.stage import Stage

_LOGGER: Final = logging.getLogger(__name__)
NEVER: Final = -1e4  # logit of an output that the parent does not have; within float16


@dataclass(frozen=True)
class _Domain:
    """Test recordings of a stage.

    Attributes:
        clips: The recordings with their lengths.
        trials: The trials among them, of verification.
        contents: A hash of the samples of each, by key.
    """

    clips: Clips
    trials: tuple[Trial, ...]
    contents: Mapping[str, str]


def stage_result(run: Prepared, test: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Return where a stage started from, and what it has changed, for `metrics.json`.

    Args:
        run: The run, with the parameters of its best epoch.
        test: The metrics on its own test recordings.
        progress: Called after every batch.

    Returns:
        `parent`, and `tests`: for each stage, the first one first, its `data`, the metrics `before`
        and `after`, and `why` one of them is null. Of a stage that starts from a pruned adapter,
        also `pruned`: the metrics before pruning, after it without training, and after training.
    """
    stage = run.stage
    assert stage is not None
    tests: list[dict[str, Any]] = []
    opened: list[_Domain | None] = []
    for earlier in stage.parent.stages:
        found, why = _opened(run, earlier, progress)
        if why and earlier.split.get("test"):  # else there is nothing to be missed
            _LOGGER.warning(f"Not tested on the data of an earlier stage: {why}")
        opened.append(found)
        after = None if found is None else _metrics(run, found, progress)
        tests.append({"data": earlier.config.data, "before": None, "after": after, "why": why})
    own = _Domain(run.clips["test"], run.dataset.trials.get("test", ()), run.frozen.contents)
    tests.append({"data": run.config.data, "before": None, "after": _short(run, test), "why": ""})
    if run.config.head_from == "new":
        _add_stored(tests, stage.parent)
    else:
        with _at_start(run, stage):
            for one, domain in zip(tests, [*opened, own], strict=True):
                one["before"] = None if domain is None else _metrics(run, domain, progress)
    result = {"parent": describe(stage.parent, run.config.parent), "tests": tests}
    if stage.pruned is not None:
        result["pruned"] = _pruned(run, stage, tests[-1])
    return result


def _pruned(run: Prepared, stage: Stage, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return how an adapter was pruned, with metrics on the run's own test recordings.

    Those of the parent run are null where it was tested on others, or not at all.
    """
    assert stage.pruned is not None
    parent, now = stage.parent.result, fingerprint(run.split["test"])
    known = parent.test is not None and parent.split_fingerprint["test"] == now
    before = _short(run, parent.test_metrics) if known else None
    facts = {key: stage.pruned[key] for key in ("by", "parameters")}
    return {**facts, "unpruned": before, "pruned": own["before"], "trained": own["after"]}


def _opened(run: Prepared, stage: Parent, progress: Progress) -> tuple[_Domain | None, str]:
    """Return the test recordings of an earlier stage, or why they cannot be tested on."""
    if not stage.split.get("test"):
        return None, "its run read no test recordings, as in a search"
    try:
        return _open(run, stage, progress), ""
    except OssicleError as error:
        return None, str(error)


def _open(run: Prepared, stage: Parent, progress: Progress) -> _Domain:
    """Return the test recordings of an earlier stage.

    Raises:
        OssicleError: they cannot be read, have changed, or the model cannot be tested on them.
    """
    assert run.stage is not None
    whole = replace(stage.config, shots=None, train_fraction=None)
    dataset = run.processes.together(lambda: open_own(stage.folder, whole, stage.places))
    chosen = dataset.test
    if run.config.common_labels or any(s.config.common_labels for s in run.stage.parent.stages):
        chosen = known_labels(chosen, run.task)
    if not chosen:
        raise LabelError(f"no test recordings of '{dataset.name}' have labels of this stage")
    run.task.with_trials(dataset.trials.get("test", ())).check_labels([u.label for u in chosen])
    backbone, limit = run.model.backbone, run.clips["test"].limit
    scanned = scan_together(chosen, backbone, run.processes, progress)
    _check_recordings(run, stage, {key: one.content for key, one in scanned.items()})
    sizes = {one.key: scanned[one.key].num_samples for one in chosen}
    check_whole(run.task, sizes, limit, backbone.sample_rate)
    run.task.check_lengths(chosen, [size / backbone.sample_rate for size in sizes.values()])
    contents = {key: one.content.samples for key, one in scanned.items()}
    clips = Clips(tuple(chosen), tuple(sizes.values()), limit)
    return _Domain(clips, dataset.trials.get("test", ()), contents)


def _check_recordings(run: Prepared, stage: Parent, contents: Mapping[str, Content]) -> None:
    """Raise unless recordings are those that an earlier stage was tested on, and not trained on.

    Raises:
        SplitError: some have changed, or this stage has learnt from them.
    """
    kept = stage.split.get("test", {})
    if changed := [key for key, one in contents.items() if kept.get(key) != str(one)]:
        raise SplitError(
            f"{len(changed)} test recordings of '{stage.config.data}' have changed since its run: "
            f"{listing(changed, 3)}"
        )
    learnt = [run.contents[one.key] for one in (*run.dataset.train, *run.dataset.valid)]
    if seen := overlapping(learnt, contents):
        raise SplitError(
            f"{len(seen)} of the {len(contents)} test recordings of '{stage.config.data}' are "
            f"among the training or validation recordings of this stage: {listing(seen, 3)}"
        )


def _metrics(run: Prepared, domain: _Domain, progress: Progress) -> dict[str, Any]:
    """Return the metrics of the model on recordings, with intervals."""
    frozen = replace(run.frozen, contents=domain.contents)
    single = SingleModel(run.model, frozen, run.config.precision)
    task = run.task.with_trials(domain.trials)
    found = assess(
        single,
        task,
        domain.clips,
        run.config.batch_size,
        processes=run.processes,
        progress=progress,
        stage="stages",
    )
    return _short(run, with_intervals(task, domain.clips.utterances, found))


def _short(run: Prepared, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reported metrics with their intervals, and the number of recordings."""
    return {key: metrics[key] for key in (*run.task.reported, "intervals", "count")}


def _add_stored(tests: list[dict[str, Any]], parent: Parent) -> None:
    """Add what the parent run has measured at its end: its head is not in this model.

    The parent has not been tested on the data of this stage.
    """
    stored: list[Any] = [parent.result.test]
    if parent.result.stage is not None:
        stored = [one["after"] for one in parent.result.stage["tests"]]
    for one, before in zip(tests, stored, strict=False):
        if before and one["after"] and before["count"] != one["after"]["count"]:
            one["why"] = "the parent run was tested on recordings with other labels too"
        else:
            one["before"] = before and {key: before[key] for key in one["after"] or before}
    tests[-1]["why"] = "the head is new, so the parent run has no answers"


@contextmanager
def _at_start(run: Prepared, stage: Stage) -> Iterator[None]:
    """Give the model the tensors it started with, without outputs that the parent lacks."""
    tensors = run.model.tensors()
    best = {key: value.detach().clone() for key, value in tensors.items()}
    _put(tensors, stage.start)
    known = {number for number in stage.old_outputs if number is not None}
    new = [number for number in range(run.task.num_outputs) if number not in known]
    assert run.model.head is not None
    last = f"head/{run.model.head.last}"
    if f"{last}.bias" in tensors:  # others give an embedding, which has no rows for labels
        with torch.no_grad():
            tensors[f"{last}.weight"][new] = 0.0
            tensors[f"{last}.bias"][new] = NEVER
    try:
        yield
    finally:
        _put(tensors, best)


def _put(tensors: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for key, tensor in tensors.items():
            tensor.copy_(values[key])
