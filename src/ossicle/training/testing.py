"""The test of a run: its best epoch, assessed once on the test recordings."""

from pathlib import Path
from typing import Any

import numpy as np

from ossicle.training.clips import Clips
from ossicle.training.cohort import write_cohort
from ossicle.training.intervals import with_intervals
from ossicle.training.loop import Progress, assess
from ossicle.training.prepare import Prepared


def run_test(run: Prepared, folder: Path, progress: Progress) -> dict[str, Any]:
    """Return the metrics of the test recordings, with bootstrap intervals.

    A task that normalises its scores by a cohort gets one, drawn from the training recordings; its
    embeddings are kept in the run folder.
    """
    config = run.config
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
    """Return at most `most` of the recordings, drawn by the seed, in their original order."""
    rows = np.random.default_rng(seed).permutation(len(clips.utterances))[:most]
    chosen = sorted(rows.tolist())
    return Clips(
        tuple(clips.utterances[row] for row in chosen),
        tuple(clips.sizes[row] for row in chosen),
        clips.limit,
    )
