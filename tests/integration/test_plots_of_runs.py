"""Plots that read run folders: learning curves and DET curves."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import det_curve

from made import outcome
from ossicle.errors import RunError
from ossicle.metrics.verification import Trials
from ossicle.studies.plots.det import LOWEST, det_curves
from ossicle.studies.plots.learning import learning_curves
from ossicle.training.folder import LOG
from ossicle.training.result import read_result, write_result

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.55, 0.5, 0.4, 0.2])
SAME = np.array([True, True, False, True, False, True, False, False])


def write_log(folder: Path, *f1: float | None) -> Path:
    folder.mkdir()
    lines = [
        {"number": n, "train_loss": 1 / n, "valid_loss": None, "valid": {"macro_f1": value}}
        for n, value in enumerate(f1, start=1)
    ]
    (folder / LOG).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def write_det(finished: Path, folder: Path, det: list[list[float]]) -> Path:
    folder.mkdir()
    test = {"det": det, "recordings": []}
    write_result(folder, replace(read_result(finished), test=test))
    return folder


def test_learning_curves_are_means_over_the_repeats_that_are_still_training(tmp_path):
    found = [
        outcome("a", 0.5, labels={"seed": 0}, folder=write_log(tmp_path / "0", 0.2, 0.4)),
        outcome("a", 0.5, labels={"seed": 1}, folder=write_log(tmp_path / "1", 0.4)),
        outcome("b", 0.9, folder=write_log(tmp_path / "2", None, 0.8)),
        outcome("c", 0.9, folder=tmp_path / "nowhere"),
    ]
    metric, loss = learning_curves(found)
    best, other = metric.traces
    assert (best["name"], best["x"], best["y"]) == ("b", [2], [80])
    assert (other["name"], other["x"], other["y"]) == ("a", [1, 2], pytest.approx([30, 40]))
    assert other["customdata"] == ["2 runs", "1 run"]
    assert loss.name == "training-loss"  # there is no validation loss
    assert loss.traces[1]["y"] == [1, 0.5]
    assert "Not drawn: 1 more recipe." in metric.about


def test_learning_curves_of_a_real_run_are_those_of_its_log(finished):
    epochs = [json.loads(line) for line in (finished / LOG).read_text().splitlines()]
    metric, valid, train = learning_curves([outcome("lora", 0.5, folder=finished)])
    assert metric.traces[0]["y"] == [100 * one["valid"]["macro_f1"] for one in epochs]
    assert valid.traces[0]["y"] == [one["valid_loss"] for one in epochs]
    assert train.traces[0]["y"] == [one["train_loss"] for one in epochs]


def test_a_damaged_log_is_named(tmp_path):
    folder = write_log(tmp_path / "0", 0.5)
    (folder / LOG).write_text('{"number": 1}\n')
    with pytest.raises(RunError, match=r"log\.jsonl' cannot be used: a line is not an epoch"):
        learning_curves([outcome("a", 0.5, folder=folder)])


def test_a_det_curve_has_the_error_rates_of_scikit_learn_on_normal_deviate_axes(finished, tmp_path):
    points = Trials(SCORES, SAME).curve().points(200)
    folder = write_det(finished, tmp_path / "0", points)
    figure = det_curves([outcome("a", 0.25, metric="eer", task="verification", folder=folder)])
    line, equal = figure.traces
    false_alarm, miss, _ = det_curve(SAME, SCORES)
    expected = set(zip(false_alarm.tolist(), miss.tolist(), strict=True))
    assert expected <= {tuple(point) for point in line["customdata"]}
    shown = np.clip(line["customdata"], LOWEST, 1 - LOWEST)
    np.testing.assert_allclose(line["x"], norm.ppf(shown[:, 0]), atol=1e-4)
    np.testing.assert_allclose(line["y"], norm.ppf(shown[:, 1]), atol=1e-4)
    assert equal["meta"] == {"role": "reference"}
    assert (line["name"], line["text"]) == ("a", "EER 25.0 %")
    assert figure.layout["xaxis"]["ticktext"][1] == "0.5 %"


def test_a_det_curve_without_errors_is_drawn_at_the_edge(finished, tmp_path):
    folder = write_det(finished, tmp_path / "0", [[0, 1], [0, 0], [1, 0]])
    figure = det_curves([outcome("a", 0.0, metric="eer", task="verification", folder=folder)])
    assert figure.traces[0]["customdata"] == [[0, 1], [0, 0], [1, 0]]


def test_det_curves_of_repeats_are_averaged_at_each_false_alarm_rate(finished, tmp_path):
    low = write_det(finished, tmp_path / "0", [[0, 1], [0, 0.2], [1, 0]])
    high = write_det(finished, tmp_path / "1", [[0, 1], [0, 0.4], [1, 0]])
    eer = {"metric": "eer", "task": "verification"}
    figure = det_curves(
        [
            outcome("a", 0.2, labels={"seed": 0}, folder=low, **eer),
            outcome("a", 0.3, labels={"seed": 1}, folder=high, **eer),
        ]
    )
    rates = np.array(figure.traces[0]["customdata"])
    np.testing.assert_allclose(rates[:, 1], 0.3 * (1 - rates[:, 0]), atol=1e-6)
    assert rates[50, 0] == pytest.approx(0.5)
    assert "means over 2 runs" in figure.about


def test_a_classification_has_no_det_curve(finished):
    assert det_curves([outcome("lora", 0.5, folder=finished)]) is None
