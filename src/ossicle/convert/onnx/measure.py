"""What a graph costs and loses: time next to torch, and metrics on the test recordings of a run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ossicle.convert.onnx.check import check_wave
from ossicle.convert.onnx.graph import Session
from ossicle.data import Utterance, windows
from ossicle.errors import OssicleError
from ossicle.frozen.part import BatchRow
from ossicle.inference.assessment import assess_outputs
from ossicle.inference.predictor import read_wave
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.tasks import Task
from ossicle.training.tested import tested_clips
from ossicle.training.trained import Trained

ROUNDS: Final = 5
TIMED_S: Final = 4.0


@dataclass(frozen=True)
class Times:
    """Seconds for one wave, from samples to output.

    Attributes:
        wave_s: Length of the wave.
        seconds: Median of several rounds, by what ran.
        threads: Threads of each.
    """

    wave_s: float
    seconds: Mapping[str, float]
    threads: int


def times_of(model: SingleModel, sessions: Mapping[str, Session], limit: int) -> Times:
    """Measure torch and graphs in turns, after one untimed run of each."""
    rate = model.backbone.sample_rate
    wave = check_wave(max(min(int(TIMED_S * rate), limit), model.backbone.min_samples), rate)
    actions: dict[str, Callable[[], Any]] = {
        "torch": lambda: model.outputs([BatchRow.of(model.backbone.row(wave))]),
        **{name: partial(session, [wave]) for name, session in sessions.items()},
    }
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(ROUNDS + 1):
        for name, action in actions.items():
            begun = time.perf_counter()
            action()
            if number:
                seconds[name].append(time.perf_counter() - begun)
    medians = {name: median(values) for name, values in seconds.items()}
    return Times(len(wave) / rate, medians, torch.get_num_threads())


@dataclass(frozen=True)
class Tested:
    """The primary metric of graphs on the test recordings of a run.

    Attributes:
        label: Name of the metric.
        texts: Its value as text, by graph; empty if it was not measured.
        values: Its value, by graph.
        count: Number of recordings.
        why_not: Why it was not measured; empty if it was.
    """

    label: str
    texts: Mapping[str, str]
    values: Mapping[str, float]
    count: int
    why_not: str = ""


def metric_of(trained: Trained, sessions: Mapping[str, Session], progress: Progress) -> Tested:
    """Return the primary metric of graphs on the test recordings of a run, if they are there."""
    metric = trained.task.reported[trained.task.primary_metric]
    try:
        clips = tested_clips(trained, lambda every: every, progress)
    except OssicleError as error:
        return Tested(metric.label, {}, {}, 0, str(error))
    if not clips.utterances:
        return Tested(metric.label, {}, {}, 0, "the run has no test recordings")
    outputs: dict[str, list[list[Tensor]]] = {name: [] for name in sessions}
    for number, utterance in enumerate(clips.utterances):
        progress("running the graphs", number, len(clips.utterances))
        for name, session in sessions.items():
            outputs[name].append([_output(session, trained, utterance)])
    found = {
        name: assess_outputs(trained.task, clips.utterances, one).metrics
        for name, one in outputs.items()
    }
    values = {name: one[trained.task.primary_metric] for name, one in found.items()}
    texts = {name: metric.text(value) for name, value in values.items()}
    return Tested(metric.label, texts, values, len(clips.utterances))


def _output(session: Session, trained: Trained, utterance: Utterance) -> Float[Tensor, "..."]:
    """Return the output of a graph for a recording, windows combined, as torch's is decoded."""
    backbone, task = trained.model.backbone, trained.task
    wave, rate = read_wave(utterance, backbone), backbone.sample_rate
    return task.combine_windows(
        [
            task.placed(_decodable(task, session, wave[start:stop]), start / rate, stop / rate)
            for start, stop in windows(len(wave), trained.limit)
        ]
    )


def _decodable(task: Task, session: Session, wave: Float[np.ndarray, " N"]) -> Tensor:
    (output,) = session([wave])
    return task.from_graph(output[None])[0]
