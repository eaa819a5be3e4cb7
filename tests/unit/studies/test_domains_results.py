"""Gain, forgetting, transfer, claims and the Pareto front, on outcomes that were made up."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from adaptation import SIZE, model, pair

from ossicle.reports.parts import Table
from ossicle.studies.adaptation.between import between
from ossicle.studies.adaptation.claims import ask_pair
from ossicle.studies.adaptation.gains import gain_parts, questions, transfer_table
from ossicle.studies.adaptation.models import Pair, pools
from ossicle.studies.adaptation.plots import Placed, front, placed, scatter
from ossicle.studies.adaptation.report import report_domains
from ossicle.studies.analysis.judging import decide
from ossicle.studies.analysis.sentences import sentence
from ossicle.trials.outcome import Outcome
from ossicle.trials.runners.domains import CURVE

# Right answers of 20 on s and t; with an even number, macro-F1 is the accuracy.
SOURCE, TARGET, JOINT = (18, 4), (6, 8), (16, 14)
WAYS = {"plain": (10, 16), "freeze lora": (18, 14), "keep ewc": (14, 16)}


def the_pair(outcomes: Sequence[Outcome]) -> Pair:
    (pool,) = pools(outcomes)
    (order,) = pool.orders
    return Pair(pool, *order)


@pytest.fixture
def outcomes() -> list[Outcome]:
    return pair(SOURCE, TARGET, JOINT, WAYS)


def values(table: Table, column: str) -> dict[str, float | None]:
    number = list(table.columns).index(column)
    return {row[0].text: row[number].value for row in table.rows}


def tables(outcomes: Sequence[Outcome]) -> dict[str, Table]:
    parts = gain_parts(the_pair(outcomes), 1)
    return {one.name: one for one in parts if isinstance(one, Table)}


def test_gain_is_on_the_target_and_forgetting_on_the_source(outcomes: list[Outcome]) -> None:
    found = tables(outcomes)
    assert values(found["gain-target-only-1"], "target gain in macro-F1") == {
        "joint": pytest.approx(6 / SIZE),
        "two-stage": pytest.approx(8 / SIZE),
        "two-stage, freeze lora": pytest.approx(6 / SIZE),
        "two-stage, keep ewc": pytest.approx(8 / SIZE),
    }
    assert values(found["gain-source-only-1"], "target gain in macro-F1") == {
        "joint": pytest.approx(10 / SIZE),
        "two-stage": pytest.approx(12 / SIZE),
        "two-stage, freeze lora": pytest.approx(10 / SIZE),
        "two-stage, keep ewc": pytest.approx(12 / SIZE),
    }
    forgetting = values(found["forgetting-1"], "forgetting in macro-F1")
    assert forgetting == {
        "joint": pytest.approx(2 / SIZE),
        "two-stage": pytest.approx(8 / SIZE),
        "two-stage, freeze lora": pytest.approx(0.0),
        "two-stage, keep ewc": pytest.approx(4 / SIZE),
    }
    assert values(found["forgetting-1"], "macro-F1 (%)")["two-stage"] == pytest.approx(10 / SIZE)
    over_both = values(found["forgetting-1"], "forgetting in accuracy, over seeds and recordings")
    assert over_both["two-stage"] == pytest.approx(8 / SIZE)


def test_transfer_is_what_the_source_gives_over_the_untrained_model() -> None:
    found = transfer_table(
        the_pair(pair(SOURCE, TARGET, JOINT, {"plain": (10, 16)}, before=(8, 2))), 1
    )
    assert found is not None
    assert values(found, "transfer")["source only"] == pytest.approx((4 - 2) / SIZE)
    assert values(found, "macro-F1 (%)")["untrained"] == pytest.approx(2 / SIZE)


def test_tests_are_corrected_over_the_models_of_a_question(outcomes: list[Outcome]) -> None:
    (question,) = (one for one in questions(the_pair(outcomes)) if one.name == "forgetting")
    rows = question.rows(["two-stage", "two-stage, keep ewc", "two-stage, freeze lora"])
    # six seeds with equal differences: 2 / 2^6, times 3 and 2; no difference: 1
    assert [row.p_repeats for row in rows] == [
        pytest.approx(3 / 32),
        pytest.approx(3 / 32),
        pytest.approx(1.0),
    ]
    assert not any(row.decided for row in rows)
    (alone,) = question.rows(["two-stage"])
    assert alone.p_repeats == pytest.approx(1 / 32)
    assert alone.decided


def test_a_seed_is_compared_with_the_model_that_it_started_from() -> None:
    found = [
        one
        for seed, (before, after) in enumerate([(16, 10), (10, 4)])
        for one in (
            model("s", "alone", {"s": before, "t": 10}, seed=seed),
            model("t", "alone", {"s": 10, "t": 20}, seed=seed),
            model("s → t", "plain", {"s": after, "t": 20}, seed=seed),
        )
    ]
    (question,) = (one for one in questions(the_pair(found)) if one.name == "forgetting")
    (row,) = question.rows(["two-stage"])
    assert row.difference is not None
    assert row.difference.value == pytest.approx(6 / SIZE)
    assert row.difference.repeats.deviation == pytest.approx(0.0)  # 6 with both seeds


def claimed(outcomes: Sequence[Outcome]) -> dict[str, str]:
    """Return the word of each claim by its statement."""
    found = {}
    for line in map(sentence, decide(ask_pair(the_pair(outcomes)))):
        statement, _, rest = line.removeprefix("Claim of Lashkarashvili et al. 2024: ").partition(
            "."
        )
        found[statement] = rest.partition(":")[0].removeprefix(" This ")
    return found


HELPS = (
    "On the target domain, training on the source domain first is better than training on the "
    "target alone, and than no training on it"
)
KEEPS = "With lora frozen in the second stage, nothing is lost on the source domain"
LESS = (
    "On the source domain, the second stage is better with lora frozen than with all modules "
    "trained"
)


def test_claims_hold_where_the_tests_say_so(outcomes: list[Outcome]) -> None:
    found = claimed(outcomes)
    assert found[HELPS] == "holds"
    assert found[LESS] == "holds"
    # the same answers, but a loss of a point cannot be ruled out by so few recordings
    assert found[KEEPS] == "is not decided at this size"
    assert KEEPS.replace("lora", "bottleneck") not in found


def test_claims_do_not_hold_where_the_opposite_is_decided() -> None:
    worse = {"plain": (14, 0), "freeze lora": (6, 0)}
    found = claimed(pair(SOURCE, TARGET, JOINT, worse))
    assert found[HELPS] == "does not hold"
    assert found[LESS] == "does not hold"
    assert found[KEEPS] == "does not hold"


def test_claims_are_not_decided_by_four_seeds_or_small_differences() -> None:
    few = claimed(pair(SOURCE, TARGET, JOINT, WAYS, seeds=4))
    assert few[HELPS] == "is not decided at this size"
    near = {"plain": (16, 10), "freeze lora": (16, 10)}
    close = claimed(pair(SOURCE, TARGET, JOINT, near))
    assert {close[one] for one in (HELPS, LESS, KEEPS)} == {"is not decided at this size"}


def test_freezing_all_modules_is_freezing_lora_where_there_is_nothing_else() -> None:
    ways = {"plain": (10, 16), "freeze all": (18, 14)}
    found = claimed(pair(SOURCE, TARGET, JOINT, ways))
    assert KEEPS in found
    assert KEEPS.replace("lora", "bottleneck") not in found
    assert KEEPS.replace("lora", "lora and bottleneck") not in found


def at(name: str, source: float, target: float) -> Placed:
    return Placed(name, (source, None), (target, None), 1)


def test_the_pareto_front_has_what_nothing_beats_on_both_domains() -> None:
    models = [at("a", 90, 40), at("b", 70, 70), at("c", 70, 60), at("d", 50, 80), at("e", 40, 80)]
    assert [one.name for one in front(models)] == ["d", "b", "a"]
    errors = front(models, higher_is_better=False)
    assert [one.name for one in errors] == ["a", "c", "e"]


def test_models_are_placed_by_both_domains_with_their_spread() -> None:
    some = [model("s", "alone", {"s": n, "t": 4}, seed=n) for n in (10, 12)]
    found = placed(the_pair([*some, model("s → t", "plain", {"s": 10, "t": 20})]))
    assert found is not None
    first = found[1][0]
    assert first.name == "source only"
    assert first.source == (pytest.approx(55.0), pytest.approx(10 / 2**0.5))
    assert first.target == (pytest.approx(20.0), pytest.approx(0.0))
    assert first.seeds == 2


def test_the_plot_names_the_front_first_and_every_model_once(outcomes: list[Outcome]) -> None:
    figure = scatter(the_pair(outcomes), 1)
    assert figure is not None
    names, *points = figure.traces
    best, baselines = ["freeze lora", "keep ewc"], ["source only", "target only", "joint"]
    assert names["text"] == [*best, *baselines, "two-stage"]
    drawn = [row[0] for trace in points for row in trace.get("customdata", [])]
    every = [*baselines, "two-stage", "two-stage, freeze lora", "two-stage, keep ewc"]
    assert sorted(drawn) == sorted(every)


def test_the_curve_joins_both_stages_with_a_band_over_seeds() -> None:
    def curve(seed: int) -> list[dict[str, object]]:
        return [
            {"share": share, "s": {"macro_f1": 0.9 - share / 2}, "t": {"macro_f1": 0.1 * seed}}
            for share in (0.0, 0.5, 1.0)
        ]

    made = [model("s", "alone", {"s": 18, "t": 4}), model("t", "alone", {"s": 4, "t": 18})]
    made += [
        model("s → t", "plain", {"s": 10, "t": 16}, seed=seed, facts={CURVE: curve(seed)})
        for seed in range(6)
    ]
    figure = between(the_pair(made), 1)
    assert figure is not None
    line, band, other = figure.traces
    assert line["name"] == "s"
    assert line["y"] == pytest.approx([90, 65, 40])
    assert other["y"] == pytest.approx([25, 25, 25])
    assert band["meta"] == {"role": "band", "series": 1}
    assert max(band["y"]) == pytest.approx(25 + 10 * 3.5**0.5)  # deviation of 0 ... 5


def test_a_report_is_made_of_what_is_there(outcomes: list[Outcome]) -> None:
    assert report_domains([])[0] == ["No trial is finished yet."]
    first, *others = outcomes[:6]
    pending = [replace(one, state="pending", measured=None) for one in others]
    said, sections = report_domains([first, *pending])
    assert said[-1] == "1 of 6 trials are finished; the rest may change this."
    assert next(one.title for one in sections) == "Results"
    said, sections = report_domains(outcomes)
    assert said[0] == (
        "s → t: in macro-F1, two-stage training reaches 80.0 % on t, training on it alone 40.0 %, "
        "and on s alone 20.0 %; on s, the second stage goes from 90.0 % to 50.0 %."
    )
    assert [one.title for one in sections] == [
        "Results",
        "Gain, forgetting and transfer",
        "Every model on each domain",
    ]


def test_means_of_different_seeds_are_said_to_be_such(outcomes: list[Outcome]) -> None:
    (plain,) = (
        one
        for one in outcomes
        if one.trial.labels["training"] == "plain" and one.trial.labels["seed"] == 0
    )
    pending = replace(plain, state="pending", measured=None)
    said, _ = report_domains([pending if one is plain else one for one in outcomes])
    assert said[0].endswith(
        "(not all have finished the same seeds, so these means differ in seeds)."
    )


def test_recipes_are_reported_apart(outcomes: list[Outcome]) -> None:
    other = [model("s", "alone", {"s": 18, "t": 4}, recipe="bottleneck")]
    assert [(pool.where, pool.number) for pool in pools([*outcomes, *other])] == [
        ("lora", 1),
        ("bottleneck", 2),
    ]
    assert [pool.where for pool in pools(outcomes)] == [""]
