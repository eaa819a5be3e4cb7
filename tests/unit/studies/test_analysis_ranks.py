"""Ranks of recipes over data sets."""

import pytest
from outcomes import outcome, rows, study

from ossicle.studies.analysis.over_data import over_data, ranks_table

FOUR = rows(["a", "b", "a", "b"])
WRONG = {0: ["a", "b", "a", "b"], 1: ["b", "b", "a", "b"], 2: ["b", "a", "a", "b"]}


def results(wrong_by_recipe, **labels):
    """Return one outcome for each recipe and data set, with so many of four recordings wrong."""
    return [
        outcome({"data": f"d{number}", "recipe": name, "seed": 0, **labels}, FOUR, WRONG[wrong])
        for name, wrongs in wrong_by_recipe.items()
        for number, wrong in enumerate(wrongs)
    ]


def test_recipes_are_ranked_on_each_data_set_and_the_ranks_averaged():
    (found,) = over_data(results({"x": [2, 2, 1], "y": [0, 0, 0], "z": [1, 1, 1]}))
    # x has the ranks 3, 3 and 2.5, z has 2, 2 and 2.5.
    assert found.ranks.names == ("y", "z", "x")
    assert found.ranks.average == pytest.approx((1, 6.5 / 3, 8.5 / 3))
    table = ranks_table(found)
    assert [row[0].text for row in table.rows] == ["y", "z", "x"]
    assert [row[1].text for row in table.rows] == ["1.00", "2.17", "2.83"]
    assert list(table.columns) == ["", "average rank", "d0", "d1", "d2"]
    assert table.rows[0][2].text == "100.0"
    notes = " ".join(table.notes)
    assert "p over 3 data sets is about further data sets like these" in notes
    assert "none are told apart" in notes  # the critical difference is 1.91


def test_recipes_that_are_told_apart_are_named():
    wrong = {"x": [2] * 8, "y": [0] * 8, "z": [1] * 8}
    notes = " ".join(ranks_table(over_data(results(wrong))[0]).notes)
    assert "told apart: y from x." in notes  # 3.31 / sqrt(8) = 1.17


def test_a_recipe_that_lacks_a_data_set_is_not_ranked_and_it_says_so():
    (found,) = over_data(results({"x": [1, 1], "y": [0, 0], "z": [2]}))
    assert found.ranks.names == ("y", "x")
    assert ranks_table(found).notes[-1].endswith("not ranked: z")


def test_each_group_has_ranks_of_its_own():
    wrong = {"x": [1, 1], "y": [0, 0]}
    swapped = {"x": [0, 0], "y": [1, 1]}
    found = over_data(results(wrong, shots=1) + results(swapped, shots=2))
    assert [(one.where, one.ranks.names[0]) for one in found] == [
        ("shots 1", "y"),
        ("shots 2", "x"),
    ]
    assert ranks_table(found[1], 2).name == "ranks-2"


def test_one_data_set_has_no_ranks():
    assert over_data(study({"x": 0.5, "y": 0.6}, data="d")) == []
    assert over_data(results({"x": [1, 1]})) == []
