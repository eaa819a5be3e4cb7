"""Write a run as an ONNX file: traced, checked against torch, then put in its place."""

import shutil
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import torch

from ossicle import __version__, strict_json
from ossicle.adapters.folder import read_folder
from ossicle.convert.onnx.check import check, largest_difference, reference
from ossicle.convert.onnx.graph import PROTOBUF, Graph, Session, output_names, quiet, trace
from ossicle.convert.onnx.measure import Tested, Times, metric_of, times_of
from ossicle.errors import ExportError
from ossicle.inference.single import SingleModel
from ossicle.paths import fault
from ossicle.progress import Progress, no_progress
from ossicle.tasks import TASKS
from ossicle.training.ensemble_folder import is_ensemble
from ossicle.training.trained import Trained

PACKAGES: Final = ("onnx", "onnxruntime", "onnxscript")
TRACED_S: Final = 1.0
FLOAT, INT8 = "onnx", "onnx int8"


@dataclass(frozen=True)
class Written:
    """An ONNX file, and what was measured when it was written.

    Attributes:
        file: The file.
        outputs: Names of its outputs.
        sample_rate: Samples per second of its input.
        bytes: Size of the graph, by kind; of torch, that of the weights in float32.
        difference: Largest absolute difference from torch of an output, by kind of graph.
        largest: Largest absolute output of torch in the same check.
        waves: Number of waves that were compared.
        times: Time next to torch.
        tested: The metric of the graph and of its int8 form; None without int8.
    """

    file: Path
    outputs: tuple[str, ...]
    sample_rate: int
    bytes: Mapping[str, int]
    difference: Mapping[str, float]
    largest: float
    waves: int
    times: Times
    tested: Tested | None


def check_exportable(run: Path, out: Path) -> None:
    """Raise unless a run is one that a graph can hold, and a file may be written.

    Raises:
        AdapterFileError: the folder is not an adapter folder, or is damaged.
        ExportError: a package is missing, the run is an ensemble or writes text, or the file
            exists.
    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise ExportError(
            f"ONNX needs {', '.join(missing)}, not installed here: pip install 'ossicle[onnx]'"
        )
    if is_ensemble(run):
        raise ExportError(
            f"'{run}' is an ensemble, and a graph holds a single model; export each member, and "
            "combine their outputs as `ossicle inspect` says"
        )
    task = read_folder(run).facts["task"].get("name")
    if task in TASKS and TASKS[task].needs_decoder:
        raise ExportError(
            f"'{run}' was trained for the task {task}, whose text is generated token by token, "
            f"which one graph cannot do. Write a checkpoint with `ossicle merge {run} --out DIR`, "
            "which Hugging Face's optimum exports: optimum-cli export onnx --model DIR OUT"
        )
    if why := fault(out):
        raise ExportError(f"'{out}' cannot be written: {why}; choose another name")
    if out.suffix != ".onnx":
        raise ExportError(f"'{out}' does not end with .onnx; write --out {out.name}.onnx")
    if out.exists():
        raise ExportError(f"'{out}' exists; remove it or choose another name")


def export_onnx(
    run: Path,
    out: Path,
    *,
    backbone: str | None = None,
    int8: bool = False,
    progress: Progress = no_progress,
) -> Written:
    """Write the model of a run as an ONNX file, which appears when it has been checked.

    Args:
        run: Run or adapter folder.
        out: The file to write.
        backbone: Where the backbone is, if not where the run found it.
        int8: Whether to store the weights of linear layers in 8 bits.
        progress: Called while recordings are checked.

    Raises:
        ExportError: see `check_exportable`; the model cannot be traced; or its graph computes
            something else than torch.
        BackboneError: the backbone cannot be loaded, or has no front end for graphs.
    """
    check_exportable(run, out)
    trained = Trained.open(run, backbone=backbone, device="cpu")
    model = trained.predictor.groups[0].model
    assert isinstance(model, SingleModel), "a run has a single model"
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        written = _write(trained, model, out, part, int8=int8, progress=progress)
        for file in sorted(part.iterdir(), key=lambda one: one.name == out.name):
            file.replace(out.with_name(file.name))
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return written


def _write(
    trained: Trained, model: SingleModel, out: Path, part: Path, *, int8: bool, progress: Progress
) -> Written:
    """Write the checked graph to a folder; return what was measured."""
    task, threads = trained.task, torch.get_num_threads()
    progress("computing what torch gives", 0, 1)
    expected = reference(model, task, trained.limit)
    file = part / out.name
    progress("tracing", 0, 1)
    facts = metadata(trained)
    trace(Graph(deepcopy(model.model), task), file, TRACED_S, facts)
    progress("checking against torch", 0, 1)
    sessions = {FLOAT: Session(file, threads)}
    what = f"'{model.model.recipe}' on {model.backbone.anatomy.family}"
    difference = {FLOAT: check(sessions[FLOAT], expected, what)}
    weights = 4 * sum(one.numel() for one in model.model.parameters())
    sizes = {"torch": weights, FLOAT: _bytes(part)}
    tested = None
    if int8:
        quantised = part / "int8"
        quantised.mkdir()
        quantise(file, quantised / out.name)
        sessions[INT8] = Session(quantised / out.name, threads)
        sizes[INT8] = _bytes(quantised)
        difference[INT8] = largest_difference(sessions[INT8], expected)
        tested = metric_of(trained, sessions, progress)
    progress("measuring the time", 0, 1)
    times = times_of(model, sessions, trained.limit)
    if int8:
        _keep_only(part, quantised)
    return Written(
        out,
        output_names(task),
        model.backbone.sample_rate,
        sizes,
        difference,
        expected.largest,
        sum(map(len, expected.batches)),
        times,
        tested,
    )


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.is_file())


def _keep_only(part: Path, chosen: Path) -> None:
    """Replace the files of a folder by those of a folder in it."""
    for file in part.iterdir():
        if file.is_file():
            file.unlink()
    for file in chosen.iterdir():
        file.replace(part / file.name)
    chosen.rmdir()


def quantise(file: Path, out: Path) -> None:
    """Write a graph with the weights of its float32 matrix products in 8 bits."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with quiet():
        quantize_dynamic(
            file,
            out,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            use_external_data_format=_bytes(file.parent) > PROTOBUF,
        )


