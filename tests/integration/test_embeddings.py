"""Embeddings of test recordings, and their map."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from made import outcome
from ossicle.adapters.check import attach
from ossicle.adapters.saving import save_tensors
from ossicle.data import Clips, Utterance
from ossicle.errors import AdapterFileError, RunError, SplitError
from ossicle.files import write_sealed
from ossicle.heads import HEADS, build_head
from ossicle.inference.embeddings import embed
from ossicle.recipes.recipe import Recipe
from ossicle.studies.plots.tsne import embedding_map, store_embeddings, tsne
from ossicle.training.embeddings import EMBEDDINGS, Embeddings, compute_embeddings, read_embeddings
from ossicle.training.folder import CONFIG, read_config
from ossicle.training.split import open_split
from ossicle.training.trained import Trained
from tones import write_tone


@pytest.fixture
def clips(tmp_path: Path) -> Clips:
    """Two recordings, the second of two windows."""
    sizes = (4800, 6400)
    for number, size in enumerate(sizes):
        write_tone(tmp_path / f"{number}.wav", "high", size / 16_000, seed=number)
    utterances = tuple(Utterance(f"{n}", tmp_path / f"{n}.wav", "high") for n in range(2))
    return Clips(utterances, sizes, limit=4800)


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of the folder of a finished run."""
    return Path(shutil.copytree(finished, tmp_path / "run"))


@pytest.mark.parametrize("name", [name for name, head in HEADS.items() if not head.by_frame])
@torch.no_grad()
def test_an_embedding_is_what_the_last_layer_of_the_head_reads(build, clips, name):
    backbone = build("ast" if name in ("cls", "ast") else "hubert")
    head = build_head(name, backbone.anatomy, 3)
    model = attach(backbone, Recipe.parse("lora"), head).eval()
    seen = []
    last = head.speakers if hasattr(head, "speakers") else head.linear
    last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    windows = [clips.read(piece, 16_000) for piece in clips.windows()]
    for wave in windows:
        model(*backbone.batch([wave]))
    assert len(windows) == 3
    expected = torch.stack((seen[0][0], (seen[1][0] + seen[2][0]) / 2))
    found = torch.from_numpy(embed(model, clips, batch_size=2))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert model.head is head


def test_a_head_by_frame_has_no_embeddings(build, clips):
    backbone = build("hubert")
    model = attach(backbone, Recipe.parse("lora"), build_head("frames", backbone.anatomy, 3))
    with pytest.raises(RunError, match="the head 'frames', which works frame by frame"):
        embed(model, clips, batch_size=2)


def test_embeddings_of_a_run_are_those_that_its_head_reads_and_are_kept(run):
    assert read_embeddings(run) is None
    made = compute_embeddings(run, device="cpu")
    trained = Trained.open(run, device="cpu")
    recordings = open_split(read_config(run)).test
    assert made.labels == tuple(one.label for one in recordings)
    weight, bias = (part.detach() for part in trained.model.head.linear.parameters())
    logits = torch.from_numpy(made.vectors) @ weight.T + bias
    for row, answer in zip(logits.softmax(1), trained.predict(recordings), strict=True):
        assert list(answer["probs"].values()) == pytest.approx(row.tolist(), abs=1e-5)
    stored = read_embeddings(run)
    assert (stored.keys, stored.labels) == (made.keys, made.labels)
    assert np.array_equal(stored.vectors, made.vectors)


def test_embeddings_of_another_adapter_are_not_used(run):
    compute_embeddings(run, device="cpu")
    trained = Trained.open(run, device="cpu")
    with torch.no_grad():
        trained.model.head.linear.bias += 1
    save_tensors(trained.model, run)
    assert read_embeddings(run) is None


def test_recordings_that_have_changed_since_the_run_are_named(run, corpus, tmp_path):
    moved = tmp_path / "tones"
    shutil.copytree(corpus, moved)
    config = replace(read_config(run), data=f"audiofolder:{moved}")
    write_sealed(run / CONFIG, config.to_dict())
    assert len(compute_embeddings(run, device="cpu").keys) == 6
    write_tone(moved / "cleo-high-0.wav", "high", 0.3, seed=99)
    with pytest.raises(SplitError, match=r"1 test recordings of .* have changed .*cleo-high-0"):
        compute_embeddings(run, device="cpu")


def test_the_map_has_a_panel_for_each_recipe_and_what_cannot_be_computed_is_said(run, tmp_path):
    found = [
        outcome("lora", 0.9, folder=run),
        outcome("same", 0.8, folder=run),
        outcome("gone", 0.7, folder=tmp_path / "gone"),
    ]
    assert embedding_map(found) is None  # nothing is stored yet
    (fault,) = store_embeddings(found, device="cpu")
    assert fault.startswith("no embeddings of gone: '")
    figure = embedding_map(found)
    assert [trace["name"] for trace in figure.traces] == ["high", "low"] * 2
    assert [trace["xaxis"] for trace in figure.traces] == ["x", "x", "x2", "x2"]
    assert figure.layout["xaxis2"]["title"]["text"] == "same"
    assert [trace["meta"]["series"] for trace in figure.traces] == [0, 1, 0, 1]
    assert figure.traces[0]["x"] == figure.traces[2]["x"]  # one seed, one set of embeddings
    assert figure.traces[0]["customdata"][0][0] == "high"
    assert "Not drawn: 1 more recipe." in figure.about


def test_damaged_embeddings_are_named_and_computed_again(run):
    compute_embeddings(run, device="cpu")
    file = run / EMBEDDINGS
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(AdapterFileError, match=r"embeddings\.safetensors' is damaged\. Compute it"):
        embedding_map([outcome("lora", 0.9, folder=run)])
    assert store_embeddings([outcome("lora", 0.9, folder=run)], device="cpu") == []
    assert read_embeddings(run) is not None


def test_t_sne_keeps_clusters_apart_and_is_the_same_each_time():
    vectors = np.random.default_rng(0).normal(size=(40, 5)).astype(np.float32)
    vectors[20:] += 30
    points = tsne(vectors)
    assert points.shape == (40, 2)
    assert np.array_equal(tsne(vectors), points)
    within = np.linalg.norm(points[:20] - points[:20].mean(0), axis=1).max()
    between = np.linalg.norm(points[:20].mean(0) - points[20:].mean(0))
    assert between > within


def test_labels_that_hardly_repeat_are_no_classes(monkeypatch, run):
    numbers = Embeddings(tuple("abcdef"), ("1", "2", "3", "4", "5", "5"), np.ones((6, 3), "f4"))
    monkeypatch.setattr("ossicle.studies.plots.tsne.read_embeddings", lambda _: numbers)
    assert embedding_map([outcome("lora", 0.9, folder=run)]) is None
