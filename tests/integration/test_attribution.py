"""Attribution over time and frequency: by hand, of a linear model, and of a run."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation

from ossicle.adapters.check import attach
from ossicle.data import Utterance
from ossicle.errors import RunError
from ossicle.heads import build_head
from ossicle.inference.attribution import attribute, band_edges, decision_score, silenced
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import TASKS, Classification
from ossicle.tasks.answer import Answer
from ossicle.training.attribution import (
    ATTRIBUTIONS,
    compute_attributions,
    examples,
    read_attributions,
)
from ossicle.training.folder import read_config
from ossicle.training.split import open_split
from ossicle.training.trained import Trained

RATE = 16_000
WAVE = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)


def test_bands_are_equally_wide_on_the_mel_scale():
    edges = band_edges(RATE)
    assert edges[[0, -1]] == pytest.approx([0, 8000])
    assert edges[4] == pytest.approx(1767.8, abs=0.1)  # half of 2840 mel
    mels = 1127 * np.log1p(edges / 700)
    np.testing.assert_allclose(np.diff(mels), mels[-1] / 8, rtol=1e-3)


def test_the_cells_of_a_sound_add_up_to_it():
    wave = torch.from_numpy(WAVE)
    torch.testing.assert_close(
        silenced(wave, torch.ones(1, 12, 8), RATE)[0], wave, atol=1e-6, rtol=0
    )
    single = torch.eye(96).view(96, 12, 8)
    torch.testing.assert_close(silenced(wave, single, RATE).sum(0), wave, atol=1e-5, rtol=0)


def test_attributions_of_a_linear_model_add_up_to_its_score():
    wave, weights = torch.from_numpy(WAVE), torch.linspace(-1, 2, len(WAVE))
    found = FeatureAblation(lambda gains: silenced(wave, gains, RATE) @ weights).attribute(
        torch.ones(1, 12, 8), baselines=0.0, perturbations_per_eval=16
    )
    assert float(found.sum()) == pytest.approx(float(wave @ weights), rel=1e-4)
    with torch.no_grad():
        gains = torch.zeros(1, 12, 8)
        gains[0, 3, 2] = 1
        alone = silenced(wave, gains, RATE)[0] @ weights
    assert float(found[0, 3, 2]) == pytest.approx(float(alone), abs=1e-4)


def test_a_cell_holds_what_sounds_at_its_time_and_frequency():
    times = torch.arange(RATE) / RATE
    tone = torch.sin(2 * torch.pi * 2000 * times) * (times > 0.5)  # in band 4: 1768 to 2623 Hz
    gains = torch.ones(3, 12, 8)
    gains[0, 6:, 4] = 0
    gains[1, 6:, 3] = 0
    gains[2, :6, 4] = 0
    energy = silenced(tone, gains, RATE).square().sum(1) / tone.square().sum()
    assert energy.tolist() == pytest.approx([0, 1, 1], abs=0.03)


@pytest.mark.parametrize("kind", ["hubert", "ast"])
@torch.no_grad()
def test_an_attribution_is_the_loss_of_confidence_without_the_cell(build, kind):
    backbone = build(kind)
    model = attach(backbone, Recipe.parse("lora"), build_head("mean", backbone.anatomy, 3)).eval()
    single, task = SingleModel(model), Classification(["a", "b", "c"])
    rows = []
    decision, found = attribute(single, task, WAVE, called=rows.append)
    assert sum(rows) == 1 + 1 + 96
    assert found.shape == (12, 8)
    gains = torch.ones(1, 12, 8)
    gains[0, 2, 5] = 0
    without = silenced(torch.from_numpy(WAVE), gains, RATE)[0].numpy()
    probs = [model(*backbone.batch([one]))[0].softmax(0) for one in (WAVE, without)]
    best = int(probs[0].argmax())
    whole, less = (float(p[best].logit()) for p in probs)
    assert decision == "abc"[best]
    assert found[2, 5] == pytest.approx(whole - less, abs=1e-4)
    assert abs(whole - less) > 1e-4


def test_decisions_of_every_kind_are_scored_by_hand():
    answers = (
        Answer("choice", 0, 2, ("red", "blue")),
        Answer("presence", 2, 3, ("loud",)),
        Answer("presence", 3, 4, ("late",)),
        Answer("number", 4, 5, ("arousal",)),
    )
    words, score = decision_score(answers, torch.tensor([1.0, 3.0, 2.0, -1.0, 4.0]))
    assert words == "blue, loud, arousal 4.00"
    # log odds of blue 5 - 4, of loud 3, of not late 2, and the value 6
    assert score(torch.tensor([[4.0, 5.0, 3.0, -2.0, 6.0]])).tolist() == [(1 + 3 + 2 + 6) / 4]


@pytest.mark.parametrize(
    "name", ["verification", *(name for name, task in TASKS.items() if task.by_frame)]
)
def test_what_decides_by_frame_or_on_pairs_has_no_attribution(name):
    with pytest.raises(RunError, match=f"the task {name} decides (frame by frame|on pairs)"):
        attribute(None, object.__new__(TASKS[name]), WAVE)


def test_examples_are_of_different_labels_and_always_the_same():
    every = [Utterance(f"{n}", Path(f"{n}.wav"), "abcdefgh"[n % 8]) for n in range(80)]
    found = examples(every)
    assert len({one.label for one in found}) == len(found) == 6
    assert examples(every) == found
    assert [one.label for one in found] == sorted(one.label for one in found)


def test_attributions_of_a_run_are_kept(finished, tmp_path):
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    assert read_attributions(run) is None
    calls = []
    made = compute_attributions(
        run, device="cpu", progress=lambda stage, done, total: calls.append((stage, done, total))
    )
    assert made.labels == ("high", "low")
    assert calls[-1] == ("attribution", 196, 196)
    recordings = {one.key: one for one in open_split(read_config(run)).test}
    answers = list(Trained.open(run, device="cpu").predict([recordings[key] for key in made.keys]))
    assert made.decisions == tuple(one["label"] for one in answers)
    stored = read_attributions(run)
    assert np.array_equal(stored.maps, made.maps)
    assert (stored.keys, stored.seconds) == (made.keys, made.seconds)
    assert made.seconds == pytest.approx([0.3, 0.3], abs=0.2)
    (run / ATTRIBUTIONS).unlink()
    assert read_attributions(run) is None


def test_without_captum_the_extra_is_named(monkeypatch, finished):
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    trained = Trained.open(finished, device="cpu")
    with pytest.raises(RunError, match=r"needs captum: pip install 'ossicle\[explain\]'"):
        attribute(SingleModel(trained.model), trained.task, WAVE)
