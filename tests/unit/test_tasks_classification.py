"""Cross-entropy, the mean over windows, and labels."""

import math
from pathlib import Path

import pytest
import torch

from ossicle.data import Dataset, Utterance
from ossicle.errors import AdapterFileError, LabelError
from ossicle.heads import Outputs
from ossicle.tasks import Classification

TASK = Classification(["bark", "meow", "moo"])


def test_the_loss_is_the_mean_negative_log_probability() -> None:
    # Row one: e^0 of e^0 + e^0 + e^ln2 = 1/4. Row two: e^ln3 of 3 + 1 + 1 = 3/5.
    output = torch.tensor([[0.0, 0.0, math.log(2)], [math.log(3), 0.0, 0.0]])
    loss = TASK.loss(Outputs.of(list(output)), ["meow", "bark"])
    assert float(loss) == pytest.approx((math.log(4) - math.log(3 / 5)) / 2)


def test_balanced_weights_belong_to_their_classes_whatever_comes_first() -> None:
    # Six recordings of three classes, two a class on average: 2/3, 2/1 and 2/2.
    seen = ["moo", "bark", "meow", "bark", "moo", "bark"]
    rows = tuple(Utterance(str(i), Path("a.wav"), label) for i, label in enumerate(seen))
    dataset = Dataset("d", rows, rows, rows, False, given=True, note="")
    task = Classification.from_dataset(dataset, class_weights="balanced")
    assert task.labels == ("bark", "meow", "moo")
    # All probabilities are 1/3, so that each loss is ln 3 times the weight of its class.
    losses = [float(task.loss(Outputs.of([torch.zeros(3)]), [label])) for label in task.labels]
    assert losses == pytest.approx([math.log(3) * weight for weight in (2 / 3, 2, 1)])


def test_windows_are_combined_by_the_mean_of_their_probabilities() -> None:
    # Windows of 1/2, 1/4, 1/4 and of 1/10, 1/10, 8/10: the means are 0.3, 0.175 and 0.525.
    windows = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).log() + torch.tensor([[3.0], [-7]])
    decoded = TASK.decode(TASK.combine_windows(list(windows)))
    assert decoded["label"] == "moo"
    assert decoded["probs"] == pytest.approx({"bark": 0.3, "meow": 0.175, "moo": 0.525})


def test_very_sure_windows_do_not_overflow() -> None:
    combined = TASK.combine_windows(list(torch.tensor([[1e4, 0.0, 0.0], [0.0, 1e4, 0.0]])))
    assert TASK.decode(combined)["probs"] == pytest.approx({"bark": 0.5, "meow": 0.5, "moo": 0.0})


def test_metrics_are_computed_by_hand() -> None:
    # bark: 1 of 2 found, 1 said so: F1 2/3. meow: 2 of 2 found, 3 said so: F1 4/5. moo: none.
    said = [{"label": label} for label in ("bark", "meow", "meow", "meow")]
    metrics = TASK.metrics(["bark", "bark", "meow", "meow"], said)
    assert metrics["accuracy"] == 0.75
    assert metrics["uar"] == pytest.approx((1 / 2 + 1) / 2)
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert metrics["confusion"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert (metrics["count"], metrics["labels"]) == (4, ["bark", "meow", "moo"])


def test_a_label_never_seen_is_named_with_the_nearest() -> None:
    with pytest.raises(LabelError, match=r"'mew' was not seen .*bark, meow, moo\. Did you mean 'm"):
        TASK.check_labels(["bark", "mew"])
    TASK.check_labels(["moo", "bark"])


@pytest.mark.parametrize(
    ("labels", "fault"),
    [
        (None, "labels is None; expected a list"),
        ("bark", "labels is 'bark'; expected a list"),
        (["bark", 3], r"labels\[1\] is 3; expected a text"),
        ({"bark": 0}, "labels is {'bark': 0}; expected a list"),
        ([], "labels"),
        (["bark", "bark"], "labels has a name twice"),
    ],
)
def test_labels_of_another_type_are_refused(labels: object, fault: str) -> None:
    saved = {"name": "classification", "labels": labels, "label_smoothing": 0.0}
    with pytest.raises(AdapterFileError, match=fault):
        Classification.from_dict(saved)
