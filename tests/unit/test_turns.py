"""Computations that take turns, and the ratios of their times."""

import pytest

from ossicle.compute.turns import Spread, ratios, seconds_now, take_turns


def test_the_order_rotates_after_an_untimed_round():
    called, shown = [], []
    actions = {name: lambda name=name: called.append(name) for name in "abc"}
    seconds = take_turns(actions, 3, "cpu", lambda *step: shown.append(step))
    assert "".join(called) == "abc" + "abc" + "bca" + "cab"
    assert {name: len(found) for name, found in seconds.items()} == {"a": 3, "b": 3, "c": 3}
    assert shown == [("measuring", done, 12) for done in range(1, 13)]


def test_the_time_of_an_action_is_its_own():
    def busy():
        until = seconds_now("cpu") + 0.02
        while seconds_now("cpu") < until:
            pass

    seconds = take_turns({"idle": lambda: None, "busy": busy}, 2, "cpu")
    assert list(seconds) == ["idle", "busy"]
    assert min(seconds["busy"]) >= 0.02


def test_ratios_are_those_of_the_same_round():
    # 2 / 1, 3 / 2, 8 / 2: 1.5, 2 and 4, whose quartiles are the outer ones
    assert ratios([2, 3, 8], [1, 2, 2]) == Spread(median=2.0, low=1.5, high=4.0)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1, 2], [1])
