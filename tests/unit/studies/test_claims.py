"""Verdicts on claims, on simulated outcomes whose truth is known."""

import dataclasses

import numpy as np
import pytest
from outcomes import outcome, rows, study

from ossicle.errors import RunError
from ossicle.metrics.metric import Metric
from ossicle.recipes.presets import PRESETS
from ossicle.statistics.crossed import crossed_estimate
from ossicle.studies.analysis.asking import Evidence, ask, ask_all, asked_of
from ossicle.studies.analysis.cell import cells
from ossicle.studies.analysis.claim import Claim, each_with_each
from ossicle.studies.analysis.judging import decide
from ossicle.studies.analysis.listed import chosen_claims, listed_claims
from ossicle.studies.analysis.sentences import judge
from ossicle.studies.results import claims_on

BETTER = Claim(
    statement="LoRA leads",
    source="X 2020",
    pairs=each_with_each(("lora",), ("linear", "bias")),
)
NOTHING = dataclasses.replace(BETTER, kind="not better", margin=0.05)
EQUAL = Claim(
    statement="As good", source="X 2020", kind="equal", margin=0.05, pairs=(("lora", "bias"),)
)
ORDER = dataclasses.replace(BETTER, pairs=(("lora", "bias"), ("bias", "linear")))


def word(claim: Claim, outcomes) -> str:
    ((verdict),) = decide(ask_all([claim], outcomes))
    return verdict.word


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"lora": 0.9, "linear": 0.6, "bias": 0.6}, "holds"),
        ({"lora": 0.6, "linear": 0.9, "bias": 0.5}, "does not hold"),
        ({"lora": 0.75, "linear": 0.75, "bias": 0.6}, "not decided at this size"),
    ],
)
def test_a_claim_that_is_true_holds_and_one_that_is_false_does_not(right, expected):
    assert word(BETTER, study(right, size=100)) == expected


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"lora": 0.9, "bias": 0.7, "linear": 0.5}, "holds"),
        ({"lora": 0.9, "bias": 0.5, "linear": 0.7}, "does not hold"),
        ({"lora": 0.9, "bias": 0.6, "linear": 0.6}, "not decided at this size"),
    ],
)
def test_an_order_holds_only_if_each_of_its_steps_is_shown(right, expected):
    assert word(ORDER, study(right, size=100)) == expected


def test_a_gain_that_is_too_small_to_matter_does_not_hold():
    small = {"lora": 0.72, "linear": 0.70, "bias": 0.70}
    matters = dataclasses.replace(BETTER, margin=0.1)
    (verdict,) = decide(ask_all([matters], study(small, size=2000)))
    assert verdict.word == "does not hold"
    assert all(one.estimate.value > 0 for one in verdict.asked.evidence)


def test_equality_is_not_concluded_from_a_large_p():
    few = study({"lora": 0.7, "bias": 0.7}, size=40)
    (asked,) = ask_all([EQUAL], few)
    difference = asked.evidence[0].estimate
    assert 2 * min(difference.p_above(0.0), difference.p_below(0.0)) > 0.05  # two-sided
    assert decide([asked])[0].word == "not decided at this size"
    assert word(EQUAL, study({"lora": 0.7, "bias": 0.7}, size=2000)) == "holds"
    assert word(EQUAL, study({"lora": 0.9, "bias": 0.7}, size=400)) == "does not hold"
    assert word(EQUAL, study({"lora": 0.7, "bias": 0.9}, size=400)) == "does not hold"


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"lora": 0.6, "linear": 0.8, "bias": 0.8}, "holds"),
        ({"lora": 0.9, "linear": 0.8, "bias": 0.7}, "does not hold"),
        ({"lora": 0.8, "linear": 0.8, "bias": 0.7}, "does not hold"),  # it is better than bias
        ({"lora": 0.7, "linear": 0.7, "bias": 0.7}, "not decided at this size"),
    ],
)
def test_that_something_brings_nothing_is_judged_against_a_margin(right, expected):
    size = 400 if expected != "not decided at this size" else 40
    assert word(NOTHING, study(right, size=size)) == expected


