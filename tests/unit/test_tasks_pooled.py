"""Metrics of the recordings of several folds together, by hand."""

import pytest

from ossicle.tasks import TASKS, parse_task


def pooled(task: str, labels: list[str], predicted: list[str]) -> dict[str, float] | None:
    kind, settings = parse_task(task)
    return kind.pooled_metrics(labels, predicted, **settings)


def test_classes_are_pooled_whichever_fold_knows_them() -> None:
    # Of a, 2 of 3 are recalled, of b 1 of 1, of c 0 of 1; c is predicted for none, a for c.
    found = pooled("classification", list("aaabc"), list("aabba"))
    f1 = (2 * 2 / (3 + 3) + 2 * 1 / (1 + 2) + 0) / 3
    expected = {"macro_f1": f1, "accuracy": 3 / 5, "uar": (2 / 3 + 1 + 0) / 3}
    assert found == pytest.approx(expected)


def test_an_intent_is_right_if_all_of_its_slots_are() -> None:
    labels = ["action=on,object=lamp", "action=off,object=lamp"]
    predicted = ["object=lamp,action=on", "action=off,object=music"]
    assert pooled("intent", labels, predicted) == {"accuracy": 0.5}


def test_numbers_are_pooled_before_they_are_correlated() -> None:
    # In each half the prediction is constant, with a concordance of 0. Together both means are 2,
    # the variances 1.25 and 1, the covariance (1.5 + 0.5 + 0.5 + 1.5) / 4 = 1: 2 * 1 / 2.25.
    labels, predicted = ["0.5", "1.5", "2.5", "3.5"], ["1", "1", "3", "3"]
    assert pooled("regression", labels, predicted) == pytest.approx({"ccc": 2 / 2.25})
    assert pooled("regression", labels[:2], predicted[:2]) == {"ccc": 0.0}


def test_errors_of_transcripts_are_counted_over_all_words_after_the_rule_of_the_task() -> None:
    # 1 of 1 and 1 of 4 words: 2 of 5, not the mean of the two rates; letters: 1 of 1, 4 of 7.
    labels, predicted = ["A", "b c d e"], ["x", "b c"]
    found = pooled("asr(case=lower)", labels, predicted)
    assert found == pytest.approx({"wer": (1 + 2) / 5, "cer": (1 + 4) / 8})
    assert pooled("words(case=lower)", ["A"], ["a"]) == {"wer": 0.0}
    assert pooled("words", ["A"], ["a"]) == {"wer": 1.0}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_has_all_of_its_metrics_pooled_or_none(name: str) -> None:
    kind = TASKS[name]
    labels = [kind.example[number % 2] for number in range(6)]
    found = pooled(name, labels, labels)
    # These need probabilities, scores, frames, and the rule of a tokenizer.
    if name in ("tagging", "verification", "events", "seq2seq"):
        assert found is None
    else:
        assert found is not None
        assert found.keys() == kind.reported.keys()
        assert found[kind.primary_metric] == pytest.approx(float(kind.higher_is_better))
