"""What a report says of its trials as a whole."""

from ossicle.studies.summary import join_splits


def test_the_splits_of_all_folds_are_named_however_many_trials_come_first():
    splits = ["Fold 1."] * 100 + ["Fold 2."]
    assert join_splits(splits) == "Fold 1. Fold 2."


def test_of_many_splits_the_first_ten_are_named():
    text = join_splits([f"Fold {number}." for number in range(12)])
    assert text.endswith("Fold 9. And 2 others.")
