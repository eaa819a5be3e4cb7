"""The table and the verdict of a study: what they show, and what they do not claim."""

import dataclasses

import pytest
from outcomes import outcome, rows, study

from ossicle.statistics.correction import holm
from ossicle.studies.analysis.cell import cells
from ossicle.studies.analysis.difference import difference
from ossicle.studies.analysis.table import summary_table
from ossicle.studies.analysis.verdict import verdict


def column(table, heading):
    at = list(table.columns).index(heading)
    return [row[at] for row in table.rows]


def test_a_table_shows_mean_deviation_and_parameters_without_the_head():
    two = rows(["a", "b"])
    table = summary_table(
        [
            outcome({"recipe": "lora", "seed": 0}, two, ["a", "b"], parameters=1234),
            outcome({"recipe": "lora", "seed": 1}, two, ["a", "a"], parameters=1234),
        ]
    )
    assert [cell.text for cell in column(table, "recipe")] == ["lora"]
    assert column(table, "parameters")[0].text == "1,234"
    accuracy = column(table, "accuracy (%)")[0]
    assert accuracy.text == "75.0 ± 35.4"  # of 100 and 50: the root of 2 x 25^2 is 35.36
    assert (accuracy.value, accuracy.deviation) == (0.75, pytest.approx(0.35355, abs=1e-5))
    assert column(table, "repeats")[0].text == "2"
    assert "p over repeats" not in table.columns  # nothing to compare with


def test_both_kinds_of_p_are_corrected_over_the_table():
    outcomes = study({"linear": 0.55, "lora": 0.7, "full": 0.8}, seeds=6)
    first, *others = cells(outcomes)
    found = [difference(other, first) for other in others]
    table = summary_table(outcomes)
    shown = [cell.value for cell in column(table, "p over recordings")]
    assert shown == [None, *holm([one.recordings.p_value for one in found])]
    shown = [cell.value for cell in column(table, "p over repeats")]
    assert shown == [None, *holm([one.repeats.p_value for one in found])]
    assert shown != [None, *(one.repeats.p_value for one in found)]
    shown = [cell.value for cell in column(table, "difference in macro-F1")]
    assert shown == [None, *(one.value for one in found)]


def test_a_table_says_what_each_p_is_about():
    notes = " ".join(summary_table(study({"linear": 0.5, "lora": 0.7}, seeds=6)).notes)
    assert "p over 40 recordings is about these trained models on further recordings" in notes
    assert "p over 6 repeats, seeds and folds, is about training again" in notes
    assert "corrected for 1 comparison by Holm's method" in notes


@pytest.mark.parametrize(("seeds", "winners"), [(4, 0), (5, 1)])
def test_with_fewer_than_five_seeds_no_winner_is_called(seeds, winners):
    outcomes = study({"linear": 0.5, "lora": 0.95}, seeds=seeds, folds=3)
    table = summary_table(outcomes)
    assert sum(cell.strong for row in table.rows for cell in row) == winners
    assert any("calls no winner" in note for note in table.notes) == (not winners)
    (said,) = verdict(outcomes)
    assert said.startswith("lora has the best mean macro-F1")
    assert ("better than each of the others" in said) == bool(winners)
    assert ("No winner is called: 4 of at least 5 seeds." in said) == (not winners)


def test_a_difference_that_is_not_decided_is_called_so():
    (said,) = verdict(study({"linear": 0.7, "lora": 0.72}, seeds=5, folds=2))
    assert "not decided at this size" in said


def test_tests_that_cannot_reach_five_percent_are_called_so():
    (said,) = verdict(study({"linear": 0.5, "lora": 0.99}, seeds=5))
    assert "not decided at this size; 1 comparison would need more repeats" in said
    assert "at least 0.062 after correction" in said


