"""What an exported graph computes, before it is exported: model inputs, and rows that run together.

The expected values are those of the feature extractors of transformers, and of rows that run alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from kinds import ALONE, KINDS, attached, every, pairs, shake, tiny_backbone
from ossicle.backbones import Backbone
from ossicle.backbones.graph import run_together
from ossicle.convert.onnx.graph import Graph
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import Classification

QUICK = ("hubert", "w2v-bert", "whisper", "whisper-own-length", "ast")
OWN_LENGTH = {"whisper": {"length": "0.5"}}
ALL = pairs(ALONE.values())
IN_CI = every(3, ALL, 0)
PAIRS = [pytest.param(one, marks=() if one in IN_CI else pytest.mark.exhaustive) for one in ALL]
FORMS = [*((kind, {}) for kind in KINDS), *OWN_LENGTH.items()]


def sizes(backbone: Backbone) -> list[int]:
    """Lengths that end within a frame, within a pair of frames, and the shortest."""
    limit = backbone.max_samples or 14_500
    return [limit - 3, limit // 2 + 77, max(backbone.min_samples, limit // 5), backbone.min_samples]


def padded(waves: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Waves as a batch in which padding is loud."""
    batch = torch.full((len(waves), max(map(len, waves)) + 5), 0.9)
    for row, wave in zip(batch, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
    return batch, torch.tensor([len(wave) for wave in waves])


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        pytest.param(
            kind,
            changed,
            id="-".join((kind, *changed.values())),
            marks=() if kind in QUICK and not changed else pytest.mark.thorough,
        )
        for kind, changed in FORMS
    ],
)
def test_a_front_end_computes_the_model_input_of_the_feature_extractor(
    kind: str, changed: dict[str, Any], noise: Callable[..., list[NDArray[np.float32]]]
) -> None:
    backbone = tiny_backbone(kind, **changed)
    waves = noise(*sizes(backbone), seed=1)
    values, counts = backbone.family.front_end(backbone.extractor)(*padded(waves))
    for row, count, wave in zip(values, counts.tolist(), waves, strict=True):
        expected, length = backbone.row(wave)
        assert count == length
        # over two frames that hardly differ, the extractor divides float32 rounding by 3e-4
        atol = 5e-4 if kind == "w2v-bert" else 5e-5
        torch.testing.assert_close(row[: len(expected)], expected, atol=atol, rtol=1e-5)
        assert not row[len(expected) :].any()


@torch.no_grad()
@pytest.mark.thorough
@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_rows_of_a_graph_are_what_they_are_alone(
    pair: tuple[str, str], noise: Callable[..., list[NDArray[np.float32]]]
) -> None:
    kind, recipe = pair
    backbone = tiny_backbone(kind)
    model = attached(backbone, Recipe.parse(recipe)).eval()
    shake(model)
    waves = noise(*sizes(backbone), seed=2)
    alone = [model(*backbone.batch([wave]))[0] for wave in waves]
    (found,) = Graph(model, Classification(["a", "b", "c"]))(*padded(waves))
    torch.testing.assert_close(found, torch.stack(alone), atol=2e-5, rtol=1e-4)


@torch.no_grad()
@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "changed"), OWN_LENGTH.items(), ids=OWN_LENGTH)
@pytest.mark.parametrize("recipe", ["lora", "convpass", "prompt", "prefix"])
def test_rows_of_other_lengths_of_a_window_are_what_they_are_alone(
    kind: str,
    changed: dict[str, Any],
    recipe: str,
    noise: Callable[..., list[NDArray[np.float32]]],
) -> None:
    backbone = tiny_backbone(kind, **changed)
    model = attached(backbone, Recipe.parse(recipe)).eval()
    shake(model)
    waves = noise(*sizes(backbone), seed=3)
    alone = [model(*backbone.batch([wave]))[0] for wave in waves]
    (found,) = Graph(model, Classification(["a", "b", "c"]))(*padded(waves))
    torch.testing.assert_close(found, torch.stack(alone), atol=2e-5, rtol=1e-4)


@torch.no_grad()
def test_a_norm_over_time_leaves_padding_out(noise: Callable[..., Any]) -> None:
    backbone = tiny_backbone("wav2vec2")  # its first layer normalises each channel over time
    values, lengths = backbone.batch(noise(9000, 4000))
    alone = backbone(values[1:, :4000], lengths[1:]).hidden[0]
    run_together(backbone, backbone.forward_state)
    together = backbone(values, lengths)
    assert together.frame_mask.sum(dim=1).tolist() == [backbone.num_frames(n) for n in (9000, 4000)]
    torch.testing.assert_close(together.hidden[1][: len(alone)], alone, atol=2e-5, rtol=1e-4)
