"""Cross-fitting, with a vote that says what it was fitted on."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from ossicle.errors import LabelError
from ossicle.tasks import Classification, Task
from ossicle.votes import Decision, Soft, Vote, cross_fitted

TASK = Classification(["a", "b"])


class Recorder(Vote):
    """A vote whose decision holds the recordings it was fitted on, and the one it decides."""

    name: ClassVar[str] = "recorder"
    learns: ClassVar[bool] = True

    def __init__(self, seen: set[int]) -> None:
        self.seen = seen

    @classmethod
    def supports(cls, task: Task) -> bool:
        del task
        return True

    @classmethod
    def fit(
        cls, task: Task, outputs: Sequence[Sequence[Tensor]], labels: Sequence[str]
    ) -> "Recorder":
        del task
        assert [labels_of(row) for row in rows(outputs)] == list(labels)
        return cls(set(rows(outputs)))

    def decide(self, task: Task, outputs: Sequence[Tensor]) -> Decision:
        del task
        (row,) = rows([outputs])
        return Decision({"label": "", "row": row, "seen": self.seen}, None)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Recorder":
        raise NotImplementedError


def rows(outputs: Sequence[Sequence[Tensor]]) -> list[int]:
    return [int(one[0][0]) for one in outputs]


def labels_of(row: int) -> str:
    return "b" if row % 4 == 0 else "a"


def given(count: int) -> tuple[list[list[Tensor]], list[str]]:
    return [[torch.tensor([float(row), 0.0])] for row in range(count)], [
        labels_of(row) for row in range(count)
    ]


def seen(**how: Any) -> list[set[int]]:
    outputs, labels = given(20)
    decided = cross_fitted(Recorder, TASK, outputs, labels, **how)
    assert [one.decoded["row"] for one in decided] == list(range(20))
    return [one.decoded["seen"] for one in decided]


def test_a_recording_is_decided_by_a_vote_that_was_fitted_on_the_four_other_fifths() -> None:
    for row, others in enumerate(seen()):
        assert row not in others
        assert len(others) == 16
        assert sum(labels_of(one) == "b" for one in others) == 4  # of 5: classes are spread evenly


def test_no_speaker_is_on_both_sides() -> None:
    groups = [f"speaker {row % 3}" for row in range(20)]
    for row, others in enumerate(seen(groups=groups)):
        assert {groups[one] for one in others} == set(groups) - {groups[row]}


def test_the_seed_draws_the_parts() -> None:
    assert seen(seed=1) == seen(seed=1) != seen(seed=2)
    groups = [f"speaker {row // 2}" for row in range(20)]
    assert seen(groups=groups, seed=1) == seen(groups=groups, seed=1) != seen(groups=groups, seed=2)


def test_three_recordings_make_three_parts() -> None:
    outputs, labels = given(3)
    decided = cross_fitted(Recorder, TASK, outputs, labels)
    assert [one.decoded["seen"] for one in decided] == [{1, 2}, {0, 2}, {0, 1}]


def test_a_label_of_one_recording_does_not_prevent_even_parts() -> None:
    outputs, _ = given(8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(f"{__name__}.labels_of", lambda row: "aaaaabcd"[row])
        decided = cross_fitted(Recorder, TASK, outputs, list("aaaaabcd"), folds=4)
    assert all(len(one.decoded["seen"]) == 6 for one in decided)


@pytest.mark.parametrize(
    ("count", "groups", "what"),
    [(1, None, "1 validation recording;"), (4, ["x"] * 4, "1 .*speaker")],
)
def test_one_recording_or_one_speaker_is_too_few(count, groups, what) -> None:
    with pytest.raises(LabelError, match=rf"{what}.*at least 2.*soft or majority"):
        cross_fitted(Recorder, TASK, *given(count), groups)


def test_a_vote_that_learns_nothing_decides_all_recordings() -> None:
    decided = cross_fitted(Soft, TASK, *given(1))
    assert [one.decoded["label"] for one in decided] == ["a"]
