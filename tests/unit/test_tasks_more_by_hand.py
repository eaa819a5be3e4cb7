"""Verification, intents, slots and events on cases computed by hand."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ossicle.anatomy import Anatomy
from ossicle.data import Dataset, Trial, Utterance
from ossicle.errors import LabelError, RunError
from ossicle.heads import Outputs, build_head
from ossicle.tasks import Classification, Events, Intent, SlotFilling, Verification, parse_task


def data(train, valid=None, test=None, **more) -> Dataset:
    sides = [
        tuple(Utterance(f"{side}{i}", Path(f"{side}{i}"), label) for i, label in enumerate(labels))
        for side, labels in zip("abc", (train, valid or train, test or train), strict=True)
    ]
    return Dataset("corpus", *sides, False, given=True, note="", **more)


# Verification: rows are (embedding of 2, products of 2 speakers, cosines)


def row(*cosine: float) -> torch.Tensor:
    return torch.tensor([1.0, 0.0, 3.0, 1.0, *cosine])


def test_the_margin_of_am_softmax_is_on_the_cosine():
    task = Verification(["a", "b"], "am-softmax")
    assert (task.scale, task.margin) == (30.0, 0.4)
    logits = torch.tensor([[30 * (0.9 - 0.4), 30 * 0.2]])
    expected = F.cross_entropy(logits, torch.tensor([0]))
    torch.testing.assert_close(task.loss(Outputs.of([row(0.9, 0.2)]), ["a"]), expected)


def test_the_margin_of_aam_softmax_is_on_the_angle():
    task = Verification(["a", "b"], "aam-softmax")
    assert (task.scale, task.margin) == (15.0, 0.3)
    logits = torch.tensor([[15 * 0.9, 15 * math.cos(math.acos(0.2) + 0.3)]])
    expected = F.cross_entropy(logits, torch.tensor([1]))
    torch.testing.assert_close(task.loss(Outputs.of([row(0.9, 0.2)]), ["b"]), expected)
    # Past the half turn, cos(angle + m) would rise again; a line continues to fall.
    logits = torch.tensor([[15 * (-0.99 - 0.3 * math.sin(math.pi - 0.3)), 15 * 0.2]])
    expected = F.cross_entropy(logits, torch.tensor([0]))
    torch.testing.assert_close(task.loss(Outputs.of([row(-0.99, 0.2)]), ["a"]), expected)


def test_softmax_is_over_the_products():
    task = Verification(["a", "b"], "softmax")
    expected = F.cross_entropy(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
    torch.testing.assert_close(task.loss(Outputs.of([row(0.9, 0.2)]), ["a"]), expected)


def test_a_speaker_head_gives_embedding_products_and_cosines():
    head = build_head("speaker-meanstd", Anatomy("hubert", 1, 2, ()), 3)
    hidden, mask = torch.randn(1, 4, 2), torch.tensor([[True, True, True, False]])
    frames = hidden[0, :3] @ head.projector.weight.T + head.projector.bias
    embedding = torch.cat((frames.mean(0), frames.std(0, unbiased=False)))
    out = head(hidden, mask)[0]
    torch.testing.assert_close(out[:4], embedding)
    torch.testing.assert_close(out[4:7], head.speakers.weight @ embedding)
    expected = F.cosine_similarity(head.speakers.weight, embedding[None])
    torch.testing.assert_close(out[7:], expected)


def test_attention_weighs_real_frames_alone():
    head = build_head("speaker-attentive", Anatomy("hubert", 1, 2, ()), 3)
    with torch.no_grad():
        head.score.weight.zero_()
    hidden, mask = torch.randn(1, 4, 2), torch.tensor([[True, True, True, False]])
    frames = hidden[0, :3] @ head.projector.weight.T + head.projector.bias
    torch.testing.assert_close(head(hidden, mask)[0, :2], frames.mean(0))  # all weigh the same


def said(*embeddings: list[float]) -> list[dict]:
    return [{"embedding": e, "key": str(n)} for n, e in enumerate(embeddings)]


def test_all_pairs_are_trials_without_a_list():
    # a: 1 at 0 and 60 degrees, b: at 90 degrees. Cosines: a-a 1/2; a-b 0 and cos 30.
    decoded = said([1, 0], [0.5, 3**0.5 / 2], [0, 2])
    metrics = Verification(["x", "y"]).metrics(["a", "a", "b"], decoded)
    assert (metrics["trials"], metrics["targets"]) == (3, 1)
    # Down: non-target .87, target .5, non-target 0: from (1/2, 1) to (1/2, 0).
    assert metrics["eer"] == pytest.approx(0.5)


def test_only_the_trials_of_a_list_are_scored():
    task = Verification(["x", "y"]).with_trials([Trial("0", "1", True), Trial("0", "2", False)])
    decoded = said([1, 0], [0.5, 3**0.5 / 2], [0, 2])
    metrics = task.metrics(["a", "a", "b"], decoded)
    assert (metrics["trials"], metrics["eer"], metrics["min_dcf_01"]) == (2, 0.0, 0.0)
    assert "s_norm" not in metrics
    normed = task.with_cohort(np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 0.5]]))
    assert set(normed.metrics(["a", "a", "b"], decoded)) >= {"s_norm", "as_norm"}


def test_recordings_without_pairs_are_an_error():
    with pytest.raises(LabelError, match="the training recordings have one speaker, a"):
        Verification.from_dataset(data(["a", "a"]))
    with pytest.raises(LabelError, match=r"1 speakers of valid .* no pair: b"):
        Verification.from_dataset(data(["a", "b"], ["a", "a", "b"], ["a", "a", "b", "b"]))
    with pytest.raises(LabelError, match="test has one speaker, a, and"):
        Verification.from_dataset(data(["a", "b"], ["a", "a", "b", "b"], ["a", "a"]))
    unknown = {"test": (Trial("c0", "gone", True), Trial("c0", "c1", False))}
    with pytest.raises(LabelError, match="1 recordings of the trials are missing: gone"):
        Verification.from_dataset(
            data(["a", "b"], ["a", "a", "b", "b"], ["a", "b"], trials=unknown)
        )
    with pytest.raises(RunError, match="margin=2"):
        Verification(["a", "b"], margin=2.0)


# Intents


def test_an_intent_is_right_if_all_its_slots_are():
    task = Intent({"action": ["off", "on"], "object": ["lamp", "music", "tv"]})
    assert task.num_outputs == 5
    labels = ["action=on,object=lamp", "object=tv,action=off"]
    output = torch.tensor([0.0, 2.0, 0.1, 0.5, 0.2])
    assert task.decode(output)["label"] == "action=on,object=music"
    decoded = [task.decode(output), {"label": "action=off,object=tv"}]
    metrics = task.metrics(labels, decoded)
    assert metrics["accuracy"] == 0.5
    assert metrics["accuracy_by_slot"] == {"action": 1.0, "object": 0.5}
    expected = F.cross_entropy(output[None, :2], torch.tensor([1])) + F.cross_entropy(
        output[None, 2:], torch.tensor([0])
    )
    torch.testing.assert_close(task.loss(Outputs.of([output]), labels[:1]), expected)


def test_intents_that_cannot_be_learned_or_read_are_errors():
    with pytest.raises(LabelError, match="all 2 training recordings have object=lamp"):
        Intent.from_dataset(data(["action=on,object=lamp", "action=off,object=lamp"]))
    with pytest.raises(LabelError, match="'lamp' is not a list of slots"):
        Intent.from_dataset(data(["lamp", "tv"]))
    task = Intent({"action": ["off", "on"], "object": ["lamp", "tv"]})
    with pytest.raises(LabelError, match=r"object=lmap was not seen .* Did you mean 'lamp'"):
        task.check_labels(["action=on,object=lmap"])
    with pytest.raises(LabelError, match="has the slots action; expected those of the first"):
        task.check_labels(["action=on"])


# Slots


def test_slot_metrics_are_superb_s():
    task = SlotFilling.from_dataset(data(["play B-artist abba E-artist B-day now E-day", "stop"]))
    labels = ["play B-artist abba E-artist B-day now E-day", "stop"]
    said = [{"label": "play B-artist abbe E-artist"}, {"label": "stop B-day E-day"}]
    # Types: {artist, day} against {artist}: precision 1, recall 1/2, F1 2/3; none against none (an
    # empty slot does not count): 1. Values: abba - abbe 1 error of 4, now - nothing 3 of 3.
    metrics = task.metrics(labels, said)
    assert metrics["slot_type_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert metrics["slot_value_cer"] == pytest.approx(4 / 7)


def test_a_value_is_compared_with_the_nearest_of_its_slot():
    task = SlotFilling.from_dataset(data(["B-a one E-a", "two"]))
    said = [{"label": "B-a seven E-a B-a ona E-a"}]
    # one - ona: 1 error of 3; one - seven would be 4.
    assert task.metrics(["B-a one E-a"], said)["slot_value_cer"] == pytest.approx(1 / 3)


def test_a_marker_is_one_unit_and_comes_back():
    text = "play B-artist ab ba E-artist now"
    units = SlotFilling.spell(text)
    assert units[4:8] == [" ", "B-artist", " ", "a"]
    assert SlotFilling.join(units) == text


# Events


def test_a_frame_is_marked_where_an_event_covers_its_middle():
    task = Events(["dog", "speech"], frame_rate=10.0)
    # Middles at 0.05, 0.15, ...: 0.1 to 0.26 covers the second and third.
    marks = task.marks("0.1-0.26:speech|0.2-0.5:dog", 4)
    assert marks[:, 1].tolist() == [False, True, True, False]
    assert marks[:, 0].tolist() == [False, False, True, True]
    assert not task.marks("-", 4).any()


def test_a_frame_is_marked_by_its_middle_and_not_by_its_start():
    task = Events(["dog"], frame_rate=10.0)
    # Covers the middle of the first frame, 0.05, and the start of the second, 0.1.
    assert task.marks("0.04-0.14:dog", 3)[:, 0].tolist() == [True, False, False]


def test_events_are_written_as_a_corpus_writes_them():
    task = Events(["dog", "speech"], frame_rate=10.0)
    output = torch.tensor([[-1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, 1.0]])
    assert task.decode(output) == {"label": "0-0.2:speech|0.2-0.3:dog|0.3-0.4:speech", "frames": 4}
    assert Events(["dog"], 10.0, threshold=0.8).decode(output[:, :1])["label"] == "-"


def test_event_metrics_by_hand():
    task = Events(["dog"], frame_rate=2.0)
    decoded = [{"label": "0-1:dog", "frames": 6}]
    # Truth marks frames 1 and 2, said 0 and 1: one in both. Segments of a second are two frames:
    # truth in the first two, said in the first.
    metrics = task.metrics(["0.5-1.5:dog"], decoded)
    assert metrics["frame_f1"] == pytest.approx(2 * 1 / 4)
    assert metrics["segment_f1"] == pytest.approx(2 * 1 / 3)


@pytest.mark.parametrize("label", ["dog", "1-0.5:dog", "a-b:dog", "0-1:", "0-1:dog,1-2:dog"])
def test_what_is_not_an_event_is_an_error(label):
    with pytest.raises(LabelError, match="is not an event; write onset, offset"):
        Events.from_dataset(data([label]))


# Settings


def test_weights_make_rare_classes_count():
    task = Classification.from_dataset(data(["a", "a", "a", "b"]), class_weights="balanced")
    assert task.weights == pytest.approx([4 / 2 / 3, 4 / 2])
    outputs = [torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0])]
    losses = [F.cross_entropy(outputs[0][None], torch.tensor([i])) for i in (0, 1)]
    expected = (losses[0] * 2 / 3 + losses[1] * 2) / 2
    torch.testing.assert_close(task.loss(Outputs.of(outputs), ["a", "b"]), expected)


def test_smoothing_is_torch_s():
    task = Classification.from_dataset(data(["a", "b"]), label_smoothing=0.1)
    output = torch.tensor([1.0, 0.0])
    expected = F.cross_entropy(output[None], torch.tensor([0]), label_smoothing=0.1)
    torch.testing.assert_close(task.loss(Outputs.of([output]), ["a"]), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("asrr", "no task 'asrr'; available: classification, .* Did you mean 'asr'"),
        (
            "asr(beam=3)",
            "task 'asr' has no setting 'beam'; available: case, punctuation, unic",
        ),
        (
            "verification(los=x)",
            "has no setting 'los'; available: loss, scale, margin. Did you mean",
        ),
        (
            "verification(loss=x)",
            r"loss of verification is 'x'; expected softmax, am-softmax or aam",
        ),
        ("verification(margin=big)", r"margin of verification is 'big'; expected a number"),
        ("verification(", "is not a task; write name or name"),
    ],
)
def test_a_task_that_cannot_be_read_says_why(text, message):
    with pytest.raises(RunError, match=message):
        parse_task(text)
