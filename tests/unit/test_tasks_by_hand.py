"""Tagging, regression and transcription on cases computed by hand."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from ossicle.data import Dataset, Utterance
from ossicle.errors import AdapterFileError, LabelError
from ossicle.heads import Outputs
from ossicle.tasks import PhoneRecognition, Regression, SpeechRecognition, Tagging, WordRecognition

TAGS = Tagging(["dog", "rain", "wind"])
VAD = Regression({"valence": 3.0, "arousal": 2.0}, {"valence": 2.0, "arousal": 0.5})
ASR = SpeechRecognition([" ", "a", "b"])


def data(train, valid=None, test=None) -> Dataset:
    sides = [
        tuple(Utterance(f"{side}{i}", Path(f"{side}{i}"), label) for i, label in enumerate(part))
        for side, part in (("a", train), ("b", valid or train), ("c", test or train))
    ]
    return Dataset("corpus", *sides, False, given=True, note="")


def test_tags_are_read_once_each_and_a_dash_is_none():
    assert TAGS.targets(["rain | dog|rain", "-", "wind"]).tolist() == [
        [1, 1, 0],
        [0, 0, 0],
        [0, 0, 1],
    ]
    assert Tagging.from_dataset(data(["rain|dog", "-", "wind"])).tags == ("dog", "rain", "wind")


def test_the_loss_of_tags_is_binary_cross_entropy():
    # sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2: -ln 3/4, -ln 1/2, -ln 1/4 for tags 1, 0, 0.
    output = torch.tensor([math.log(3), 0.0, math.log(3)])
    expected = (-math.log(3 / 4) - math.log(1 / 2) - math.log(1 / 4)) / 3
    assert float(TAGS.loss(Outputs.of([output]), ["dog"])) == pytest.approx(expected)


def test_tags_are_predicted_above_one_half():
    said = TAGS.decode(torch.tensor([2.0, -1.0, 0.1]))
    assert said["label"] == "dog|wind"
    assert said["probs"]["rain"] == pytest.approx(1 / (1 + math.e))
    assert TAGS.decode(torch.full((3,), -1.0))["label"] == "-"


def test_numbers_are_put_back_into_the_unit_of_the_corpus():
    said = VAD.decode(torch.tensor([0.5, -2.0]))
    assert said["values"] == {"valence": 4.0, "arousal": 1.0}
    assert said["label"] == "valence=4,arousal=1"


def test_the_loss_of_numbers_is_one_minus_concordance():
    # valence in its spread: targets -1, 0, 1; outputs 0, 1, 2: ccc 4/7 as above; arousal: 1.
    labels = ["valence=1,arousal=1.5", "valence=3,arousal=2", "arousal=2.5,valence=5"]
    outputs = [torch.tensor([0.0, -1.0]), torch.tensor([1.0, 0.0]), torch.tensor([2.0, 1.0])]
    assert float(VAD.loss(Outputs.of(outputs), labels)) == pytest.approx((1 - 4 / 7) / 2, abs=1e-6)
    metrics = VAD.metrics(labels, [VAD.decode(output) for output in outputs])
    assert metrics["ccc_by_dimension"] == pytest.approx({"valence": 4 / 7, "arousal": 1.0})
    assert metrics["ccc"] == pytest.approx((4 / 7 + 1) / 2)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["3.5", "high"], "the label 'high' is not a number"),
        (["3.5", "nan"], "the label 'nan' is not a number"),
        (["valence=", "2"], "the label 'valence=' is not a number"),
        (["v=1,v=2", "2"], "'v=1,v=2' is not a number"),
        (
            ["valence=1,arousal=2", "valence=1"],
            "a1 has the dimensions valence; expected",
        ),
        (["2", "2", "2"], "corpus: value is 2 in all 3 training recordings; there is nothing"),
    ],
)
def test_numbers_that_cannot_be_learned_are_refused(labels, message):
    with pytest.raises(LabelError, match=message):
        Regression.from_dataset(data(labels))


def test_mean_and_spread_are_those_of_training():
    task = Regression.from_dataset(data(["1", "2", "3"], ["9"], ["9"]))
    assert task.means == {"value": 2.0}
    assert task.deviations["value"] == pytest.approx(math.sqrt(2 / 3))


@pytest.mark.parametrize("task", [TAGS, VAD, ASR])
def test_an_adapter_file_of_another_kind_is_refused(task):
    with pytest.raises(
        AdapterFileError, match=r"the saved task: the entry '(tags|means|units)' is missing"
    ):
        type(task).from_dict({"name": task.name, "labels": ["x"]})


def test_ctc_sums_over_all_ways_to_say_a_text():
    torch.manual_seed(0)
    logits = torch.randn(4, 4)
    probs = logits.softmax(-1)
    total = 0.0
    for path in itertools.product(range(4), repeat=4):
        merged = [unit for unit, _ in itertools.groupby(path)]
        if [unit for unit in merged if unit] == [2, 3]:  # "ab"
            total += math.prod(float(probs[t, unit]) for t, unit in enumerate(path))
    assert float(ASR.loss(Outputs.of([logits]), ["ab"])) == pytest.approx(
        -math.log(total) / 2, rel=1e-5
    )


def test_repetitions_are_merged_and_blanks_part_equal_units():
    def best(*path: int) -> str:
        return ASR.decode(torch.eye(4)[list(path)])["label"]

    assert best(0, 2, 2, 0, 2, 3, 3, 0) == "aab"
    assert best(1, 2, 1, 1, 0, 1, 3, 1) == "a b"
    assert best(0, 0) == ""
    phones = PhoneRecognition(["n", "oʊ"])
    assert phones.decode(torch.eye(3)[[1, 0, 2, 2]])["label"] == "n oʊ"


def test_a_blank_is_needed_between_equal_units():
    assert ASR.frames_needed("ab") == 2
    assert ASR.frames_needed("aab  b") == 6  # a, blank, a, b, space, b: a run of spaces is one
    with pytest.raises(LabelError, match="'aa' needs 3 frames and its recording has 2"):
        ASR.loss(Outputs.of([torch.zeros(2, 4)]), ["aa"])


def test_characters_outside_the_vocabulary_are_counted_and_shown():
    strict = SpeechRecognition(ASR.units, unseen="error")
    with pytest.raises(LabelError, match=r"2 units .* no training transcript: 'X', 'y', for .*'X"):
        strict.check_labels(["ab", "Xb", "y"])
    with pytest.raises(LabelError, match="'X'"):
        strict.loss(Outputs.of([torch.zeros(9, 4)]), ["Xb"])
    with pytest.raises(LabelError, match="a transcript is empty"):
        ASR.check_labels([" "])
    with pytest.raises(LabelError, match="corpus: 1 transcripts are empty: a1"):
        SpeechRecognition.from_dataset(data(["a b", " "], ["ab"], ["b"]))
    with pytest.raises(LabelError, match="'c'"):
        SpeechRecognition.from_dataset(data(["a b"], ["ab"], ["aabbc"]), unseen="error")


def test_error_rates_are_of_all_recordings_together():
    said = [{"label": "a b"}, {"label": "b"}]
    metrics = ASR.metrics(["a  b", "a b b"], said)
    assert metrics == {"wer": 2 / 5, "cer": 4 / 8, "empty": 0, "count": 2}
    assert ASR.score(metrics) == -2 / 5


def test_words_are_units_and_a_new_one_is_an_error():
    words = WordRecognition.from_dataset(data(["no  one", "one"]))
    assert (words.units, words.num_outputs) == (("no", "one"), 3)
    assert words.decode(torch.eye(3)[[0, 2, 2, 0, 2, 1]])["label"] == "one one no"
    assert words.frames_needed("one one") == 3
    metrics = words.metrics(["no  one", "one"], [{"label": "no one"}, {"label": "one one"}])
    assert metrics == {"wer": 1 / 3, "empty": 0, "count": 2}
    with pytest.raises(LabelError, match="'two'"):
        words.check_labels(["two"])
