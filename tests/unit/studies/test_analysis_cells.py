"""Cells and differences between them: what is pooled, what is paired, what is refused."""

import dataclasses

import numpy as np
import pytest
from outcomes import outcome, rows, study

from ossicle.errors import RunError
from ossicle.statistics.paired import paired_test
from ossicle.statistics.repeats import repeats_test
from ossicle.studies.analysis.cell import cells, groups
from ossicle.studies.analysis.difference import difference


def test_seed_and_fold_tell_repeats_apart_and_other_labels_cells():
    found = cells(study({"lora": 0.7, "linear": 0.5}, seeds=2, folds=3, data="esc10"))
    assert [dict(one.labels) for one in found] == [
        {"data": "esc10", "recipe": "lora"},
        {"data": "esc10", "recipe": "linear"},
    ]
    assert [len(one.repeats) for one in found] == [6, 6]
    assert found[0].values("accuracy").shape == (2, 3)


def test_the_metric_of_a_cell_is_that_of_the_recordings_of_all_folds_together():
    both = rows(["a", "b"])
    more = rows(["a", "b"], prefix="other")
    (found,) = cells(
        [
            outcome({"recipe": "lora", "seed": 0, "fold": 1}, both, ["a", "a"]),
            outcome({"recipe": "lora", "seed": 0, "fold": 2}, more, ["b", "b"]),
        ]
    )
    # In each fold F1 is 2/3 and 0. Together, each class has one hit, one miss, one false alarm.
    assert found.values("macro_f1") == pytest.approx(np.full((1, 2), 1 / 3))
    assert found.mean("macro_f1") == pytest.approx(0.5)
    assert found.summary.interval == pytest.approx((0.5, 0.5))


def test_without_folds_the_metric_of_a_cell_is_the_mean_over_seeds():
    two = rows(["a", "b"])
    (found,) = cells(
        [
            outcome({"recipe": "lora", "seed": 0}, two, ["a", "b"]),
            outcome({"recipe": "lora", "seed": 1}, two, ["a", "a"]),
        ]
    )
    assert found.mean("accuracy") == 0.75
    assert found.mean("macro_f1") == pytest.approx((1 + 1 / 3) / 2)


def test_the_parameters_of_a_cell_are_the_mean_over_its_repeats_without_the_heads():
    (one,) = cells(study({"tpe": 0.7}, seeds=2))
    sizes = ({"trainable": 110, "head": 10}, {"trainable": 310, "head": 10})
    repeats = {
        key: dataclasses.replace(found, parameters=size)
        for (key, found), size in zip(one.repeats.items(), sizes, strict=True)
    }
    assert dataclasses.replace(one, repeats=repeats).parameters == 200


def test_a_trial_that_is_not_finished_counts_and_has_no_value():
    two = rows(["a", "b"])
    found = cells(
        [
            outcome({"recipe": "lora", "seed": 0}, two, ["a", "b"]),
            outcome({"recipe": "lora", "seed": 1}, two, [], state="pending"),
            outcome({"recipe": "linear", "seed": 0}, two, [], state="failed"),
        ]
    )
    assert [(len(one.repeats), one.num_trials) for one in found] == [(1, 2), (0, 1)]
    assert found[1].mean("accuracy") is None


def test_a_difference_is_tested_over_recordings_and_over_repeats():
    outcomes = study({"lora": 0.8, "linear": 0.6}, seeds=3, folds=2, size=20)
    first, second = cells(outcomes)
    found = difference(first, second)

    def scores(recipe):  # (3, 40)
        chosen = [one for one in outcomes if one.trial.labels["recipe"] == recipe]
        by_seed = [
            [one.measured.scores for one in chosen if one.trial.labels["seed"] == seed]
            for seed in range(3)
        ]
        return np.array([np.concatenate(parts) for parts in by_seed])

    assert found.recordings == paired_test(scores("lora"), scores("linear"))
    expected = repeats_test((first.values("macro_f1") - second.values("macro_f1")).ravel())
    assert found.repeats == expected
    assert found.value == pytest.approx(first.mean("macro_f1") - second.mean("macro_f1"))
    low, high = found.scores.interval()
    assert low < found.recordings.difference < high


def test_a_difference_pairs_only_the_repeats_that_both_have():
    outcomes = study({"lora": 0.8, "linear": 0.6}, seeds=4)
    whole = difference(*cells([one for one in outcomes if one.trial.labels["seed"] in (1, 2)]))
    without = {("lora", 0), ("linear", 3)}
    kept = [
        one
        for one in outcomes
        if (one.trial.labels["recipe"], one.trial.labels["seed"]) not in without
    ]
    found = difference(*cells(kept))
    assert found.repeats == whole.repeats
    assert found.recordings == whole.recordings
    assert found.value == whole.value


def test_recordings_are_paired_by_key_whatever_their_order():
    forwards, backwards = rows(["a", "b", "b"]), rows(["a", "b", "b"])
    backwards = type(backwards)(
        *(values[::-1] for values in (backwards.keys, backwards.speakers, backwards.labels))
    )
    found = difference(
        *cells(
            [
                outcome({"recipe": "lora", "seed": 0}, forwards, ["a", "b", "a"]),
                outcome({"recipe": "linear", "seed": 0}, backwards, ["a", "b", "a"]),
            ]
        )
    )
    assert not found.scores.sums.any()


def test_speakers_are_the_units_if_all_are_known():
    found = difference(*cells(study({"lora": 0.8, "linear": 0.6}, speakers=8)))
    assert (found.recordings.unit, found.recordings.num_units) == ("speaker", 8)


def test_cells_without_a_common_repeat_have_no_difference():
    two = rows(["a", "b"])
    first = outcome({"recipe": "lora", "seed": 0}, two, ["a", "b"])
    second = outcome({"recipe": "linear", "seed": 1}, two, ["a", "b"])
    assert difference(*cells([first, second])) is None


def test_cells_with_other_recordings_are_not_compared():
    two = rows(["a", "b"])
    labels = {"seed": 3, "fold": 2}
    first = outcome({"recipe": "lora", **labels}, two, ["a", "b"])
    second = outcome({"recipe": "linear", **labels}, two, ["a", "b"], split="other")
    with pytest.raises(RunError, match=r"seed 3 and fold 2, their train recordings differ"):
        difference(*cells([first, second]))
    with pytest.raises(RunError, match="test recordings differ"):
        difference(*cells([first, second]), sides=("test",))


def test_a_cell_that_lacks_a_label_is_in_every_group_that_it_fits():
    found = cells(
        study({"lora": 0.7}, budget=10) + study({"lora": 0.7}, budget=20) + study({"mfcc": 0.6})
    )
    names = [[one.name for one in group] for group in groups(found, ("recipe",))]
    assert names == [["budget 10, lora", "mfcc"], ["budget 20, lora", "mfcc"]]


def test_a_seed_counts_once_however_many_of_its_folds_are_finished():
    def made(seed, fold, value):
        one = outcome({"recipe": "lora", "seed": seed, "fold": fold}, rows(["a"]), ["a"])
        measured = dataclasses.replace(
            one.measured, task="tagging", metrics={"map": value}, scores=None
        )  # tagging is not pooled
        return dataclasses.replace(one, measured=measured)

    (found,) = cells([made(0, 1, 0.2), made(0, 2, 0.4), made(1, 1, 0.7)])
    assert found.mean("map") == pytest.approx((0.3 + 0.7) / 2)
    assert found.deviation("map") == pytest.approx(np.std([0.2, 0.4, 0.7], ddof=1))
