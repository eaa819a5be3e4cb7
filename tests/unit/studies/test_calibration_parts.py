"""Calibration and abstention in a report, on decisions made by hand."""

import math

import numpy as np
import pytest
import torch

from ossicle.reports.parts import Figure, Table
from ossicle.studies.calibration import Judged, calibration_parts, judge
from ossicle.tasks import Classification, Regression
from ossicle.votes import Decision

TASK = Classification(["no", "yes"])


def decisions(*logits):
    return [Decision(TASK.decode(one), one) for one in torch.tensor(logits)]


def test_the_temperature_makes_an_overconfident_method_as_sure_as_it_is_right():
    # Always "yes" with 0.98; right in 3 of 4 validation recordings, so T = log(49) / log(3)
    sure = math.log(49)
    valid = decisions(*[[0.0, sure]] * 4)
    test = decisions([0.0, sure], [sure, 0.0])
    found = judge("lora", TASK, test, ["yes", "yes"], valid, ["yes", "yes", "yes", "no"])
    assert found.correct.tolist() == [1, 0]
    assert found.confidence.tolist() == pytest.approx([0.98, 0.98])
    assert found.temperature == pytest.approx(math.log(49) / math.log(3), rel=1e-3)
    assert found.calibrated.tolist() == pytest.approx([0.75, 0.75], abs=1e-3)


def test_a_vote_on_decoded_answers_has_no_temperature():
    test = [Decision(one.decoded, None) for one in decisions([0.0, 2.0])]
    found = judge("rover", TASK, test, ["yes"], test, ["yes"])
    assert (found.temperature, found.calibrated) == (None, None)


def test_numbers_have_no_confidence():
    task = Regression({"arousal": 3.0}, {"arousal": 2.0})
    output = torch.zeros(1)
    one = [Decision(task.decode(output), output)]
    assert judge("lora", task, one, ["arousal=3"], one, ["arousal=3"]) is None
    assert calibration_parts([]) == []


def test_the_section_pools_the_runs_of_a_method():
    runs = [
        Judged(
            method="lora",
            correct=np.array([1.0, 0.0]),
            confidence=np.array([0.9, 0.7]),
            calibrated=np.array([0.6, 0.5]),
            temperature=temperature,
        )
        for temperature in (2.0, 3.0)
    ]
    vote = Judged(
        method="rover",
        correct=np.array([1.0, 1.0]),
        confidence=np.array([1.0, 1.0]),
        calibrated=None,
        temperature=None,
    )
    table, coverage, before, after = calibration_parts([*runs, vote])
    assert isinstance(table, Table)
    assert [[cell.text for cell in row] for row in table.rows] == [
        # ECE: half of the recordings at 0.9, right; half at 0.7, wrong. After: 0.6 and 0.5.
        ["lora", "4", "50.0", "80.0", "40.0", "2.50", "45.0", "20.8"],
        ["rover", "2", "100.0", "100.0", "0.0", "", "", "0.0"],
    ]
    assert all(isinstance(one, Figure) for one in (coverage, before, after))
    assert [trace["name"] for trace in after.traces] == ["accuracy equals confidence", "lora"]
    assert coverage.traces[0]["x"] == [25, 50, 75, 100]
    assert coverage.traces[0]["y"] == [0, 0, 33.33, 50]
    assert before.traces[1]["x"] == [70, 90]
    assert before.traces[1]["customdata"] == [2, 2]


def test_a_long_curve_is_thinned_and_keeps_its_ends():
    confidence = np.linspace(0, 1, 5000)
    one = Judged(
        method="lora",
        correct=np.ones(5000),
        confidence=confidence,
        calibrated=None,
        temperature=None,
    )
    (line,) = calibration_parts([one])[1].traces
    assert len(line["x"]) == 200
    assert (line["x"][0], line["x"][-1]) == (0.02, 100)
