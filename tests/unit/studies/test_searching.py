"""The report of searches, and the trials of the study of searches."""

import pytest
from searches import CANDIDATES, searches

from ossicle.errors import RunError
from ossicle.reports.parts import Figure, Table
from ossicle.studies import Grid, Search
from ossicle.studies.searching.agreement import agreement
from ossicle.studies.searching.report import report_searches
from ossicle.training.config import TrainConfig

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="", data="demo")
GRID = Grid(config=CONFIG, seeds=(0, 1), budgets=(1000,))


def parts(sections) -> dict:
    found = [part for section in sections for part in section.parts]
    return {one.name: one for one in found if isinstance(one, Table | Figure)}


def texts(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


@pytest.fixture(scope="module")
def report():
    right = {"uniform": 0.8, "random": 0.7, "darts": 0.8}
    verdict, sections = report_searches(searches(right, size=400, speakers=20))
    return verdict, parts(sections)


def test_strategies_are_compared_with_one_method_in_all_layers(report):
    table = report[1]["strategies-1"]
    assert table.columns[0] == "strategy"
    assert any("Differences are to uniform" in note for note in table.notes)
    assert "5" in texts(table)["darts"]


def test_the_claim_about_differentiable_search_is_judged(report):
    said = [one for one in report[0] if one.startswith("Claim of Lin et al. 2024")]
    assert len(said) == 1
    assert "darts over layers does not beat one method in all layers. This " in said[0]
    assert "margin 1.0" in said[0]


@pytest.mark.parametrize(("darts", "word"), [(0.95, "This does not hold"), (0.6, "This holds")])
def test_a_search_that_is_better_contradicts_the_claim(darts, word):
    found = searches({"uniform": 0.8, "darts": darts}, size=400, speakers=20)
    assert any(word in one for one in report_searches(found)[0])


def test_costs_are_means_over_seeds(report):
    rows = texts(report[1]["cost-1"])
    assert rows["darts"] == ["search", "40", "400", "–", "100", "333"]
    assert rows["random"] == ["control", "40", "400", "–", "100", "–"]


def test_continued_answers_are_compared_with_retrained_ones(report):
    rows = texts(report[1]["continued-1"])
    assert rows.keys() == {"darts"}
    assert rows["darts"][2:] == ["+5.0", "0.062", "5"]  # all of five differ in one direction: 2/2^5


def test_gates_are_shown_by_layer_and_epoch(report):
    figure = report[1]["gates-darts-1"]
    assert [trace["name"] for trace in figure.traces] == CANDIDATES
    lora = figure.traces[1]
    assert lora["x"] == ["1", "2", "3"]
    assert lora["z"] == [pytest.approx([0.3, 0.5, 0.7])] * 4
    assert not [name for name in report[1] if name.startswith("gates-random")]


def test_architectures_and_the_front_are_shown(report):
    trace = report[1]["architectures-1"].traces[0]
    assert trace["y"][10] == "darts, seed 0"
    assert trace["text"][10] == ["bias", "lora", "skip", "bias"]
    front = {one["name"]: one for one in report[1]["front-1"].traces}
    assert front["random"]["x"][:3] == [100, 200, 300]
    assert max(front["random"]["y"]) == pytest.approx(70)
    assert report[1]["importance-1"].traces[0]["y"] == [0.1, 0.2, 0.4, 0.3]


def test_agreement_is_that_of_fleiss():
    # Fleiss 1971 by hand: 2 layers, 3 searches. Layer 0: a a b, agreement 1/3; layer 1: b b b, 1.
    # Mean 2/3; chance (2/6)^2 + (4/6)^2 = 5/9; kappa (2/3 - 5/9) / (1 - 5/9) = 1/4
    found = agreement([["a", "b"], ["a", "b"], ["b", "b"]])
    assert found.kappa == pytest.approx(0.25)
    assert found.equal_layers == pytest.approx(2 / 3)
    assert found.unanimous == 1
    assert agreement([["a", "a"], ["a", "a"]]).kappa is None


def test_seeds_of_a_strategy_agree_or_not(report):
    rows = texts(report[1]["agreement-1"])
    assert rows["uniform"] == ["5", "100.0", "–", "4 of 4"]
    # of five architectures, two have LoRA and three have biases in the last layer: 4 of 10 pairs
    assert rows["darts"][:2] == ["5", "85.0"]
    assert rows["darts"][3] == "3 of 4"


def test_the_trials_are_searches_with_all_controls_and_seeds():
    found = Search(strategies="darts(order=first),tpe", trainings=3).trials(GRID)
    labels = [(one.labels["seed"], one.labels["recipe"]) for one in found]
    names = ["uniform", "random", "probe", "darts(order=first)", "tpe"]
    assert labels == [(seed, name) for seed in (0, 1) for name in names]
    assert {one.runner for one in found} == {"search"}
    assert found[3].settings == {
        "strategy": "darts(order=first)",
        "budget": 1000,
        "candidates": "skip,bottleneck,parallel,lora,bias",
        "trials": 3,
    }


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"budgets": ()}, {}, "needs a --budget"),
        ({"recipes": ("lora",)}, {}, "leave --recipes and --baseline out"),
        ({}, {"strategies": "dartz"}, "dartz"),
        ({}, {"strategies": "tpe,tpe"}, "tpe is given twice"),
        ({}, {"strategies": ","}, "none were given"),
    ],
)
def test_a_search_that_cannot_be_declared_is_refused(change, options, message):
    grid = Grid(**{"config": CONFIG, "budgets": (1000,), **change})
    with pytest.raises(RunError, match=message):
        Search(**options).trials(grid)


def test_a_search_needs_a_training():
    with pytest.raises(RunError, match="trainings is 0"):
        Search(trainings=0)
