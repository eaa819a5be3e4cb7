"""The quick selection covers every method, every family and, over all properties, every pair."""

import pytest

from kinds import ALONE, KINDS, SETTINGS, every, pairs, rotation

ALL = pairs(SETTINGS)


@pytest.mark.parametrize("turn", range(len(KINDS)))
def test_a_property_meets_every_recipe_and_every_kind(turn):
    chosen = rotation(ALL, turn)
    assert chosen <= set(ALL)
    assert {recipe for _, recipe in chosen} == set(SETTINGS)
    assert {kind for kind, _ in chosen} == set(KINDS)
    assert len(chosen) <= len(SETTINGS) + len(KINDS)


def test_a_recipe_that_fits_few_kinds_does_not_leave_the_others_out():
    few = pairs(["chapter", "convpass(grid=true)"])
    assert {kind for kind, _ in rotation(few, turn=3)} == {kind for kind, _ in few}


def test_other_turns_choose_other_pairs_until_all_are_met():
    alone = set(pairs(ALONE.values()))
    assert set().union(*(rotation(alone, turn) for turn in range(len(KINDS)))) == alone


def test_ci_meets_every_recipe_and_every_kind_in_each_property_and_every_pair_in_six():
    sixths = [every(6, ALL, turn) for turn in (4, 8, 9, 11, 12, 13)]
    assert sum(map(len, sixths)) == len(ALL)
    assert set().union(*sixths) == set(ALL)
    for chosen in sixths:
        assert {kind for kind, _ in chosen} == set(KINDS)
        met = {recipe for _, recipe in chosen}
        assert {recipe for recipe in SETTINGS if len(pairs([recipe])) > 5} <= met
