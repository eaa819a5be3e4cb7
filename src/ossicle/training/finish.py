"""The end of a run: its result, and the test of its best epoch on the test recordings."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ossicle.adapters.count import tally
from ossicle.adapters.folder import TENSORS
from ossicle.compute.memory import PEAK
from ossicle.data import Clips
from ossicle.inference.assessment import assess
from ossicle.inference.cohort import write_cohort
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.training.intervals import with_intervals
from ossicle.training.prepare import Prepared
from ossicle.training.result import RESULT_VERSION, RunResult, fingerprint
from ossicle.training.stage_tests import stage_result
from ossicle.training.state import State


def untested_result(run: Prepared, state: State, folder: Path, seconds: float) -> RunResult:
    """Return the result of a run whose training is over, without a test.

    Args:
        run: The run, with the parameters of its best epoch.
        state: Its state.
        folder: Its folder, with the adapter in it.
        seconds: Wall time of the training.
    """
    recipe, backbone = run.model.recipe, run.model.backbone
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
        "test": None,
        "parameters": tally(run.model).to_dict(),
        "adapter_bytes": (folder / TENSORS).stat().st_size,
        "train_seconds": round(seconds, 2),
        "first_step_seconds": _rounded(state.step_seconds[:1]),
        "step_seconds": _rounded(state.step_seconds[1:]),
        "test_seconds": None,
        "peak_memory_mib": PEAK.mib(run.model),
        "processes": run.processes.count,
        "cache": run.frozen.to_dict(backbone),
        "ended_by": state.ended_by(run.config),
        "seed": run.config.seed,
        "backbone": backbone.name,
        "backbone_fingerprint": backbone.fingerprint,
        "split_fingerprint": {side: fingerprint(part) for side, part in run.split.items()},
        "version": RESULT_VERSION,
    }
    return RunResult.of(found)


def tested_result(
    untested: RunResult, run: Prepared, folder: Path, progress: Progress
) -> RunResult:
    """Return a result with the test of the best epoch added to it."""
    started = time.perf_counter()
    test = _test(run, folder, progress)
    stage = None if run.stage is None else stage_result(run, test, progress)
    memory = (untested.peak_memory_mib, PEAK.mib(run.model))
    added = {
        "test": test,
        "stage": stage,
        "test_seconds": round(time.perf_counter() - started, 2),
        "peak_memory_mib": max((one for one in memory if one is not None), default=None),
        "cache": run.frozen.to_dict(run.model.backbone),
    }
    return RunResult.of({**untested.to_dict(), **added})


def _test(run: Prepared, folder: Path, progress: Progress) -> dict[str, Any]:
    """Return the metrics of the test recordings, with bootstrap intervals.

    A task that normalises its scores by a cohort gets one, drawn from the training recordings; its
    embeddings are kept in the run folder.
    """
    config = run.config
    single = SingleModel(run.model, run.frozen, config.precision)
    how: dict[str, Any] = {"processes": run.processes, "progress": progress}
    task = run.judge("test")
    if task.cohort_size:
        cohort = _drawn(run.clips["train"], task.cohort_size, config.seed)
        found = assess(single, task, cohort, config.batch_size, stage="cohort", **how)
        embeddings = np.array([one["embedding"] for one in found.decoded])
        task = task.with_cohort(embeddings)
        if run.processes.is_main:
            write_cohort(folder, embeddings)
    clips = run.clips["test"]
    found = assess(single, task, clips, config.batch_size, **how)
    return with_intervals(task, clips.utterances, found)


def _drawn(clips: Clips, most: int, seed: int) -> Clips:
    """Return at most `most` of the recordings, drawn by the seed, in their original order."""
    rows = np.random.default_rng(seed).permutation(len(clips.utterances))[:most]
    return clips.chosen(rows.tolist())


def _rounded(seconds: Sequence[float]) -> float | None:
    """Return the median, rounded to milliseconds; None without values."""
    return round(median(seconds), 3) if seconds else None
