"""Strategies of a search on score functions with a planted best architecture."""

from collections.abc import Callable, Sequence

import pytest

from ossicle.adapters.count import count
from ossicle.backbones import load_backbone
from ossicle.errors import RunError, SearchError
from ossicle.recipes.recipe import Recipe
from ossicle.search import CONTROLS, build_strategy
from ossicle.search.candidates import DEFAULT_CANDIDATES, architecture, read_candidates
from ossicle.search.choice import best_of, front_of
from ossicle.search.strategy import Problem, Proposal, Tried
from ossicle.training.config import TrainConfig

BUDGET = 20_000
BACKBONE = load_backbone("tiny-hubert", weights=False)  # six layers
CANDIDATES, _ = read_candidates(BACKBONE, DEFAULT_CANDIDATES, BUDGET)


def problem(*, trials: int = 8, seed: int = 0, task: str = "classification") -> Problem:
    return Problem(
        config=TrainConfig(data="demo", backbone="tiny-hubert", epochs=8, task=task),
        candidates=CANDIDATES,
        backbone=BACKBONE,
        budget=BUDGET,
        metric="accuracy",
        lower_is_better=False,
        trials=trials,
        seed=seed,
        epoch_steps=10,
    )


def planted(config: TrainConfig) -> float:
    """Return a score that is best with LoRA in layers 3, 4 and 5 alone."""
    layers: set[int] = set()
    for one in Recipe.parse(config.recipe).placements:
        if one.method.name == "lora":
            layers |= set(one.select(6) or range(6))
    return len(layers & {3, 4, 5}) / 3 - 0.1 * len(layers & {0, 1, 2})


def tried(proposal: Proposal, score: Callable[[TrainConfig], float]) -> Tried:
    if proposal.kind == "probe":
        return Tried(proposal=proposal, score=None, facts={"importance": [0, 1, 2, 5, 4, 3]})
    return Tried(
        proposal=proposal,
        score=score(proposal.config),
        parameters=count(BACKBONE, Recipe.parse(proposal.config.recipe)).trainable,
        epochs=proposal.config.num_epochs,
    )


def searched(name: str, asked: Problem) -> tuple[list[Tried], float]:
    """Return all that a strategy tries, and the planted score of its answer."""
    strategy, found = build_strategy(name, asked), []
    while wave := strategy.propose(found):
        found += [tried(one, planted) for one in wave]
    return found, planted(strategy.answer(found).config)


def recipes(found: Sequence[Tried]) -> list[tuple[str, int]]:
    return [(one.proposal.config.recipe, one.proposal.config.num_epochs) for one in found]


def test_the_probe_places_the_best_candidate_in_the_most_important_layers() -> None:
    found, score = searched("probe", problem())
    assert [one.recipe.placements != () for one in CANDIDATES].count(True) == 4
    assert len(found) == 1 + 4 + 3
    layers = [one.proposal.facts["choice"] for one in found[5:]]
    assert layers == [
        {3: "lora", 4: "lora"},
        {3: "lora", 4: "lora", 5: "lora"},
        {2: "lora", 3: "lora", 4: "lora", 5: "lora"},
    ]
    assert score == 1.0


def test_uniform_tries_each_candidate_in_all_layers_once() -> None:
    found, score = searched("uniform", problem())
    assert [one.proposal.facts["choice"][0] for one in found] == list(DEFAULT_CANDIDATES)
    assert all(len(one.proposal.facts["choice"]) == 6 for one in found)
    assert score == pytest.approx(0.7)


def test_random_architectures_differ_and_meet_budget_and_epochs() -> None:
    found, _ = searched("random", problem(trials=6))
    assert len(found) == len(set(recipes(found))) == 6
    assert all(0 < one.parameters <= BUDGET for one in found)
    assert sum(one.epochs for one in found) == 6 * 8


def test_tpe_trains_the_best_quarter_of_a_wave_with_all_epochs() -> None:
    strategy = build_strategy("tpe", problem())
    first = strategy.propose([])
    assert [one.config.epochs for one in first] == [2] * 8
    assert [one.facts["choice"][0] for one in first[:4]] == [*DEFAULT_CANDIDATES[1:]]
    scores = [0.1, 0.7, 0.3, None, 0.2, 0.9, 0.4, 0.5]
    results = [Tried(proposal=one, score=s, epochs=2) for one, s in zip(first, scores, strict=True)]
    promoted = strategy.propose(results)
    assert [one.config.epochs for one in promoted] == [8, 8]
    assert [one.config.recipe for one in promoted] == [first[n].config.recipe for n in (5, 1)]


