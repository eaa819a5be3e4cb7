"""The temperature, with a known optimum."""

import math

import pytest
import torch

from ossicle.errors import LabelError, RunError
from ossicle.tasks import Classification, Intent, Tagging
from ossicle.votes import at_temperature, fit_temperature


def test_the_temperature_gives_the_accuracy_of_equally_sure_predictions() -> None:
    task = Classification(["a", "b"], label_smoothing=0.2, weights=[5.0, 0.2])
    outputs = [torch.tensor([4.0, 0.0])] * 4
    # Right in 3 of 4: the likelihood is highest where sigmoid(4 / T) = 3/4, so that 4 / T = ln 3.
    temperature = fit_temperature(task, outputs, ["a", "a", "b", "a"])
    assert temperature == pytest.approx(4 / math.log(3), rel=1e-3)
    decoded = task.decode(at_temperature(task, outputs[0], temperature))
    assert task.confidence(decoded) == pytest.approx(3 / 4, rel=1e-3)


def test_one_temperature_serves_all_slots() -> None:
    task = Intent({"action": ["off", "on"], "object": ["lamp", "music"]})
    outputs = [torch.tensor([4.0, 0.0, 4.0, 0.0])] * 2
    # 3 of 4 values are right.
    labels = ["action=off,object=lamp", "action=on,object=lamp"]
    temperature = fit_temperature(task, outputs, labels)
    assert temperature == pytest.approx(4 / math.log(3), rel=1e-3)
    decoded = task.decode(at_temperature(task, outputs[0], temperature))
    assert task.confidence(decoded) == pytest.approx(9 / 16, rel=1e-3)


def test_predictions_that_are_always_right_become_no_surer_than_the_limit() -> None:
    task = Classification(["a", "b"])
    temperature = fit_temperature(task, [torch.tensor([1.0, 0.0])] * 4, ["a"] * 4)
    assert 1 / 20 <= temperature < 1 / 15


def test_a_task_without_confidence_has_no_temperature() -> None:
    task = Tagging(["dog", "rain"])
    with pytest.raises(RunError, match="tagging have no confidence"):
        fit_temperature(task, [torch.zeros(2)], ["dog"])
    with pytest.raises(RunError, match="tagging have no confidence"):
        at_temperature(task, torch.zeros(2), 2.0)


def test_no_recordings_and_unknown_labels_are_errors() -> None:
    task = Classification(["a", "b"])
    with pytest.raises(LabelError, match="no validation recordings"):
        fit_temperature(task, [], [])
    with pytest.raises(LabelError, match="'c' was not seen"):
        fit_temperature(task, [torch.zeros(2)], ["c"])
