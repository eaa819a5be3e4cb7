"""Recordings longer than the window, of a task that writes text."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.adapters.model import AdaptedModel
from ossicle.backbones import random_backbone
from ossicle.backbones.families import WITH_DECODER
from ossicle.data import Clips, Utterance
from ossicle.errors import DataError
from ossicle.heads import DecoderHead
from ossicle.inference.assessment import assess
from ossicle.inference.predictor import Group, Predictor
from ossicle.inference.single import SingleModel
from ossicle.recipes.recipe import Recipe
from ossicle.tasks.written import Seq2Seq
from ossicle.training.config import TrainConfig
from ossicle.training.run import train

BACKBONE = (
    "config:whisper-tiny?d_model=16&encoder_layers=1&encoder_attention_heads=2&encoder_ffn_dim=16&"
    "decoder_layers=1&decoder_attention_heads=2&decoder_ffn_dim=16&vocab_size=1790&"
    "max_target_positions=16&pad_token_id=0&length=1"
)


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


def test_labelled_recordings_of_all_lengths_get_the_texts_of_predict(
    predictor: Predictor, tmp_path: Path
) -> None:
    utterances, sizes = [], []
    for seconds in (0.8, 2.3, 0.5):
        path, wave = tmp_path / f"{seconds}.wav", noise(seconds)
        soundfile.write(path, wave, 16000, subtype="FLOAT")
        utterances.append(Utterance(path.name, path, "so"))
        sizes.append(len(wave))
    (group,) = predictor.groups
    clips = Clips(tuple(utterances), tuple(sizes), group.limit)
    found = assess(group.model, predictor.task, clips, batch_size=2)
    expected = [one["label"] for one in predictor.predict([one.path for one in utterances])]
    assert [one["label"] for one in found.decoded] == expected
    assert len(found.decoded[1]["segments"]) > 1
    assert found.metrics["no_speech"] == 0


def test_training_recordings_must_fit_the_window_and_parts_of_them_do(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "long.wav", rng.normal(0, 0.1, 16000 * 3), 16000)
    soundfile.write(tmp_path / "short.wav", rng.normal(0, 0.1, 8000), 16000)
    table = tmp_path / "t.csv"
    others = "short.wav,no,valid,0,0.2\nshort.wav,on,test,0.2,0.4\n"
    table.write_text("path,text,split,start,end\nlong.wav,no,train,,\n" + others)
    config = TrainConfig(
        backbone=BACKBONE,
        recipe="lora@dec.attn.q",
        data=str(table),
        task="seq2seq(language=de)",
        epochs=1,
        track="none",
    )
    with pytest.raises(DataError, match=r"1 training recordings are longer .* start and end"):
        train(config, tmp_path / "whole")
    parts = "long.wav,no,train,0,0.9\nlong.wav,on,train,1.5,2.4\n"
    table.write_text("path,text,split,start,end\n" + parts + others)
    assert train(config, tmp_path / "parts").test_metrics["count"] == 1