def metadata(trained: Trained) -> dict[str, str]:
    """Return what a file says about itself: texts of JSON, by name."""
    backbone, task = trained.model.backbone, trained.task
    rate = backbone.sample_rate
    described = {key: value for key, value in task.to_dict().items() if key != "name"}
    facts: dict[str, Any] = {
        "ossicle": __version__,
        "task": {"name": task.name, **described},
        "labels": list(task.output_names),
        "sample_rate": rate,
        "samples": {"min": backbone.min_samples, "max": trained.limit},
        "inputs": {
            "waveform": "(batch, samples) float32, mono, from -1 to 1, not normalised; padded at "
            "the end with anything",
            "lengths": "(batch,) int64, samples of each row without padding",
        },
        "outputs": _outputs(trained),
        "answers": [
            {
                "kind": one.kind,
                "columns": [one.start, one.stop],
                "options": list(one.options),
                **({"threshold": one.threshold} if one.kind == "presence" else {}),
            }
            for one in task.answers
        ],
        "backbone": {
            "name": backbone.name,
            "family": backbone.anatomy.family,
            "fingerprint": backbone.fingerprint,
        },
        "recipe": str(trained.model.recipe),
    }
    return {key: strict_json.dumps(value) for key, value in facts.items()}


def _outputs(trained: Trained) -> dict[str, str]:
    """Return a description of every output."""
    task, rate = trained.task, trained.model.backbone.frame_rate
    kinds = {one.kind for one in task.answers}
    meaning = {
        "choice": "softmax over the columns of an answer gives probabilities",
        "presence": "the sigmoid gives the probability of each column",
        "number": "values in the unit of the labels",
    }
    text = "; ".join(meaning[kind] for kind in sorted(kinds)) or "compare by cosine similarity"
    shape = "(batch, frames, columns)" if task.by_frame else "(batch, columns)"
    found = {task.graph_output: f"{shape} float32: {text}"}
    if task.by_frame:
        found["frames"] = f"(batch,) int64: real frames of each row, {rate:g} per second"
    return found
