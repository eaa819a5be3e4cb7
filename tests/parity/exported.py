"""Run by test_onnx.py with `few` or `rest`: exported graphs against torch, a line of JSON each.

In a process of its own, because torch does not trace through the checks of tensor shapes that the
suite puts around every function. Expected values are torch's, with each wave alone.
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinds import ALONE, Pair, attached, pairs, rotation, shake, tiny_backbone
from ossicle.adapters.check import attach
from ossicle.adapters.model import AdaptedModel
from ossicle.convert.onnx.check import check, reference
from ossicle.convert.onnx.graph import FRAMES, Graph, Session, trace
from ossicle.convert.onnx.write import quantise
from ossicle.errors import ExportError
from ossicle.heads import build_head
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification, Events, Task, Verification

THREE = Classification(["a", "b", "c"])
ONCE = sorted(rotation(pairs(ALONE.values()), turn=0))
FEW = ONCE[::16]
PARTS = {"few": FEW, "rest": [pair for pair in ONCE if pair not in FEW]}


def waves_for(model: AdaptedModel) -> list[NDArray[np.float32]]:
    backbone, rng = model.backbone, np.random.default_rng(4)
    limit = backbone.max_samples or 11_111
    lengths = [backbone.min_samples + 7, limit, limit // 3, backbone.min_samples]
    return [rng.normal(0, 0.1, size).astype(np.float32) for size in lengths]


@torch.no_grad()
def alone(model: AdaptedModel, waves: Sequence[NDArray[np.float32]]) -> list[Tensor]:
    return [model.outputs(*model.backbone.batch([wave])).rows()[0] for wave in waves]


def session_of(model: AdaptedModel, task: Task, folder: Path, **facts: str) -> Session:
    trace(Graph(model, task), folder / "graph.onnx", 0.3, facts)
    return Session(folder / "graph.onnx", 1)


def every_wave_as_alone(folder: Path, kind: str, recipe: str) -> None:
    model = attached(tiny_backbone(kind), Recipe.parse(recipe)).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, THREE, folder)
    for chosen in ([0, 1, 2], [3], [2, 2], [3, 0]):  # batches of several sizes and paddings
        found = session([waves[one] for one in chosen])
        for one, output in zip(chosen, found, strict=True):
            # over two mel frames, the extractor of w2v-BERT magnifies float32 rounding
            atol = 2e-3 if kind == "w2v-bert" and len(waves[one]) < 1600 else 1e-4
            torch.testing.assert_close(output, expected[one], atol=atol, rtol=1e-4)


def frames_of_each_row(folder: Path) -> None:
    backbone = tiny_backbone("wavlm")
    head = build_head("frames", backbone.anatomy, 2)
    model = attach(backbone, Recipe.parse("lora"), head).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, Events(["dog", "cat"], 16000 / 80), folder)
    assert session.names == ("logits", FRAMES)
    found = session(waves)
    assert [len(one) for one in found] == [backbone.num_frames(len(wave)) for wave in waves]
    for one, output in zip(expected, found, strict=True):
        torch.testing.assert_close(output, one, atol=1e-4, rtol=1e-4)


def embeddings(folder: Path) -> None:
    backbone = tiny_backbone("wav2vec2")
    head = build_head("speaker-attentive", backbone.anatomy, 5)
    model = attach(backbone, Recipe.parse("bottleneck"), head).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, Verification(list("abcde")), folder)
    assert session.names == ("embedding",)
    for one, output in zip(expected, session(waves), strict=True):
        assert output.shape == (64,)
        torch.testing.assert_close(output, one[:64], atol=1e-4, rtol=1e-4)


def other_weights_refused(folder: Path) -> None:
    import onnx

    model = attached(tiny_backbone("hubert-pre-norm"), Recipe.parse("lora")).eval()
    shake(model)
    expected = reference(SingleModel(model), THREE, 8000)
    facts = {"labels": json.dumps(["a", "b"])}
    session = session_of(model, THREE, folder, **facts)
    assert check(session, expected, "it") < 1e-4
    stored = onnx.load(folder / "graph.onnx")
    assert {one.key: one.value for one in stored.metadata_props} == facts
    assert [one.name for one in stored.graph.input] == ["waveform", "lengths"]
    assert not any(node.metadata_props for node in stored.graph.node)  # paths of a machine
    quantise(folder / "graph.onnx", folder / "int8.onnx")
    small = onnx.load(folder / "int8.onnx")
    assert {"MatMulInteger"} <= {node.op_type for node in small.graph.node}
    assert facts.items() <= {one.key: one.value for one in small.metadata_props}.items()
    with pytest.raises(ExportError, match="differ from torch's by"):
        check(Session(folder / "int8.onnx", 1), expected, "it")


class Branching(torch.nn.Module):
    """A head that looks at its input, as no graph can."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head, self.name = head, "branching"

    def answers(self, hidden: Tensor, frame_mask: Tensor, texts: Sequence[Any] = ()) -> Any:
        return self.head.answers(hidden * (2 if float(hidden.sum()) > 0 else 1), frame_mask, texts)


def what_cannot_be_traced(folder: Path) -> None:
    model = attached(tiny_backbone("hubert"), Recipe.parse("lora")).eval()
    model.current.head = Branching(model.current.head)  # type: ignore[assignment]
    with pytest.raises(ExportError, match="'lora' on hubert with the head 'branching' cannot be"):
        session_of(model, THREE, folder)
    assert not (folder / "graph.onnx").exists()


def main() -> None:
    warnings.simplefilter("ignore")
    part = sys.argv[1]
    more = (frames_of_each_row, embeddings, other_weights_refused, what_cannot_be_traced)
    cases: dict[str, Callable[[Path], None]] = {
        **{" ".join(pair): partial(_pair, pair) for pair in PARTS[part]},
        **{one.__name__: one for one in more if part == "few"},
    }
    for name, case in cases.items():
        torch.manual_seed(0)
        fault = ""
        with tempfile.TemporaryDirectory() as folder:
            try:
                case(Path(folder))
            except Exception as error:
                fault = f"{type(error).__name__}: {error}"
        sys.stdout.write(json.dumps({"case": name, "fault": fault}) + "\n")


def _pair(pair: Pair, folder: Path) -> None:
    every_wave_as_alone(folder, *pair)


if __name__ == "__main__":
    main()
