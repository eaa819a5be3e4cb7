"""What differentiable strategies propose and answer, without training."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from ossicle.errors import RunError, SearchError
from ossicle.recipes.recipe import Recipe
from ossicle.search import STRATEGIES, build_strategy
from ossicle.search.bilevel.mixture import gate_names
from ossicle.search.strategy import Candidate, Problem, Tried
from ossicle.training.config import TrainConfig

DIFFERENTIABLE = ("darts", "gdas", "gumbel-darts", "fair-darts", "s3delta")
RECIPES = {
    "skip": "linear",
    "lora@attn.q,attn.v": "lora(rank=2)",
    "seq": "bottleneck(width=4)@ffn + bias@ffn.out",
}
PAGE = Path(__file__).parents[3] / "docs/explanation/differentiable-search.md"


@pytest.fixture
def problem(build):
    candidates = tuple(
        Candidate(name=name, recipe=Recipe(*Recipe.parse(text).placements))
        for name, text in RECIPES.items()
    )
    return Problem(
        config=TrainConfig(backbone="tiny-hubert", data="demo", epochs=5, patience=2),
        candidates=candidates,
        backbone=build("hubert"),
        budget=2000,
        metric="accuracy",
        lower_is_better=False,
        trials=3,
        epoch_steps=4,
        seed=0,
    )


def facts(choice, gates):
    return {
        "choice": choice,
        "candidates": ["skip", "lora-attn-q-attn-v", "seq"],
        "gates": [gates],
        "steps": 9,
    }


def tried(strategy, choice, gates):
    (proposal,) = strategy.propose([])
    return Tried(proposal=proposal, score=0.5, epochs=15, facts=facts(choice, gates))


def test_a_differentiable_strategy_proposes_one_mixture_of_all_candidates(problem):
    (proposal,) = build_strategy("darts(order=first, gates_lr=0.02)", problem).propose([])
    assert proposal.config.recipe == (
        "skip(gate=layers:skip) + lora(rank=2, gate=layers:lora-attn-q-attn-v) "
        "+ bottleneck(width=4, gate=layers:seq) + bias(gate=layers:seq)@ffn.out"
    )
    assert proposal.config == replace(
        problem.config, recipe=proposal.config.recipe, epochs=15, patience=None
    )
    assert (proposal.kind, proposal.settings) == (
        "bilevel",
        {"strategy": "darts(order=first,gates_lr=0.02)"},
    )
    (other,) = build_strategy("darts(mixture=softmax)", problem).propose([])
    assert "gate=softmax:seq" in other.config.recipe


def test_every_relaxation_has_a_strategy_with_published_defaults(problem):
    found = {name: build_strategy(name, problem) for name in DIFFERENTIABLE}
    order = {name: (one.values["order"], one.values["starts_with"]) for name, one in found.items()}
    assert order.pop("gdas") == ("first", "weights")
    assert set(order.values()) == {("second", "gates")}
    assert found["s3delta"].text == "s3delta(budget=2000)"  # that of the problem
    assert not any(STRATEGIES[name].is_control for name in DIFFERENTIABLE)


def test_the_answer_has_the_chosen_candidate_in_each_layer(problem):
    strategy = build_strategy("darts", problem)
    one = tried(
        strategy,
        {"0": "seq", "1": "lora-attn-q-attn-v"},
        {"0": [0.1, 0.2, 0.7], "1": [0.3, 0.4, 0.3]},
    )
    assert strategy.propose([one]) == []
    answer = strategy.answer([one])
    # each has half of the budget of 2000 in its layer
    methods = [
        (one.method.name, one.at, one.layers)
        for one in Recipe.parse(answer.config.recipe).placements
    ]
    assert methods == [
        ("lora", ("attn.q", "attn.v"), "1"),
        ("bottleneck", ("ffn",), "0"),
        ("bias", ("ffn.out",), "0"),
    ]
    assert answer.config == replace(problem.config, recipe=answer.config.recipe)
    assert answer.start == one.proposal
    assert answer.facts["choice"] == {0: "seq", 1: "lora@attn.q,attn.v"}
    assert answer.facts["candidates"] == list(RECIPES)


def test_an_answer_that_skips_every_layer_trains_the_head_alone(problem):
    strategy = build_strategy("darts", problem)
    gates = {"0": [0.5, 0.2, 0.3], "1": [0.4, 0.3, 0.3]}
    answer = strategy.answer([tried(strategy, {"0": "skip", "1": "skip"}, gates)])
    assert answer.config.recipe == "linear"


def test_an_answer_that_is_not_that_of_the_largest_gates_is_only_trained_from_scratch(problem):
    strategy = build_strategy("fair-darts(threshold=0.8)", problem)
    gates = {"0": [0.5, 0.2, 0.9], "1": [0.4, 0.7, 0.3]}
    assert strategy.answer([tried(strategy, {"0": "seq", "1": "skip"}, gates)]).start is None


def test_a_search_that_failed_has_no_answer(problem):
    strategy = build_strategy("gdas", problem)
    (proposal,) = strategy.propose([])
    failed = Tried(proposal=proposal, score=None, reason="the training has diverged")
    with pytest.raises(SearchError, match="'gdas' has found nothing: the training has diverged"):
        strategy.answer([failed])
    with pytest.raises(SearchError, match="it has not been trained yet"):
        strategy.answer([])


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        ({"lora": "lora"}, "needs two or more candidates, and there is 1, 'lora'; add some"),
        ({"lora": "lora", "prefix": "prefix"}, "'prefix' changes the length of sequences"),
    ],
)
def test_candidates_that_cannot_be_mixed_are_refused(problem, recipes, message):
    candidates = tuple(Candidate(name=n, recipe=Recipe.parse(text)) for n, text in recipes.items())
    with pytest.raises(SearchError, match=message):
        build_strategy("darts", replace(problem, candidates=candidates))


def test_settings_of_a_run_that_do_not_suit_are_refused_before_any_training(problem):
    config = replace(problem.config, compile=True, device="cpu")
    with pytest.raises(SearchError, match="--compile does not suit a differentiable search"):
        build_strategy("darts", replace(problem, config=config))


def test_a_wrong_setting_is_refused(problem):
    with pytest.raises(
        RunError, match="order of darts is 'third'; expected second, first or plain"
    ):
        build_strategy("darts(order=third)", problem)


def test_names_of_candidates_are_short_and_unique():
    long = "lora(rank=4, scale=alpha/rank)@attn.q,attn.k,attn.v"
    names = [long + "[0]", long + "[1]", "skip", "skip()", "...", "a"]
    recipes = [Recipe.parse("lora"), Recipe.parse("lora"), Recipe(), *[Recipe.parse("lora")] * 3]
    candidates = [Candidate(name=n, recipe=r) for n, r in zip(names, recipes, strict=True)]
    found = gate_names(candidates)
    assert len(set(found)) == 6
    assert all(0 < len(name) <= 40 for name in found)
    assert found[2] == "skip"
    assert found[3] == "skip-4"


def test_the_page_has_every_setting_with_its_default():
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (`[a-z`, _0-9]+) \| ([^|]+) \|", page, re.MULTILINE))
    shown = {}
    for names, defaults in rows.items():
        names = re.findall(r"`(\w+)`", names)
        values = defaults.replace("`", "").split(" (")[0].split(", ")
        shown |= dict(zip(names, values, strict=True))
    every = {}
    for name in DIFFERENTIABLE:
        every |= {
            key: one.default for key, one in STRATEGIES[name].options.items() if key not in every
        }
    assert shown == {
        key: f"{value:g}" if isinstance(value, float) else str(value)
        for key, value in every.items()
    }
