"""Names of cache folders and entries depend on everything that changes their content."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from ossicle.adapters.check import attach
from ossicle.backbones import Backbone
from ossicle.data import Utterance
from ossicle.frozen.cut import find_cut
from ossicle.frozen.part import FrozenPart, open_frozen_part
from ossicle.heads import build_head
from ossicle.recipes.recipe import Recipe


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OSSICLE_CACHE", str(tmp_path / "cache"))


def opened(backbone: Backbone, recipe: str = "linear", head: str = "mean") -> FrozenPart:
    model = attach(backbone, Recipe.parse(recipe), build_head(head, backbone.anatomy, 3))
    how = {"cache": "float32", "epochs": 2, "augmented": False, "precision": "float32"}
    frozen = open_frozen_part(model, [4000], {"a.wav": "hash of its sound"}, **how)
    assert frozen.cut == find_cut(model)
    return frozen


def name(frozen: FrozenPart) -> str:
    assert frozen.cache is not None
    return frozen.cache.folder.name


def test_equal_frozen_parts_have_the_same_name(build: Callable[..., Backbone]) -> None:
    assert name(opened(build("hubert"))) == name(opened(build("hubert")))


def with_frozen(backbone: Backbone, shift: float) -> FrozenPart:
    model = attach(backbone, Recipe.parse("bias@ffn.out[0]"))
    model.add("second", Recipe.parse("scale@ffn[1]"), build_head("mean", backbone.anatomy, 3))
    model.use("default", "second", train=["second"])
    with torch.no_grad():
        model.tensors()["0/0/ffn.out/bias"].add_(shift)
    how = {"cache": "float32", "epochs": 2, "augmented": False, "precision": "float32"}
    return open_frozen_part(model, [4000], {"a.wav": "hash of its sound"}, **how)


def test_frozen_adapters_below_the_cut_have_entries_of_their_own(build) -> None:
    first, same, other = (with_frozen(build("hubert"), shift) for shift in (0.0, 0.0, 1e-3))
    assert first.cut == other.cut
    assert name(first) == name(same) != name(other)


def test_means_and_frames_have_folders_of_their_own(build: Callable[..., Backbone]) -> None:
    means, frames = opened(build("hubert")), opened(build("hubert"), head="frames")
    assert (means.cut.depth, means.cut.keep) == (frames.cut.depth, frames.cut.keep)
    assert means.cut.summary != frames.cut.summary
    assert name(means) != name(frames)


def test_all_layers_and_the_last_have_stores_of_their_own(build: Callable[..., Backbone]) -> None:
    last, every = opened(build("hubert")), opened(build("hubert"), "weighted-sum")
    assert (last.cut.depth, last.cut.summary) == (every.cut.depth, every.cut.summary)
    assert (last.cut.keep, every.cut.keep) == (False, True)
    assert name(last) != name(every)


def test_fast_modules_have_a_store_of_their_own(build: Callable[..., Backbone]) -> None:
    fast, slow = build("hubert"), build("hubert")
    fast.forward_state.fast, slow.forward_state.fast = True, False
    assert name(opened(fast)) != name(opened(slow))


@pytest.mark.parametrize(
    ("kind", "option"), [("ast", "own"), ("whisper", "own"), ("whisper", "0.5")]
)
def test_spectrograms_of_another_length_have_a_store_of_their_own(
    build: Callable[..., Backbone], kind: str, option: str
) -> None:
    padded, other = build(kind), build(kind)  # nothing else: weights and settings are equal
    other.family = other.family.of_length(option, other.extractor)
    assert name(opened(padded)) != name(opened(other))


def test_two_pieces_of_a_recording_are_two_entries(
    build: Callable[..., Backbone], tmp_path: Path
) -> None:
    frozen = opened(build("hubert"))
    assert frozen.cache is not None
    utterance = Utterance("a.wav", tmp_path / "a.wav", "high")
    key, absent = frozen.find(utterance, (0, 1600))
    assert key is not None
    assert absent is None
    frozen.cache.put(key, np.ones((1, 5, 64), np.float32), 1600)
    for other in ((1600, 3200), (0, 3200), (800, 1600)):
        assert frozen.find(utterance, other)[1] is None
    _, item = frozen.find(utterance, (0, 1600))
    assert item is not None
    assert item.length == 1600
    assert torch.equal(item.states, torch.ones(1, 5, 64))
