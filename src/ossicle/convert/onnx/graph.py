"""The graph of a model: traced by torch, checked by onnxruntime.

    waveform (B, N) float32 ──> front end ──> backbone with adapters ──> head ──> logits
    lengths  (B,)   int64   ──┘                                              └──> frames (B,)

`frames` counts the real frames of each row, of a task with an output for each frame.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones.graph import run_together
from ossicle.errors import ExportError
from ossicle.tasks import Task

INPUTS: Final = ("waveform", "lengths")
FRAMES: Final = "frames"
PROTOBUF: Final = 1_900_000_000  # bytes: a file of protobuf has at most 2 GiB
NOISY: Final = ("", "torch.onnx", "onnxscript", "onnx_ir", "torch.export")


class Graph(nn.Module):
    """What is traced: the whole way from waves to what the graph returns."""

    def __init__(self, model: AdaptedModel, task: Task) -> None:
        """Prepare the model, which runs rows of unequal length together from now on.

        Raises:
            BackboneError: the family cannot compute its model input from waves in a graph.
        """
        super().__init__()
        backbone = model.backbone
        self.front_end = backbone.family.front_end(backbone.extractor)
        self.model = model
        self.task = task
        run_together(model, backbone.forward_state)

    def forward(
        self, waveform: Float[Tensor, "B N"], lengths: Int[Tensor, " B"]
    ) -> tuple[Tensor, ...]:
        """Return the output of each row, and of a task by frame its number of frames."""
        encoded = self.model.encode(*self.front_end(waveform, lengths))
        answers = self.model.answers(encoded)
        values = self.task.to_graph(answers.values)
        return (values,) if answers.frame_mask is None else (values, answers.num_frames)


def output_names(task: Task) -> tuple[str, ...]:
    """Return the names of the outputs of a graph."""
    return (task.graph_output, FRAMES) if task.by_frame else (task.graph_output,)


def trace(graph: Graph, file: Path, seconds: float, facts: dict[str, str]) -> None:
    """Write the graph of a model as an ONNX file.

    Args:
        graph: The model.
        file: The file. Weights of more than 1.9 GB are in a second file, `NAME.data`.
        seconds: Length of the waves it is traced with.
        facts: Metadata of the file.

    Raises:
        ExportError: torch cannot trace the model.
    """
    backbone = graph.model.backbone
    size = max(int(seconds * backbone.sample_rate), backbone.min_samples + 1)
    if backbone.max_samples is not None:
        size = min(size, backbone.max_samples)
    waves = torch.linspace(-0.1, 0.1, 2 * size).view(2, size)
    given = (waves, torch.tensor([size, max(size // 2, backbone.min_samples)]))
    shapes = {"waveform": {0: "batch", 1: "samples"}, "lengths": {0: "batch"}}
    try:
        with torch.no_grad(), quiet():
            program: Any = torch.onnx.export(
                graph,
                given,
                dynamo=True,
                input_names=list(INPUTS),
                output_names=list(output_names(graph.task)),
                dynamic_shapes=shapes,
                verbose=False,
            )
            program.model.metadata_props.update(facts)
            for node in program.model.graph.all_nodes():
                node.metadata_props.clear()  # stack traces, with paths of this machine
            large = sum(p.nbytes for p in graph.parameters()) > PROTOBUF
            program.save(file, external_data=large)
    # torch raises errors of many kinds, and whatever operation it cannot trace is named in them
    except Exception as error:
        raise ExportError(
            f"the graph of '{graph.model.recipe}' on {backbone.anatomy.family} with the head "
            f"'{_head(graph)}' cannot be traced: {_reason(error)}. Use the run in Python, or train "
            "a recipe without the adapter that is named"
        ) from error


def _head(graph: Graph) -> str:
    return "none" if graph.model.head is None else graph.model.head.name


def _reason(error: BaseException) -> str:
    """Return the first line of the error at the root of a chain."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]:.300}" if lines else type(error).__name__


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter and the quantiser, which warn of their own insides."""
    loggers = [logging.getLogger(name) for name in NOISY]
    levels = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for one, level in zip(loggers, levels, strict=True):
                one.setLevel(level)


class Session:
    """An ONNX file that onnxruntime runs on the CPU.

    Attributes:
        names: The names of its outputs.
    """

    def __init__(self, file: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what fails is raised as well
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )
        self.names = tuple(one.name for one in self._session.get_outputs())

    def __call__(self, waves: list[NDArray[np.float32]]) -> list[Tensor]:
        """Return the output of each wave, (C,) or (T, C) of its frames, run as one batch."""
        sizes = np.array([len(wave) for wave in waves], dtype=np.int64)
        padded = np.zeros((len(waves), sizes.max()), dtype=np.float32)
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = wave
        values, *frames = self._session.run(None, dict(zip(INPUTS, (padded, sizes), strict=True)))
        rows = list(torch.from_numpy(values))
        counts = frames[0].tolist() if frames else [None] * len(rows)
        return [row[:count] for row, count in zip(rows, counts, strict=True)]
