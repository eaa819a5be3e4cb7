"""Which earlier recordings are replayed."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from ossicle.data import Dataset, Utterance
from ossicle.errors import RunError
from ossicle.tasks import Classification, Tagging
from ossicle.training.earlier import with_replayed

TASK = Classification(["a", "b"])


def recordings(labels: Sequence[str], prefix: str = "") -> tuple[Utterance, ...]:
    return tuple(
        Utterance(f"{prefix}{number}", Path(f"{prefix}{number}.wav"), label)
        for number, label in enumerate(labels)
    )


def new(label: str = "a") -> Dataset:
    own = recordings([label])
    return Dataset("new", own, own, own, speaker_independent=False, given=True, note="As given.")


def test_a_share_is_drawn_of_each_class_and_known_labels_only() -> None:
    """Of 20 a, 5 b and 4 c, a fifth of each that the head has."""
    earlier = recordings("a" * 20 + "b" * 5 + "c" * 4, "old")
    found = with_replayed(new(), earlier, TASK, 0.2, seed=0)
    assert found.train[0] == new().train[0]
    assert Counter(one.label for one in found.train[1:]) == {"a": 4, "b": 1}
    assert found.notices == (
        "4 of 29 earlier training recordings are not replayed, because the head has no output for "
        "their labels.",
    )
    assert found.note == "As given. 5 earlier training recordings are replayed."
    assert (found.valid, found.test) == (new().valid, new().test)


def test_draws_are_nested_and_depend_on_the_seed() -> None:
    earlier = recordings("ab" * 30, "old")
    drawn = [
        {one.key for one in with_replayed(new(), earlier, TASK, share, seed).train}
        for share, seed in ((0.1, 0), (0.2, 0), (0.1, 1))
    ]
    assert drawn[0] < drawn[1]
    assert drawn[2] != drawn[0]
    assert len(with_replayed(new(), earlier, TASK, 0.0, 0).train) == 1
    assert len(with_replayed(new(), earlier, TASK, 1.0, 0).train) == 61


def test_what_cannot_be_replayed_is_an_error() -> None:
    with pytest.raises(RunError, match="no earlier recordings with labels of the new head"):
        with_replayed(new(), recordings("cc", "old"), TASK, 0.5, seed=0)
    tags, few = Tagging(["x", "y", "z"]), recordings(["x", "x|z", "y", "y|z"], "old")
    with pytest.raises(RunError, match=r"share of 0\.1 draws no recordings of some classes"):
        with_replayed(new("x"), few, tags, 0.1, seed=0)