@pytest.mark.parametrize("name", ["tpe", "nsga2"])
def test_a_search_that_is_repeated_proposes_the_same(name: str) -> None:
    found, _ = searched(name, problem(trials=10))
    assert sum(one.epochs for one in found) <= 10 * 8
    again, done = build_strategy(name, problem(trials=10)), 0
    while wave := again.propose(found[:done]):  # as after a kill: from the results alone
        expected = [one.proposal.config for one in found[done : done + len(wave)]]
        assert [one.config for one in wave] == expected
        done += len(wave)
    assert done == len(found)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["tpe", "nsga2"])
@pytest.mark.exhaustive
def test_a_search_finds_a_planted_architecture_more_often_than_random_ones(name: str) -> None:
    of_name, of_random = (
        [searched(one, problem(trials=16, seed=seed))[1] for seed in range(5)]
        for one in (name, "random")
    )
    assert sum(a > b for a, b in zip(of_name, of_random, strict=True)) >= 4


def test_the_best_is_a_full_training_and_of_equal_ones_the_smallest() -> None:
    whole = problem().config
    rows = [(0.9, 50, 2), (0.8, 300, 8), (0.8, 200, 8), (None, 1, 8), (0.7, 100, 8)]
    found = [
        Tried(
            proposal=Proposal(config=TrainConfig(**{**whole.to_dict(), "epochs": epochs})),
            score=score,
            parameters=size,
            reason="it diverged" if score is None else None,
        )
        for score, size, epochs in rows
    ]
    assert best_of(found, problem()) is found[2]
    assert front_of(found[1:]) == [found[4], found[2]]
    with pytest.raises(SearchError, match="no training of the search has a result: it diverged"):
        best_of(found[3:4], problem())


def test_layers_share_a_budget_equally_whatever_is_in_them() -> None:
    choice = {0: "lora", **dict.fromkeys(range(1, 6), "bottleneck")}
    lora, bottleneck = architecture(problem(), choice).placements[::-1]
    assert (lora.layers, bottleneck.layers) == ("0", "1,2,3,4,5")
    # A rank costs 2 * (192 + 192) in a layer, a channel 2 * 192 + 1, and a bottleneck its bias 192.
    assert lora.method.settings()["rank"] == 4  # 3,072 of 20,000 / 6 = 3,333
    assert bottleneck.method.settings()["width"] == 8  # 5 * (8 * 385 + 192) = 16,360


def test_candidates_that_are_too_large_are_left_out_with_a_notice() -> None:
    found, notices = read_candidates(BACKBONE, ["skip", "lora", "bias"], 10_000)
    assert [one.name for one in found] == ["skip", "lora"]
    assert notices == (
        "the candidate 'bias' is left out: 'bias' has no size that a budget could change: it "
        "always trains 12,672 parameters without the head, and the budget is 10,000",
    )


@pytest.mark.parametrize(
    ("names", "budget", "message"),
    [
        (["skip", "lora"], 1000, "no candidate fits a budget of 1,000 .* budget of 4608 or more"),
        (["skip"], 20_000, "no candidate fits"),
        (["lora"], 20_000, "'lora' is the only candidate"),
        (["lora", "bias"], 10_000, "'lora' is the only candidate.* 'bias' is left out"),
        (["lora", "lora"], 20_000, "'lora' is given twice"),
        (["lora[2:]", "bias"], 20_000, "names the layers 2:"),
        (["lora", "weighted-sum"], 20_000, "acts at 'layers', which is not in a layer"),
    ],
)
def test_candidates_without_a_choice_are_refused(
    names: list[str], budget: int, message: str
) -> None:
    with pytest.raises(SearchError, match=message):
        read_candidates(BACKBONE, names, budget)


def test_wrong_strategies_are_refused() -> None:
    with pytest.raises(RunError, match=r"no strategy 'tpee'; available: .*Did you mean 'tpe'"):
        build_strategy("tpee", problem())
    with pytest.raises(RunError, match="strategy 'tpe' has no setting 'size'"):
        build_strategy("tpe(size=3)", problem())
    with pytest.raises(SearchError, match="suits the tasks classification"):
        build_strategy("probe", problem(task="asr"))
    assert set(CONTROLS) == {"uniform", "random", "probe"}
