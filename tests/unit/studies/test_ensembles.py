"""The analysis of ensembles, on outcomes and outputs made by hand."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from outcomes import outcome, rows

from ossicle.reports.parts import Table
from ossicle.studies.analysis.judging import decide
from ossicle.studies.analysis.sentences import sentence
from ossicle.studies.ensembles.agreement import agreement_parts
from ossicle.studies.ensembles.claims import ask_learning, ask_votes
from ossicle.studies.ensembles.differ import Differ
from ossicle.studies.ensembles.gains import gain_parts
from ossicle.studies.ensembles.mistakes import mistake_parts
from ossicle.studies.ensembles.models import answers, member_answers, successive
from ossicle.studies.ensembles.pool import Pool
from ossicle.trials.outcome import Outcome

TRUE = ["a", "b"] * 4


def turned(right: str) -> list[str]:
    """Return predictions that are right where there is a 1."""
    other = {"a": "b", "b": "a"}
    return [label if one == "1" else other[label] for label, one in zip(TRUE, right, strict=True)]


def pool(right: Mapping[tuple[str, int], str], speakers: int = 0) -> Pool:
    """Return a pool of members that are right where there is a 1."""
    tested = rows(TRUE, speakers=speakers)
    members = {
        (recipe, seed, ""): outcome({"recipe": recipe, "seed": seed}, tested, turned(one))
        for (recipe, seed), one in right.items()
    }
    recipes, seeds = (tuple(dict.fromkeys(part)) for part in zip(*right, strict=True))
    return Pool({}, recipes, seeds, ("",), members, {})


SEEDS = {  # lora errs on the first recordings, bottleneck on the last
    ("lora", 0): "00111111",
    ("lora", 1): "01111111",
    ("bottleneck", 0): "11111100",
    ("bottleneck", 1): "11111100",
}


def table(parts: list[object], name: str) -> Table:
    (found,) = (one for one in parts if isinstance(one, Table) and one.name == name)
    return found


def test_successive_seeds_are_each_pair_once() -> None:
    assert successive((3,)) == []
    assert successive((3, 4)) == [(3, 4)]
    assert successive((3, 4, 5)) == [(3, 4), (4, 5), (5, 3)]


def test_methods_are_compared_with_each_other_and_seeds_with_seeds() -> None:
    found = Differ(pool(SEEDS))
    first, second = found.pair("lora", "bottleneck")
    assert (first.only_first, first.only_second) == (2, 2)
    assert (second.only_first, second.only_second) == (2, 1)
    (seeds,) = found.pair("lora", "lora")
    assert (seeds.both_right, seeds.only_first, seeds.only_second) == (6, 0, 1)
    assert found.oracle == 1
    assert len(found.over_recipes.tests) == 2  # a test for each seed
    assert len(found.over_seeds.tests) == 2  # the same two seeds of each recipe, once
    more = found.disagreement
    assert more is not None
    assert more.recipes == (4 / 8 + 3 / 8) / 2  # a recipe with seed 0, the other with seed 1
    assert more.seeds == (1 / 8 + 0) / 2
    assert more.scores.mean == pytest.approx(7 / 16 - 1 / 16)


def test_the_table_of_pairs_has_the_statistics_of_both_seeds() -> None:
    parts = agreement_parts(pool(SEEDS), 1)
    shown = table(list(parts), "agreement-1")
    assert [row[0].text for row in shown.rows] == [
        "lora and bottleneck",
        "two seeds of lora",
        "two seeds of bottleneck",
    ]
    disagreement, wrong, yule, _, tests = shown.rows[0][1:]
    assert disagreement.value == pytest.approx(100 * (4 / 8 + 3 / 8) / 2)
    assert wrong.value == 0
    assert yule.value == -1
    assert tests.text == "0 of 2 seeds"
    assert shown.rows[2][3].value == 1  # both wrong on the same two
    cochran = table(list(parts), "cochran-1")
    assert [row[0].text for row in cochran.rows] == [
        "methods, seed 0",
        "methods, seed 1",
        "lora, seeds 0, 1",
        "bottleneck, seeds 0, 1",
    ]


def test_a_seed_without_all_members_has_no_agreement() -> None:
    found = pool(SEEDS)
    gone = replace(found.members["lora", 0, ""], measured=None, state="pending")
    partial = replace(found, members={**found.members, ("lora", 0, ""): gone})
    assert list(Differ(partial).by_seed) == [1]
    assert Differ(partial).disagreement is None


LEARNS = {
    "methods": ("0" * 30 + "1" * 10, "1" * 10 + "0" * 30, "1" * 40),
    "alike": ("1" * 40, "1" * 40, "1" * 40),
}


def large(kind: str, changed: int) -> Pool:
    """Return three recipes with six seeds; a seed changes some recordings of each recipe."""
    labels = ["a", "b"] * 20
    tested = rows(labels)
    members = {}
    for number, (recipe, right) in enumerate(zip("xyz", LEARNS[kind], strict=True)):
        for seed in range(6):
            flags = np.array([one == "1" for one in right])
            drawn = np.random.default_rng([seed, number]).permutation(40)[:changed]
            flags[drawn] ^= True
            said = [
                label if flag else "ab"[label == "a"]
                for label, flag in zip(labels, flags, strict=True)
            ]
            members[recipe, seed, ""] = outcome({"recipe": recipe, "seed": seed}, tested, said)
    return Pool({}, tuple("xyz"), tuple(range(6)), ("",), members, {})


def test_methods_learn_differently_if_they_differ_more_than_seeds() -> None:
    (verdict,) = decide(ask_learning(Differ(large("methods", 1))))
    assert verdict.word == "holds"
    said = sentence(verdict)
    assert said.startswith("Claim of Lin et al. 2024: Different methods learn differently: two")
    assert "in disagreement over 6 seeds and 40 recordings" in said


def test_methods_that_differ_as_seeds_do_are_not_said_to_learn_differently() -> None:
    (verdict,) = decide(ask_learning(Differ(large("alike", 12))))
    assert verdict.word != "holds"


def test_claims_are_about_single_recipes_with_as_many_parameters() -> None:
    tested = rows(TRUE)
    right = {"lora": "11110000", "mixed: majority": "11111111", "mixed: soft": "11111110"}
    made = [
        outcome({"recipe": recipe, "seed": seed}, tested, turned(one))
        for recipe, one in right.items()
        for seed in range(2)
    ]
    asked = ask_votes(made, vote="majority", singles=("lora",), seeds=None)
    assert [one.claim.name for one in asked] == ["A2a", "A5a"]  # no weighted vote, no hybrid
    assert asked[0].claim.statement.startswith("A majority vote over different methods")
    assert asked[0].evidence[0].estimate.value == 0.5
    assert len(ask_votes(made, vote="majority", singles=(), seeds=None)) == 1


def test_recordings_gained_and_lost_are_counted() -> None:
    found = pool(SEEDS)
    member = {seed: member_answers(found, "lora", seed) for seed in (0, 1)}
    voted = answers([outcome({"seed": 0}, rows(TRUE), turned("11111110"))])
    known = {seed: one for seed, one in member.items() if one is not None}
    assert voted is not None
    shown, examples = gain_parts("lora", known, {"mixed: soft": {0: voted}}, 1, "")
    assert isinstance(shown, Table)
    assert [one.text for one in shown.rows[0]] == ["mixed: soft", "2.0", "1.0", "+1.0", "5.0", "1"]
    assert isinstance(examples, Table)
    assert [(row[0].text, row[2].text) for row in examples.rows] == [
        ("0", "gained with 1 of 1 seed"),
        ("1", "gained with 1 of 1 seed"),
        ("7", "lost with 1 of 1 seed"),
    ]


def test_mistakes_are_counted_by_class_and_speaker(monkeypatch: pytest.MonkeyPatch) -> None:
    found = pool(SEEDS, speakers=2)
    lengths = {str(number): 0.5 + 0.1 * number for number in range(8)}
    monkeypatch.setattr("ossicle.studies.ensembles.mistakes._seconds", lambda _: lengths)
    columns = {
        recipe: [one for seed in (0, 1) if (one := member_answers(found, recipe, seed))]
        for recipe in found.recipes
    }
    parts = list(mistake_parts(found, columns, 1))
    by_class = table(parts, "mistakes-class-1")
    # lora: a (0, 2, 4, 6) is wrong on 0 with both seeds, b on 1 with one
    assert [one.text for one in by_class.rows[0]] == ["a", "4", "75.0", "75.0"]
    assert [one.text for one in by_class.rows[1]] == ["b", "4", "87.5", "75.0"]
    by_speaker = table(parts, "mistakes-speaker-1")
    assert [row[0].text for row in by_speaker.rows] == ["speaker 0", "speaker 1"]
    by_length = table(parts, "mistakes-length-1")
    assert [(row[0].text, row[1].value) for row in by_length.rows] == [
        ("up to 0.73 s", 3),
        ("0.73 to 0.97 s", 2),
        ("over 0.97 s", 3),
    ]
    assert by_length.rows[0][2].value == pytest.approx(100 * 3 / 6)


def test_tasks_without_right_and_wrong_show_the_correlation_of_scores() -> None:
    found = pool(SEEDS)
    scores = {
        ("lora", 0): [1.0, 2.0, 3.0],
        ("lora", 1): [1.0, 2.0, 3.0],
        ("bottleneck", 0): [0.0, 0.0, 3.0],
        ("bottleneck", 1): [0.0, 0.0, 3.0],
    }

    def regression(recipe: str, seed: int) -> Outcome:
        made = outcome({"recipe": recipe, "seed": seed}, rows(["1", "2", "3"]), ["1", "2", "3"])
        assert made.measured is not None
        values = np.array(scores[recipe, seed], np.float32)
        return replace(made, measured=replace(made.measured, task="regression", scores=values))

    members = {(recipe, seed, ""): regression(recipe, seed) for recipe, seed in scores}
    sentence, shown = agreement_parts(replace(found, members=members), 1)
    assert "Cochran's Q and what is computed from right and wrong answers are left out" in sentence
    assert isinstance(shown, Table)
    assert [row[1].text for row in shown.rows] == ["0.87 ± 0.00", "1.00", "1.00"]
