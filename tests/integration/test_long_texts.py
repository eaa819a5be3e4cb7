"""Recordings longer than the window, of a task that writes text."""

import numpy as np
import pytest

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.heads import DecoderHead
from ossicle.inference.predictor import Group, Predictor
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks.written import Seq2Seq


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    family = WITH_DECODER["whisper"]
    backbone = random_backbone(family, family.tiny(), "tiny")  # windows of a second
    model, head = AdaptedModel(backbone), DecoderHead(backbone.anatomy, 0)
    model.add("a", Recipe.parse("linear"), head)
    model.use("a")
    task = Seq2Seq("de").with_decoder("greedy(no_speech=1)").with_tokens(backbone.tokens)
    task.configure(head)
    return Predictor((Group(SingleModel(model), backbone.max_samples),), task)


def noise(seconds: float) -> np.ndarray:
    size = round(16000 * seconds)
    return np.random.default_rng(0).normal(0, 0.1, size).astype(np.float32)


def test_a_long_recording_has_segments_in_the_order_of_time(predictor: Predictor) -> None:
    found = predictor.predict_waves([noise(3.4)])
    starts = [one["start_s"] for one in found["segments"]]
    assert starts == sorted(starts)
    assert starts[-1] >= 2.4
    assert all(one["end_s"] <= 3.42 for one in found["segments"])


def test_a_recording_of_a_window_has_none_unless_asked_for(predictor: Predictor) -> None:
    assert "segments" not in predictor.predict_waves([noise(0.8)])


def test_a_silent_recording_has_no_text(predictor: Predictor) -> None:
    with_thresholds = Predictor(predictor.groups, predictor.task.with_decoder("greedy"))
    found = with_thresholds.predict_waves([np.zeros(16000, np.float32)])
    assert (found["label"], found["no_speech"]) == ("", True)