def test_growth_is_a_difference_of_differences():
    claim = Claim(
        statement="LoRA gains more",
        source="X 2020",
        pairs=(("lora", "bias"),),
        over="budget",
        growth=True,
    )

    def outcomes(large: float):
        return [
            *study({"lora": 0.6, "bias": 0.6}, size=200, budget=1),
            *study({"lora": 0.5, "bias": 0.5}, size=200, budget=2),  # between, and left out
            *study({"lora": large, "bias": 0.6}, size=200, budget=10),
        ]

    (asked,) = ask_all([claim], outcomes(0.9))
    assert asked.evidence[0].estimate.value == pytest.approx(0.3, abs=0.05)
    assert "from budget 1 to 10" in asked.evidence[0].name
    assert decide([asked])[0].word == "holds"
    assert word(claim, outcomes(0.4)) == "does not hold"
    few = [one for one in outcomes(0.9) if one.trial.labels["budget"] == 1]
    assert ask_all([claim], few) == []


def test_a_verdict_is_corrected_for_all_claims_that_are_asked_at_once():
    true = study({"lora": 0.72, "linear": 0.6, "bias": 0.6}, size=200)
    alone = decide(ask_all([BETTER], true))
    assert (alone[0].word, alone[0].hypotheses) == ("holds", 2)
    noise = study({"full": 0.7, "norms": 0.7}, size=200)
    other = dataclasses.replace(BETTER, pairs=(("full", "norms"),))
    many = decide(ask_all([BETTER, *[other] * 60], true + noise))
    assert many[0].hypotheses == 122
    assert many[0].p == pytest.approx(min(1.0, 61 * alone[0].p), rel=0.02)
    assert many[0].word == "not decided at this size"
    assert many[0].detectable > 1.3 * alone[0].detectable


def test_what_could_have_been_found_shrinks_with_recordings():
    few, many = (
        decide(ask_all([BETTER], study({"lora": 0.7, "linear": 0.7, "bias": 0.7}, size=size)))[0]
        for size in (40, 400)
    )
    assert 0 < many.detectable < few.detectable < 1


def test_among_claims_of_noise_seldom_any_is_decided_wrongly():
    generator = np.random.default_rng(0)

    def noise() -> Evidence:
        values = generator.normal(0, 0.2, (5, 1)) + generator.normal(0, 0.5, (5, 40))
        estimate = crossed_estimate(values, np.ones_like(values))
        return Evidence("x", estimate, Metric("accuracy"), "recording", 40)

    margin = dataclasses.replace(BETTER, margin=0.0)  # both words are wrong: there is no difference
    wrong = [
        any(
            one.word in ("holds", "does not hold")
            for one in decide([asked_of(margin, [noise()]) for _ in range(8)])
        )
        for _ in range(150)
    ]
    assert np.mean(wrong) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)


@pytest.mark.parametrize(
    ("seeds", "size", "reason"),
    [(4, 100, "4 seeds of at least 5 are finished"), (5, 18, "18 recordings of at least 20")],
)
def test_few_seeds_or_recordings_decide_nothing_however_large_the_difference(seeds, size, reason):
    for claim in (BETTER, NOTHING):
        outcomes = study({"lora": 0.99, "linear": 0.3, "bias": 0.3}, seeds=seeds, size=size)
        (verdict,) = decide(ask_all([claim], outcomes))
        assert verdict.word == "not decided at this size"
        assert verdict.p is None
        assert verdict.asked.fault == reason


def test_answers_that_never_differ_decide_nothing():
    right = {"lora": 1.0, "linear": 1.0, "bias": 1.0}
    (said,) = judge([NOTHING], study(right, size=100))
    assert "is not decided at this size: lora against linear: no two seeds or recordings" in said


def test_a_comparison_that_never_varies_shows_nothing_and_hides_no_other():
    contrary, undecided = (
        decide(ask_all([BETTER], study(right, size=100)))[0]
        for right in (
            {"lora": 0.0, "linear": 0.0, "bias": 0.7},
            {"lora": 1.0, "linear": 1.0, "bias": 0.4},
        )
    )
    assert (contrary.word, contrary.reason) == ("does not hold", None)
    assert contrary.evidence.name == "lora against bias"
    assert undecided.word == "not decided at this size"
    assert undecided.reason == (
        "lora against linear: no two seeds or recordings differ, so no error can be estimated"
    )


def test_missing_cells_leave_a_claim_without_a_result_and_say_so():
    outcomes = study({"lora": 0.9, "bias": 0.5})
    by_key = {(str(one.labels["recipe"]), None): one for one in cells(outcomes)}
    verdict = decide([ask(BETTER, by_key)])[0]
    assert (verdict.word, verdict.p, verdict.evidence) == ("no result", None, None)
    assert verdict.asked.fault == "no trial of linear is finished"
    assert ask_all([BETTER], outcomes) == []  # of a study that does not have the recipe
    apart = [
        outcome({"recipe": name, "seed": seed}, rows(["a", "b"]), ["a", "b"])
        for name, seeds in (("lora", (0,)), ("linear", (1,)), ("bias", (0,)))
        for seed in seeds
    ]
    assert "no repeat of all that is compared" in judge([BETTER], apart)[0]


