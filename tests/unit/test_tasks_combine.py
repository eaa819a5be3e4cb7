"""Combination of the outputs of several members, on cases computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from ossicle.errors import RunError
from ossicle.tasks import (
    Classification,
    Events,
    Intent,
    PhoneRecognition,
    Regression,
    Tagging,
    Verification,
)

LN3 = math.log(3)  # softmax of (ln 3, 0) is (3/4, 1/4), and sigmoid(ln 3) is 3/4


def rows(*values: list) -> list[Tensor]:
    return [torch.tensor(value) for value in values]


def test_classes_have_the_mean_of_the_members_probabilities() -> None:
    task = Classification(["no", "yes"])
    # 3/4 and 1/10 of "no": the mean is 17/40. The mean of the logits would say 9 to 11 odds.
    combined = task.combine_members(rows([LN3, 0.0], [0.0, math.log(9)]))
    assert task.decode(combined)["probs"] == pytest.approx({"no": 17 / 40, "yes": 23 / 40})
    assert task.decode(combined)["label"] == "yes"


def test_each_slot_has_the_mean_of_its_own_probabilities() -> None:
    task = Intent({"action": ["off", "on"], "object": ["lamp", "music"]})
    combined = task.combine_members(rows([LN3, 0.0, 0.0, 0.0], [LN3, 0.0, 0.0, LN3]))
    said = task.decode(combined)
    assert said["slots"]["action"] == pytest.approx({"off": 3 / 4, "on": 1 / 4})
    assert said["slots"]["object"] == pytest.approx({"lamp": 3 / 8, "music": 5 / 8})


def test_each_tag_has_the_mean_of_its_probabilities_however_sure_the_members_are() -> None:
    task = Tagging(["dog", "rain", "wind"])
    combined = task.combine_members(rows([LN3, -40.0, 40.0], [0.0, -40.0, -40.0]))
    assert task.decode(combined)["probs"] == pytest.approx({"dog": 5 / 8, "rain": 0, "wind": 0.5})
    assert combined[1].item() == pytest.approx(-40)  # ranked below a tag at -39, and not with it


def test_numbers_are_the_mean_of_the_members_numbers() -> None:
    task = Regression({"valence": 3.0, "arousal": 0.0}, {"valence": 2.0, "arousal": 1.0})
    combined = task.combine_members(rows([0.5, 1.0], [-0.25, 0.0], [0.5, 2.0]))
    # Valence is 3 plus 2 times the mean 0.25.
    assert task.decode(combined)["values"] == pytest.approx({"valence": 3.5, "arousal": 1.0})


def test_events_have_the_mean_of_the_probabilities_of_each_frame() -> None:
    task = Events(["speech"], frame_rate=10)
    # Means: (3/4 + 1/2) / 2 = 5/8, (1/2 + 1/4) / 2 = 3/8, 3/4.
    combined = task.combine_members(rows([[LN3], [0.0], [LN3]], [[0.0], [-LN3], [LN3]]))
    assert combined.sigmoid().flatten().tolist() == pytest.approx([5 / 8, 3 / 8, 3 / 4])
    assert task.decode(combined)["label"] == "0-0.1:speech|0.2-0.3:speech"


def test_transcripts_are_those_of_the_mean_log_probabilities_of_each_frame() -> None:
    task = PhoneRecognition(["a", "n"])
    sure, torn = [0.0, math.log(8), 0.0], [LN3, 0.0, math.log(2)]  # a: 8/10; blank: 3/6
    combined = task.combine_members(rows([sure, sure], [torn, sure]))
    # (1/10, 8/10, 1/10) and (3/6, 1/6, 2/6): roots of 3/60, 8/60 and 2/60, divided by their sum.
    roots = torch.tensor([3.0, 8.0, 2.0]).sqrt()
    assert combined.exp()[0].tolist() == pytest.approx((roots / roots.sum()).tolist())
    assert task.decode(combined)["label"] == "a"
    assert combined.exp().sum(dim=1).tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("task", [PhoneRecognition(["a", "n"]), Events(["x", "y", "z"], 50.0)])
def test_members_with_different_numbers_of_frames_are_refused(task) -> None:
    with pytest.raises(RunError, match=r"different shapes \(49 x 3, 99 x 3\).* same frame rate"):
        task.combine_members([torch.zeros(99, 3), torch.zeros(49, 3)])


def test_scores_of_speakers_are_the_mean_of_the_members_cosines() -> None:
    task = Verification(["anna", "ben"])
    # Two members, 2 and 3 wide, each with 2 x 2 columns for the loss, which have no part in it.
    first = rows([3.0, 4.0, 9.0, 9.0, 9.0, 9.0], [2.0, 0.0, 0.0, 9.0, 9.0, 9.0, 9.0])
    other = rows([10.0, 0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    pair = [task.decode(task.combine_members(one)) for one in (first, other)]
    mean = (3 / 5 + 1 / math.sqrt(2)) / 2
    assert task.compare_with_first(pair[0], pair[1])["score"] == pytest.approx(mean)
    assert len(pair[0]["embedding"]) == 5
    backwards = [task.decode(task.combine_members(one[::-1])) for one in (first, other)]
    assert task.compare_with_first(*backwards)["score"] == pytest.approx(mean)
    assert task.combine_members(first)[5:].tolist() == [9.0] * 4


def test_windows_of_speakers_are_averaged_without_normalising_them() -> None:
    task = Verification(["anna", "ben"])
    combined = task.combine_windows(rows([3.0, 0.0, *[0.0] * 4], [0.0, 1.0, *[0.0] * 4]))
    np.testing.assert_allclose(task.decode(combined)["embedding"], [1.5, 0.5])
