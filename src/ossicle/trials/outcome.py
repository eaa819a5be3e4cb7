"""What is known of a trial: its state, and the result of a finished one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ossicle.trials.trial import Trial

State: TypeAlias = Literal["finished", "failed", "refused", "interrupted", "running", "pending"]


@dataclass(frozen=True, slots=True)
class TestRows:
    """The test recordings of a split; trials on one split share one object.

    Attributes:
        keys: Key of each recording.
        speakers: Speaker of each recording, or None.
        labels: Its true label.
    """

    keys: tuple[str, ...]
    speakers: tuple[str | None, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The result of a finished trial, as far as a study compares trials by it.

    The rest is in the run folder: learning curves in `log.jsonl`, the confusion matrix in
    `metrics.json`, learnt weights in `adapter.safetensors`. A measurement without a task has
    nothing but `facts`.

    Attributes:
        task: Name of the task; empty without one.
        metrics: Test metrics that the task reports, by key; None where one is not defined.
        scores: Score of each test recording, higher being better, of shape (N,); None for tasks
            without a score per recording.
        predicted: Predicted label of each test recording.
        rows: The test recordings, in the order of `scores` and `predicted`.
        parameters: Numbers of parameters by part, as in `RunResult`.
        adapter_bytes: Size of the adapter file.
        train_seconds: Time of the training.
        step_seconds: Median time of a training step; None if unknown.
        test_seconds: Time of the test; None if unknown.
        peak_memory_mib: Peak memory; None if unknown.
        best_epoch: Number of the epoch that was kept.
        epochs: Number of epochs trained.
        split: One sentence on how the recordings were split.
        split_fingerprint: A hash of the recordings of each side.
        backbone_fingerprint: Short hash of the weights of the backbone.
        notices: What a reader must know before trusting the metrics.
        domains: Results of the same model on the test recordings of other data, by their name.
        facts: Results of runners that do more than train.
    """

    task: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    scores: NDArray[np.float32] | None = None
    predicted: tuple[str, ...] = ()
    rows: TestRows = TestRows((), (), ())
    parameters: Mapping[str, float] = field(default_factory=dict)
    adapter_bytes: int = 0
    train_seconds: float = 0.0
    step_seconds: float | None = None
    test_seconds: float | None = None
    peak_memory_mib: float | None = None
    best_epoch: int = 0
    epochs: int = 0
    split: str = ""
    split_fingerprint: Mapping[str, str] = field(default_factory=dict)
    backbone_fingerprint: str = ""
    notices: tuple[str, ...] = ()
    domains: Mapping[str, "Measured"] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The state of a trial.

    Attributes:
        trial: The trial.
        name: Its name, a hash of everything that decides its outcome.
        folder: Its folder, which may not exist yet.
        state: `finished`; `failed`; `refused`, which cannot run and need not; `running`, in some
            process; `interrupted`, with a checkpoint to continue from; or `pending`.
        measured: The result; None unless it is finished.
        reason: Why it failed or is refused; None unless it has or is.
    """

    trial: Trial
    name: str
    folder: Path
    state: State
    measured: Measured | None = None
    reason: str | None = None


def distinct(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Return the outcomes of different trials: what has several labels may be one training."""
    return list({one.name or id(one): one for one in outcomes}.values())