def test_a_claim_about_another_task_cannot_be_asked():
    outcomes = study({"lora": 0.9, "linear": 0.5, "bias": 0.5})
    other = dataclasses.replace(BETTER, tasks=("regression", "asr"))
    by_key = {(str(one.labels["recipe"]), None): one for one in cells(outcomes)}
    verdict = decide([ask(other, by_key)])[0]
    assert verdict.word == "cannot be asked here"
    assert (
        verdict.asked.fault == "it is about regression or asr, and the task here is classification"
    )
    assert judge([other], outcomes) == []


def test_recordings_that_differ_leave_a_claim_undecided_with_the_reason():
    two = rows(["a", "b"])
    outcomes = [
        outcome({"recipe": name, "seed": 0}, two, ["a", "b"], split=name)
        for name in ("lora", "linear", "bias")
    ]
    assert word(BETTER, outcomes) == "not decided at this size"
    assert "recordings differ" in judge([NOTHING], outcomes)[0]


def test_by_metric_seeds_alone_are_drawn():
    right = {"lora": 0.9, "linear": 0.6, "bias": 0.6}
    (asked,) = ask_all([dataclasses.replace(BETTER, by_metric=True)], study(right, size=60))
    one = asked.evidence[0]
    assert (one.metric.label, one.unit, one.basis) == ("macro-F1", "", "5 seeds")
    assert decide([asked])[0].word == "holds"


def test_a_sentence_states_the_comparison_that_decides():
    (said,) = judge([BETTER], study({"lora": 0.9, "linear": 0.6, "bias": 0.5}, size=100))
    assert said.startswith("Claim of X 2020: LoRA leads. This holds: 2 of 2 comparisons point that")
    assert "least in favour is lora against linear, +" in said
    assert "in accuracy over 5 seeds and 100 recordings, p " in said
    assert said.endswith("corrected for 2 hypotheses.")
    (said,) = judge([BETTER], study({"lora": 0.5, "linear": 0.9, "bias": 0.5}, size=100))
    assert "This does not hold" in said
    assert "most against it is lora against linear, -" in said


def test_a_claim_is_judged_in_each_group_and_only_where_its_recipes_are():
    outcomes = [
        one
        for shots, names in ((1, ("lora", "linear", "bias")), (2, ("lora", "linear")))
        for one in study(dict.fromkeys(names, 0.7), shots=shots)
    ]
    (said,) = judge([BETTER], outcomes)
    assert "with shots 1:" in said


def test_listed_claims_name_presets_and_have_comparisons():
    for claim in listed_claims().values():
        assert bool(claim.pairs) != bool(claim.cannot)
        assert claim.margin > 0
        if claim.study in ("methods", "few-shot", "scaling", "data-size"):
            assert {*claim.recipes} <= {*PRESETS}


def test_claims_are_chosen_by_name_or_group():
    assert [one.name for one in chosen_claims("D5,A2b")] == ["A2b", "D5a", "D5b"]
    assert [one.name for one in chosen_claims("d5A, a2B")] == ["A2b", "D5a"]
    assert [one.name for one in chosen_claims("A")] == [n for n in listed_claims() if n[0] == "A"]
    assert len(chosen_claims("")) == len(listed_claims())
    with pytest.raises(RunError, match="no claim 'D9'; available: A, A1, ") as refused:
        chosen_claims("D9")
    assert " B3" not in str(refused.value)  # which cannot be asked
    with pytest.raises(RunError, match="--only is ' , '; expected names of claims"):
        chosen_claims(" , ")
    with pytest.raises(RunError, match="names the claim D5a twice"):
        chosen_claims("D5,D5a")


def test_the_claims_of_a_table_are_asked_of_a_study_of_its_recipes():
    right = dict.fromkeys(("ast/lora-q", "ast/lora-qk", "ast/lora-qv", "ast/lora-qkvo"), 0.7)
    table = study(right)
    assert [one.claim.name for one in ask_all(claims_on(table), table)] == ["D5a", "D5b"]
    few = study({"ast/pf-par": 0.7, "ast/lora-qv": 0.7}, shots=1)
    assert [one.claim.name for one in ask_all(claims_on(few), few)] == ["D3a"]
    grown = [one for n in (1, 9) for one in study({"lora": 0.7, "bottleneck": 0.7}, budget=n)]
    assert [one.claim.name for one in ask_all(claims_on(grown), grown)] == ["D3b"]
