"""The study of ensembles: what it trains, and what it computes from the outputs of its trials."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from here import Here
from ossicle.backbones import load_backbone
from ossicle.data import Clips, read_data
from ossicle.errors import RunError
from ossicle.inference import AdapterBank
from ossicle.inference import Ensemble as BankedEnsemble
from ossicle.inference.assessment import member_outputs
from ossicle.reports.parts import Figure, Table
from ossicle.studies import Ensemble, Grid, report_study, run_study
from ossicle.studies.ensembles.confidence import confidence_parts
from ossicle.studies.ensembles.pool import Member, Missing, Pool, pools
from ossicle.studies.ensembles.virtual import Decided, Plan, decide, plans, virtual_outcome
from ossicle.training.config import TrainConfig
from ossicle.training.outputs import OUTPUTS, KeptOutputs
from ossicle.trials.outcome import Outcome
from ossicle.votes import VOTES, Soft

RECIPES = ("lora", "bottleneck")
Settings = Callable[..., TrainConfig]


@pytest.fixture(scope="module")
def grid(settings: Settings) -> Grid:
    """Two recipes with two seeds."""
    config = settings(recipe="", epochs=1, track="none")
    return Grid(config=config, recipes=RECIPES, seeds=(0, 1))


@pytest.fixture(scope="module")
def done(grid: Grid, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a finished study."""
    folder = tmp_path_factory.mktemp("studies") / "done"
    found = run_study(Ensemble(), grid, folder, engine=Here(), report=False)
    assert [one.state for one in found.outcomes] == ["finished"] * 4
    return folder


