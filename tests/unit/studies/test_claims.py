"""Whether a study supports a claim: the word, on results that leave no doubt and on others."""

import dataclasses

import pytest
from outcomes import outcome, rows, study

from ossicle.recipes.presets import PRESETS
from ossicle.studies.analysis.claim import Claim, judge
from ossicle.studies.claims import CLAIMS, SPECIAL, claims_on

BETTER = Claim(statement="LoRA leads", source="X 2020", first=("lora",), second=("linear", "bias"))
NOTHING = Claim(
    statement="Both bring nothing",
    source="X 2020",
    first=("lora",),
    second=("linear", "bias"),
    at_most=0.05,
)


def word(claim, outcomes):
    (said,) = judge([claim], outcomes)
    assert said.startswith(f"Claim of X 2020: {claim.statement}. This ")
    return said.split("This ")[1].split(":")[0]  # with the verb of the sentence


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"lora": 0.95, "linear": 0.6, "bias": 0.5}, "holds"),
        ({"lora": 0.5, "linear": 0.95, "bias": 0.5}, "does not hold"),
        ({"lora": 0.95, "linear": 0.94, "bias": 0.5}, "is not decided at this size"),
    ],
)
def test_a_claim_of_an_order_holds_only_if_every_pair_is_decided(right, expected):
    assert word(BETTER, study(right, seeds=2, folds=5, size=40)) == expected


@pytest.mark.parametrize(
    ("right", "size", "expected"),
    [
        ({"lora": 0.7, "linear": 0.9, "bias": 0.6}, 40, "holds"),
        ({"lora": 0.9, "linear": 0.6, "bias": 0.7}, 40, "does not hold"),
        ({"lora": 0.7, "linear": 0.7, "bias": 0.6}, 20, "is not decided at this size"),
    ],
)
def test_a_claim_of_no_gain_is_judged_by_the_interval_of_the_best_of_each(right, size, expected):
    assert word(NOTHING, study(right, seeds=3, folds=5, size=size)) == expected


def test_few_repeats_decide_no_order_and_one_seed_no_margin():
    right = {"lora": 0.99, "linear": 0.5, "bias": 0.5}
    assert word(BETTER, study(right, seeds=5)) == "is not decided at this size"
    assert word(NOTHING, study(right, seeds=1, folds=5)) == "is not decided at this size"


def test_a_claim_states_its_evidence():
    outcomes = study({"lora": 0.95, "linear": 0.6, "bias": 0.5}, seeds=2, folds=5)
    (said,) = judge([BETTER], outcomes)
    assert "2 of 2 comparisons point that way, 2 of them decided, and 0 are decided the" in said
    assert "least in favour is lora against linear, +" in said
    assert "10 repeats" in said


def test_a_claim_is_judged_in_each_group_and_only_where_its_recipes_are():
    outcomes = [
        one
        for shots, names in ((1, ("lora", "linear", "bias")), (2, ("lora", "linear")))
        for one in study(dict.fromkeys(names, 0.7), shots=shots)
    ]
    (said,) = judge([BETTER], outcomes)
    assert "with shots 1:" in said
    assert judge([BETTER], study({"lora": 0.7})) == []
    assert judge([dataclasses.replace(BETTER, task="regression")], outcomes) == []


def test_recordings_that_differ_leave_a_claim_undecided_with_the_reason():
    two = rows(["a", "b"])
    outcomes = [
        outcome({"recipe": name, "seed": 0}, two, ["a", "b"], split=name)
        for name in ("lora", "linear", "bias")
    ]
    assert word(BETTER, outcomes) == "is not decided at this size"
    assert "recordings differ" in judge([NOTHING], outcomes)[0]


def test_claims_name_presets():
    for claim in (*CLAIMS, *(one for claims in SPECIAL.values() for one in claims)):
        assert {*claim.first, *claim.second} <= {*PRESETS}
        assert not claim.zipped or len(claim.first) == len(claim.second)


def test_the_claims_of_a_table_are_tested_by_a_study_of_its_recipes():
    right = dict.fromkeys(("ast/lora-q", "ast/lora-qk", "ast/lora-qv", "ast/lora-qkvo"), 0.7)
    said = claims_on(study(right, seeds=2))
    assert [one.split(": ")[0] for one in said] == [
        "Claim of Cappellazzo et al. 2023, table IV"
    ] * 2
    few = study({"ast/pf-par": 0.7, "ast/lora-qv": 0.7}, seeds=2, shots=1)
    (one,) = claims_on(few)
    assert "With few labelled recordings of each class, adapters lead LoRA. This" in one


def test_a_claim_that_does_not_hold_names_a_comparison_that_is_decided_against_it():
    right = {"lora": 0.5, "linear": 0.9, "bias": 0.5}
    (said,) = judge([BETTER], study(right, seeds=2, folds=5))
    assert "This does not hold" in said
    assert "least in favour is lora against linear, -" in said
    budgets = study({"lora": 0.7, "bottleneck": 0.7, "houlsby": 0.7}, budget=1000)
    assert "With more parameters, LoRA leads adapters" in claims_on(budgets)[0]