def test_an_unfinished_study_is_shown_with_its_counts():
    outcomes = study({"linear": 0.6, "lora": 0.7}, seeds=2)
    for seed in (2, 3):
        outcomes.append(outcome({"recipe": "lora", "seed": seed}, rows([]), [], state="running"))
    outcomes.append(outcome({"recipe": "full", "seed": 0}, rows([]), [], state="failed"))
    table = summary_table(outcomes)
    assert [cell.text for cell in column(table, "repeats")] == ["2", "2 of 4", "0 of 1"]
    assert column(table, "macro-F1 (%)")[2].text == "–"
    assert any("lora 2 of 4, full 0 of 1" in note for note in table.notes)
    assert verdict(outcomes)[0] == ("4 of 7 trials are finished; the rest may change this.")


def test_a_study_without_a_finished_trial_has_a_table_without_rows():
    outcomes = [outcome({"recipe": "lora", "seed": 0}, rows([]), [], state="pending")]
    table = summary_table(outcomes)
    assert (table.rows, table.notes) == ([], ["None of 1 trials is finished."])
    assert verdict(outcomes) == ["0 of 1 trials are finished; the rest may change this."]


def test_cells_on_other_recordings_are_shown_and_not_compared():
    four = rows(["a", "b", "a", "b"])
    outcomes = [
        outcome({"recipe": name, "seed": seed}, four, ["a", "b", "a", "a"], split=name)
        for name in ("linear", "lora")
        for seed in range(5)
    ]
    table = summary_table(outcomes)
    assert len(table.rows) == 2
    assert "'lora' and 'linear' cannot be compared: with seed 0" in table.notes[-1]
    assert "cannot be compared" in verdict(outcomes)[0]


def test_the_best_mean_for_each_number_of_parameters_is_named():
    sizes = {"linear": 0, "lora": 100, "prompt": 50, "full": 1000}
    said = verdict(
        study({"linear": 0.5, "lora": 0.8, "prompt": 0.3, "full": 0.95}, parameters=sizes)
    )[-1]
    assert said.startswith("Best mean by number of trained parameters without the head: from 0 lin")
    assert "from 100 lora (" in said
    assert "from 1,000 full (" in said
    assert "prompt" not in said


def test_values_of_another_label_are_compared_within_their_recipe():
    outcomes = [
        one for rank, right in ((1, 0.5), (4, 0.9)) for one in study({"lora": right}, rank=rank)
    ]
    table = summary_table(outcomes, against="rank")
    assert table.columns[0] == "rank"
    assert [cell.value for cell in column(table, "rank")] == [1, 4]
    assert column(table, "difference in macro-F1")[1].value > 0.2
    assert verdict(outcomes, against="rank")[0].startswith("rank 4 has the best mean macro-F1")


def test_a_reference_can_be_named():
    outcomes = study({"linear": 0.5, "lora": 0.9}, seeds=2)
    table = summary_table(outcomes, reference="lora")
    assert column(table, "difference in macro-F1")[0].value < 0
    assert column(table, "difference in macro-F1")[1].value is None


def test_a_lower_error_is_better_and_pairs_have_no_test_over_recordings():
    def verified(one):
        eer = 1 - one.measured.metrics["accuracy"]
        metrics = {"eer": eer, "min_dcf_01": 0.5, "min_dcf_05": 0.5}
        measured = dataclasses.replace(
            one.measured, task="verification", metrics=metrics, scores=None
        )
        return dataclasses.replace(one, measured=measured)

    outcomes = [verified(one) for one in study({"linear": 0.6, "lora": 0.9}, seeds=5, folds=3)]
    table = summary_table(outcomes)
    assert "p over recordings" not in table.columns
    assert column(table, "difference in EER")[1].value < -0.2
    assert [cell.strong for cell in column(table, "EER (%)")] == [False, True]
    (said,) = verdict(outcomes)
    assert said.startswith("lora has the best mean EER")
    assert said.endswith("each of the others (test over repeats, corrected for 1 comparison).")