@pytest.fixture
def two_votes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out votes that learn, which take seconds."""
    votes = {name: VOTES[name] for name in ("majority", "soft")}
    monkeypatch.setattr("ossicle.studies.ensembles.virtual.VOTES", votes)


@pytest.fixture
def outcomes(done: Path) -> tuple[Outcome, ...]:
    return report_study(done, write=False).outcomes


@pytest.fixture
def pool(outcomes: tuple[Outcome, ...]) -> Pool:
    (found,) = pools(outcomes)
    return found


def test_the_study_trains_each_recipe_at_the_budget_and_at_its_share(grid: Grid) -> None:
    trials = Ensemble().trials(replace(grid, budgets=(2000,)))
    assert [(one.labels["recipe"], one.labels["budget"]) for one in trials[:4]] == [
        ("lora", 2000),
        ("bottleneck", 2000),
        ("lora", 1000),
        ("bottleneck", 1000),
    ]
    assert {one.runner for one in trials} == {"outputs"}
    assert "budget" not in Ensemble().trials(grid)[0].labels


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": ("lora",)}, "an ensemble needs two or more --recipes"),
        ({"budgets": (2000, 4000)}, "give the study ensemble one --budget: .* to 1/2 of it"),
    ],
)
def test_a_grid_without_an_ensemble_is_refused(
    grid: Grid, changes: dict[str, tuple[object, ...]], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        Ensemble().trials(replace(grid, **changes))


@pytest.mark.thorough
def test_an_ensemble_of_kept_outputs_is_that_of_its_adapters(pool: Pool, corpus: Path) -> None:
    (plan,) = (one for one in plans(pool) if one.label == "mixed: soft")
    found = decide(pool, plan, 1, "")
    assert isinstance(found, Decided)
    bank = AdapterBank(load_backbone(pool.members["lora", 1, ""].trial.config.backbone))
    for recipe, seed in zip(RECIPES, (1, 0), strict=True):  # consecutive, and cyclic
        bank.load(recipe, pool.members[recipe, seed, ""].folder)
    task = found.members[0].kept.task
    by_key = {one.key: one for one in read_data(f"audiofolder:{corpus}").utterances}
    recordings = [by_key[one["key"]] for one in found.decoded]
    clips = Clips(tuple(recordings), (16_000,) * len(recordings), limit=160_000)
    outputs = member_outputs(BankedEnsemble(bank, RECIPES), task, clips, batch_size=4)
    for decoded, of_members in zip(found.decoded, outputs, strict=True):
        expected = Soft().decide(task, of_members).decoded
        assert decoded["label"] == expected["label"]
        assert decoded["probs"] == pytest.approx(expected["probs"], abs=1e-5)


def test_an_ensemble_has_the_parameters_and_sizes_of_its_members_together(pool: Pool) -> None:
    (plan,) = (one for one in plans(pool) if one.label == "mixed: soft")
    outcome = virtual_outcome(pool, plan, 0, "")
    parts = [pool.open((recipe, seed, "")) for seed, recipe in enumerate(RECIPES)]
    members = [one.measured for one in parts if isinstance(one, Member)]
    made = outcome.measured
    assert made is not None
    assert len(members) == 2
    for key in ("trainable", "head"):
        assert made.parameters[key] == sum(one.parameters[key] for one in members)
    bare = members[0].parameters["total"] - members[0].parameters["trainable"]
    assert made.parameters["total"] == bare + made.parameters["trainable"]
    assert made.adapter_bytes == sum(one.adapter_bytes for one in members)
    assert made.rows is members[0].rows
    right = [float(a == b) for a, b in zip(made.predicted, made.rows.labels, strict=True)]
    assert made.scores is not None
    assert made.scores.tolist() == right
    assert made.metrics["accuracy"] == pytest.approx(sum(right) / len(right))


def test_seeds_of_an_ensemble_follow_each_other_cyclically(pool: Pool) -> None:
    (plan,) = (one for one in plans(pool) if one.kind == "seeds" and one.vote is Soft)
    best = plan.recipes[0]
    assert plan.label == f"2 seeds of {best}: soft"
    assert plan.models(pool, 0, "") == [(best, 0, ""), (best, 1, "")]
    assert plan.models(pool, 1, "") == []  # the same two
    more = replace(pool, seeds=(4, 5, 6))
    assert plan.models(more, 6, "") == [(best, 6, ""), (best, 4, "")]
    few = replace(pool, seeds=(0,))
    assert not [one for one in plans(few) if one.kind == "seeds"]


def test_members_are_those_at_the_smaller_budget(outcomes: tuple[Outcome, ...]) -> None:
    def at(budget: int) -> list[Outcome]:
        labelled = [{**one.trial.labels, "budget": budget} for one in outcomes]
        pairs = zip(outcomes, labelled, strict=True)
        return [replace(one, trial=replace(one.trial, labels=labels)) for one, labels in pairs]

    (pool,) = pools([*at(2000), *at(1000)])
    for trials, budget in ((pool.members, 1000), (pool.singles, 2000)):
        assert len(trials) == 4
        assert {one.trial.labels["budget"] for one in trials.values()} == {budget}


@pytest.mark.thorough
def test_members_together_have_no_more_parameters_than_a_single_recipe(
    grid: Grid, tmp_path: Path
) -> None:
    budgeted = replace(grid, budgets=(2000,), seeds=(0,))
    found = run_study(Ensemble(), budgeted, tmp_path / "study", engine=Here())
    (pool,) = pools(found.outcomes)
    (plan,) = (one for one in plans(pool) if one.label == "mixed: soft")
    measured = virtual_outcome(pool, plan, 0, "").measured
    assert measured is not None
    assert measured.parameters["trainable"] - measured.parameters["head"] <= 2000
    assert found.report is not None
    assert found.report.verdict[0].startswith(
        "Claim of Lin et al. 2024: A majority vote over different methods is better than every "
        "single method with as many parameters in total. This"
    )
    single, parts, *notes = found.report.sections[0].parts
    assert isinstance(single, Table)
    assert isinstance(parts, Table)
    assert [row[0].text for row in single.rows[:3]] == ["lora", "bottleneck", "mixed: majority"]
    assert [row[0].text for row in parts.rows][1:] == ["lora at 1/2", "bottleneck at 1/2"]
    assert "Members of ensembles are fitted to 1/2 of the budget of the single recipes." in notes


def test_the_best_recipe_is_chosen_on_validation_recordings_alone(pool: Pool) -> None:
    def changed(value: float, test: float) -> Outcome:
        one = pool.members["lora", 0, ""]
        assert one.measured is not None
        facts = {"valid": {"macro_f1": value}}
        measured = replace(one.measured, facts=facts, metrics={"macro_f1": test})
        return replace(one, measured=measured)

    trials = {("lora", 0, ""): changed(0.5, 0.9), ("bottleneck", 0, ""): changed(0.6, 0.1)}
    assert pool.best(trials) == "bottleneck"


@pytest.mark.usefixtures("two_votes")
def test_an_ensemble_without_one_of_its_members_is_missing_with_the_reason(
    done: Path, tmp_path: Path
) -> None:
    shutil.copytree(done, tmp_path / "study")
    found = report_study(tmp_path / "study", write=False).outcomes
    (pool,) = pools(found)
    (pool.members["bottleneck", 1, ""].folder / OUTPUTS).unlink()
    found = report_study(tmp_path / "study").outcomes
    (pool,) = pools(found)
    (plan,) = (one for one in plans(pool) if one.label == "mixed: soft")
    missing = decide(pool, plan, 0, "")  # lora with seed 0, bottleneck with seed 1
    assert isinstance(missing, Missing)
    assert missing.reason == "its member bottleneck, seed 1 is interrupted"
    assert isinstance(decide(pool, plan, 1, ""), Decided)
    report = (tmp_path / "study" / "report.html").read_text()
    assert "mixed: soft, seed 0: its member bottleneck, seed 1 is interrupted" in report


def test_votes_learn_nothing_from_test_labels(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    learnt = [plan for plan in plans(pool) if plan.vote.learns and plan.kind == "mixed"]

    def fitted() -> list[dict[str, object]]:
        found = [decide(pool, plan, 0, "") for plan in learnt]
        return [one.vote.to_dict() for one in found if isinstance(one, Decided)]

    before = fitted()
    assert len(before) == len(learnt)
    for model in pool.members:
        member = pool.open(model)
        assert isinstance(member, Member)
        test = member.kept.test
        assert set(test.keys).isdisjoint(member.kept.valid.keys)
        turned = tuple("low" if one == "high" else "high" for one in test.labels)
        changed = replace(member.kept, test=replace(test, labels=turned))
        monkeypatch.setitem(pool._opened, model, replace(member, kept=changed))
    assert fitted() == before


def test_a_vote_that_learns_is_left_out_where_validation_recordings_are_test_recordings(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Learner(Soft):
        learns = True

    for model in pool.members:
        member = pool.open(model)
        assert isinstance(member, Member)
        kept = replace(member.kept, valid=member.kept.test)
        monkeypatch.setitem(pool._opened, model, replace(member, kept=kept))
    found = decide(pool, Plan("mixed", "mixed", Learner, RECIPES), 0, "")
    assert isinstance(found, Missing)
    assert "the vote soft learns from the validation recordings, which are the test" in found.reason
    assert isinstance(decide(pool, Plan("mixed", "mixed", Soft, RECIPES), 0, ""), Decided)


@pytest.mark.usefixtures("two_votes")
def test_members_and_votes_are_judged_by_their_confidence_over_all_seeds(pool: Pool) -> None:
    table, coverage, *_ = confidence_parts(pool, 1)
    assert isinstance(table, Table)
    rows = {row[0].text: row for row in table.rows}
    assert list(rows)[:2] == ["lora", "bottleneck"]
    assert {"majority vote", "soft vote"} <= set(rows)
    kept = [found.kept for model in pool.members if isinstance(found := pool.open(model), Member)]
    first = [
        one for one, (recipe, _, _) in zip(kept, pool.members, strict=True) if recipe == "lora"
    ]
    probs = torch.cat([torch.stack(one.test.outputs) for one in first]).softmax(dim=1)
    assert rows["lora"][1].value == len(probs) == 12  # two seeds
    assert rows["lora"][3].value == pytest.approx(100 * float(probs.max(dim=1).values.mean()))
    soft = [
        virtual_outcome(pool, plan, seed, "")
        for plan in plans(pool)
        for seed in pool.seeds
        if plan.label == "mixed: soft"
    ]
    accuracies = [one.measured.metrics["accuracy"] for one in soft if one.measured is not None]
    assert rows["soft vote"][2].value == pytest.approx(100 * sum(accuracies) / 2)
    assert rows["soft vote"][5].text  # a temperature
    assert isinstance(coverage, Figure)
    assert len(coverage.traces) == len(rows)


@pytest.mark.usefixtures("two_votes")
def test_no_temperature_is_fitted_on_test_recordings(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(KeptOutputs, "validates_on_test", True)
    table = confidence_parts(pool, 1)[0]
    assert isinstance(table, Table)
    assert {row[5].text for row in table.rows} == {""}
