"""The lines that tasks print below their metrics."""

from ossicle.tasks import Classification, Intent, Regression, Verification


def test_a_regression_prints_the_ccc_of_each_dimension() -> None:
    metrics = {"ccc": 0.25, "ccc_by_dimension": {"valence": 0.75, "arousal": -0.25}}
    assert Regression.details(metrics) == ["valence   0.750", "arousal  -0.250"]


def test_an_intent_prints_the_accuracy_of_each_slot() -> None:
    metrics = {"accuracy": 0.5, "accuracy_by_slot": {"action": 1.0, "object": 0.625}}
    assert Intent.details(metrics) == ["action    100.0 %", "object     62.5 %"]


def test_a_verification_prints_its_trials_and_the_eer_after_normalisation() -> None:
    metrics = {"trials": 1200, "targets": 30, "s_norm": {"eer": 0.125}, "as_norm": None}
    assert Verification.details(metrics | {"norm_missing": "one recording"}) == [
        "1,200 trials, 30 of one speaker",
        "after s-norm: EER 12.5 %",
        "after AS-norm: not available: one recording",
    ]


def test_other_tasks_print_no_more() -> None:
    assert Classification.details({"macro_f1": 1.0}) == []
