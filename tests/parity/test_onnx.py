"""Graphs in onnxruntime against torch, with each wave alone: every method and every family once."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinds import ALONE, KINDS, attached, pairs, rotation, shake, tiny_backbone
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

pytestmark = pytest.mark.thorough
THREE = Classification(["a", "b", "c"])
ONCE = sorted(rotation(pairs(ALONE.values()), turn=0))


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


@pytest.mark.parametrize("pair", ONCE, ids=" ".join)
def test_a_graph_computes_the_outputs_of_torch(pair: tuple[str, str], tmp_path: Path) -> None:
    kind, recipe = pair
    model = attached(tiny_backbone(kind), Recipe.parse(recipe)).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, THREE, tmp_path)
    for chosen in ([0, 1, 2], [3], [2, 2], [3, 0]):  # batches of several sizes and paddings
        found = session([waves[one] for one in chosen])
        for one, output in zip(chosen, found, strict=True):
            torch.testing.assert_close(output, expected[one], atol=1e-4, rtol=1e-4)


def test_every_method_and_family_is_exported_once() -> None:
    assert {recipe for _, recipe in ONCE} == set(ALONE.values())
    assert {kind for kind, _ in ONCE} == set(KINDS)


def test_a_graph_of_a_task_by_frame_returns_the_frames_of_each_row(tmp_path: Path) -> None:
    backbone = tiny_backbone("wavlm")
    head = build_head("frames", backbone.anatomy, 2)
    model = attach(backbone, Recipe.parse("lora"), head).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, Events(["dog", "cat"], 16000 / 80), tmp_path)
    assert session.names == ("logits", FRAMES)
    found = session(waves)
    assert [len(one) for one in found] == [backbone.num_frames(len(wave)) for wave in waves]
    for one, output in zip(expected, found, strict=True):
        torch.testing.assert_close(output, one, atol=1e-4, rtol=1e-4)


def test_a_graph_of_a_verification_returns_embeddings(tmp_path: Path) -> None:
    backbone = tiny_backbone("wav2vec2")
    head = build_head("speaker-attentive", backbone.anatomy, 5)
    model = attach(backbone, Recipe.parse("bottleneck"), head).eval()
    shake(model)
    waves = waves_for(model)
    expected = alone(model, waves)
    session = session_of(model, Verification(list("abcde")), tmp_path)
    assert session.names == ("embedding",)
    for one, output in zip(expected, session(waves), strict=True):
        assert output.shape == (64,)
        torch.testing.assert_close(output, one[:64], atol=1e-4, rtol=1e-4)


def test_a_graph_of_other_weights_is_refused_and_of_8_bits_differs(tmp_path: Path) -> None:
    import onnx

    model = attached(tiny_backbone("hubert-pre-norm"), Recipe.parse("lora")).eval()
    shake(model)
    expected = reference(SingleModel(model), THREE, 8000)
    facts = {"labels": json.dumps(["a", "b"])}
    session = session_of(model, THREE, tmp_path, **facts)
    assert check(session, expected, "it") < 1e-4
    stored = onnx.load(tmp_path / "graph.onnx")
    assert {one.key: one.value for one in stored.metadata_props} == facts
    assert [one.name for one in stored.graph.input] == ["waveform", "lengths"]
    assert not any(node.metadata_props for node in stored.graph.node)  # paths of a machine
    quantise(tmp_path / "graph.onnx", tmp_path / "int8.onnx")
    small = onnx.load(tmp_path / "int8.onnx")
    assert {"MatMulInteger"} <= {node.op_type for node in small.graph.node}
    assert facts.items() <= {one.key: one.value for one in small.metadata_props}.items()
    with pytest.raises(ExportError, match="differ from torch's by"):
        check(Session(tmp_path / "int8.onnx", 1), expected, "it")


class Branching(torch.nn.Module):
    """A head that looks at its input, as no graph can."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.head, self.name = head, "branching"

    def answers(self, hidden: Tensor, frame_mask: Tensor, texts: Sequence[Any] = ()) -> Any:
        return self.head.answers(hidden * (2 if float(hidden.sum()) > 0 else 1), frame_mask, texts)


def test_what_cannot_be_traced_is_named(tmp_path: Path, build: Callable[..., Any]) -> None:
    model = attached(build("hubert"), Recipe.parse("lora")).eval()
    model.current.head = Branching(model.current.head)  # type: ignore[assignment]
    with pytest.raises(ExportError, match="'lora' on hubert with the head 'branching' cannot be"):
        session_of(model, THREE, tmp_path)
    assert not (tmp_path / "graph.onnx").exists()
