"""The majority vote, on cases counted by hand."""

import math

import pytest
import torch
from torch import Tensor

from ossicle.errors import RunError
from ossicle.tasks import Classification, Events, Intent, PhoneRecognition, Tagging
from ossicle.votes import Majority


def logits(*probs: list) -> list[Tensor]:
    return [torch.tensor(one).log() for one in probs]


def odds(*probs: list) -> list[Tensor]:
    return [torch.tensor(one).logit() for one in probs]


def test_two_votes_win_against_one_that_is_surer() -> None:
    task = Classification(["a", "b", "c"])
    members = logits([0.4, 0.3, 0.3], [0.4, 0.3, 0.3], [0.01, 0.98, 0.01])
    decision = Majority().decide(task, members)
    assert decision.decoded["label"] == "a"
    # Shares: (2 + 0.81/3) / 4, (1 + 1.58/3) / 4, (0 + 0.61/3) / 4.
    wanted = {"a": 2.27 / 4, "b": (1 + 1.58 / 3) / 4, "c": (0.61 / 3) / 4}
    assert decision.decoded["probs"] == pytest.approx(wanted, abs=1e-6)
    assert task.decode(task.combine_members(members))["label"] == "b"  # the mean says otherwise


def test_the_higher_mean_probability_decides_between_equal_votes_only() -> None:
    task = Classification(["a", "b", "c"])
    # One vote for a and one for b; c has none, and the highest mean is that of c, then of b.
    members = logits([0.46, 0.09, 0.45], [0.05, 0.5, 0.45])
    assert Majority().decide(task, members).decoded["label"] == "b"
    assert task.decode(task.combine_members(members))["label"] == "c"


def test_a_narrow_majority_of_many_members_wins_however_sure_the_others_are() -> None:
    task = Classification(["a", "b"])
    members = logits(*[[0.501, 0.499]] * 51, *[[1e-30, 1.0]] * 50)
    assert Majority().decide(task, members).decoded["label"] == "a"


def test_each_slot_has_votes_of_its_own() -> None:
    task = Intent({"action": ["off", "on"], "object": ["lamp", "music"]})
    members = logits([0.6, 0.4, 0.9, 0.1], [0.6, 0.4, 0.4, 0.6], [0.01, 0.99, 0.4, 0.6])
    assert Majority().decide(task, members).decoded["label"] == "action=off,object=music"


def test_each_tag_has_votes_of_its_own() -> None:
    task = Tagging(["dog", "rain", "wind"])
    # dog: 2 of 3. rain: 1 of 3, and a mean above 1/2. wind: none.
    members = odds([0.6, 0.45, 0.4], [0.6, 0.45, 0.1], [0.1, 0.99, 0.1])
    decision = Majority().decide(task, members)
    assert decision.decoded["label"] == "dog"
    assert decision.decoded["probs"]["dog"] == pytest.approx((2 + 1.3 / 3) / 4)
    assert decision.decoded["probs"]["rain"] == pytest.approx((1 + 1.89 / 3) / 4)


def test_a_tag_with_half_of_the_votes_is_decided_by_its_mean_probability() -> None:
    task = Tagging(["dog", "rain"])
    assert Majority().decide(task, odds([0.6, 0.8], [0.3, 0.4])).decoded["label"] == "rain"


def test_tags_without_votes_are_ranked_by_their_probability_however_small() -> None:
    outputs = [torch.tensor([-60.0, -61.0, 60.0]), torch.tensor([-60.0, -61.0, 60.0])]
    output = Majority().decide(Tagging(["dog", "rain", "wind"]), outputs).output
    assert output is not None
    assert output[1] < output[0] < output[2]
    assert output.isfinite().all()
    assert output[0].item() == pytest.approx(-60 - math.log(3), rel=1e-4)  # p / (M + 1)


@pytest.mark.parametrize(("threshold", "label"), [(0.2, "0-0.3:dog"), (0.7, "-")])
def test_the_threshold_of_an_event_decides_the_votes_and_what_a_majority_gives(
    threshold: float, label: str
) -> None:
    task = Events(["dog"], frame_rate=10, threshold=threshold)
    # Of the threshold 0.2, 2 of 3 members are above it in each frame; of 0.7, one of 3.
    members = odds(*[[[0.1], [0.9], [0.3]], [[0.3], [0.3], [0.1]], [[0.9], [0.1], [0.9]]])
    assert Majority().decide(task, members).decoded["label"] == label


def test_equal_votes_on_an_event_are_decided_by_the_mean_probability_and_the_threshold() -> None:
    task = Events(["dog"], frame_rate=10, threshold=0.3)
    # One vote of two in both frames. Means: 0.33, above the threshold, and 0.26, below it.
    decision = Majority().decide(task, odds([[0.65], [0.5]], [[0.01], [0.02]]))
    assert decision.decoded["label"] == "0-0.1:dog"
    # Frame 0: 0.33 is at 1 - 0.67 / 1.4 of [0, 1], the share (1 + that) / 3, moved back.
    assert decision.output is not None
    share = (1 + 1 - 0.67 / 1.4) / 3
    assert decision.output[0].sigmoid().item() == pytest.approx(1 - 1.4 * (1 - share))


def test_frames_are_voted_on_before_repetitions_and_blanks_are_removed() -> None:
    task = PhoneRecognition(["a", "n"])
    blank, a, n = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
    # Alone they say "a n", "a a" and "a"; by frame: a, a, blank, n.
    members = logits([a, a, blank, n], [a, blank, a, blank], [blank, a, blank, n])
    assert [task.decode(one)["label"] for one in members] == ["a n", "a a", "a n"]
    assert Majority().decide(task, members).decoded["label"] == "a n"
    # By frame a, blank, a: the blank keeps two equal units apart.
    members = logits([a, blank, a], [a, blank, blank], [blank, a, a])
    assert Majority().decide(task, members).decoded["label"] == "a a"


def test_members_with_other_frames_are_refused() -> None:
    with pytest.raises(RunError, match=r"different shapes \(2 x 3, 3 x 3\)"):
        Majority().decide(PhoneRecognition(["a", "n"]), [torch.zeros(2, 3), torch.zeros(3, 3)])
