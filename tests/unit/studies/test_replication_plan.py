"""What the study of claims trains, chooses, leaves out and refuses."""

from dataclasses import replace

import pytest
from replication import (
    CALM_EXCITED,
    CONFIG,
    GRID,
    ORDERED,
    QKVO,
    QV,
    finished,
    labels_of,
)

from ossicle.errors import RunError
from ossicle.studies import Claims
from ossicle.studies.replication.choosing import choices
from ossicle.studies.replication.plan import chosen_trials, first_trials
from ossicle.trials.trial import Trial


def test_each_recipe_is_tried_at_every_rate_and_number_of_epochs_without_a_test() -> None:
    trials = first_trials(ORDERED, GRID)
    tried = [one for one in trials if one.labels["settings"] == "choice"]
    assert {one.runner for one in tried} == {"validated"}
    assert {one.config.seed for one in tried} == {0}
    rates, epochs = ORDERED.grid_of_settings
    for recipe in (QKVO, QV):
        own = [one for one in tried if one.labels["recipe"] == recipe]
        grid = {(one.config.lr, one.config.epochs) for one in own}
        assert grid == {(rate, number) for rate in rates for number in epochs}
        assert len(own) == len(grid)
    published = [one.config for one in trials if one.labels["settings"] == "published"]
    assert {(one.lr, one.schedule, one.epochs, one.seed) for one in published} == {
        (5e-3, "cosine", 15, seed)
        for seed in range(5)  # not 50 epochs, which the grid has not
    }


def test_the_best_on_validation_is_trained_with_all_seeds() -> None:
    first = first_trials(ORDERED, GRID)
    tried = [one for one in first if one.labels["settings"] == "choice"]
    best = {QKVO: (3e-3, 5), QV: (1e-2, 15)}

    def good(trial: Trial) -> float:
        own = best[str(trial.labels["recipe"])]
        return 0.9 if (trial.config.lr, trial.config.epochs) == own else 0.5

    outcomes = [finished(one, good(one)) for one in tried]
    chosen = chosen_trials(ORDERED, GRID, outcomes)
    for recipe, settings in best.items():
        own = [one.config for one in chosen if one.labels["recipe"] == recipe]
        assert [one.seed for one in own] == [0, 1, 2, 3, 4]
        assert {(one.lr, one.epochs) for one in own} == {settings}
    assert {one.runner for one in chosen} == {"train"}


def test_nothing_is_chosen_before_all_are_tried_and_a_failed_one_does_not_stop_it() -> None:
    tried = [one for one in first_trials(ORDERED, GRID) if one.labels["settings"] == "choice"]
    outcomes = [finished(one, 0.7) for one in tried]
    assert len(choices(outcomes)) == 2
    assert len(choices([replace(outcomes[0], measured=None, state="pending"), *outcomes[1:]])) == 1
    failed = [replace(outcomes[0], measured=None, state="failed"), *outcomes[1:]]
    assert len(choices(failed)) == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipes": ("lora",)}, "leave --recipes out"),
        ({"budgets": (1000,)}, "leave --budget out"),
        ({"config": replace(CONFIG, lr=1e-3)}, "sets lr itself; leave --settings out"),
        ({"config": replace(CONFIG, shots=2)}, "sets shots itself; leave --shots out"),
        ({"config": replace(CONFIG, parent="run")}, "sets parent itself; leave --from out"),
    ],
)
def test_what_the_study_decides_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(RunError, match=message):
        ORDERED.trials(replace(GRID, **changes))


def test_wrong_options_are_refused_at_once() -> None:
    with pytest.raises(RunError, match="no claim 'D0'"):
        Claims(only="D0")
    with pytest.raises(RunError, match="expected two, separated by a semicolon"):
        Claims(domains="emodb:x")
    with pytest.raises(RunError, match="has 'demo' twice; expected two different domains"):
        Claims(domains="demo; demo")
    with pytest.raises(RunError, match="lr"):
        Claims(lr="fast")
    with pytest.raises(RunError, match="epochs"):
        Claims(epochs="0")
    with pytest.raises(RunError, match="quick"):
        Claims(size="tiny")


def test_claims_over_a_label_and_of_other_studies_have_trials_of_their_own() -> None:
    study = Claims(only="A2,A4a,B5b,D3")
    first = first_trials(study, GRID)
    outcomes = [finished(one, 0.7) for one in first]
    found = chosen_trials(study, GRID, outcomes)
    over = {
        name: {
            one.labels[name] for one in found if name in one.labels and "study" not in one.labels
        }
        for name in ("shots", "budget", "fraction")
    }
    assert over == {"shots": {2, 8}, "budget": {5_000, 40_000}, "fraction": {0.1, 1.0}}
    whole = [one for one in found if one.labels.get("fraction") == 1.0]
    assert {one.config.train_fraction for one in whole} == {None}
    members = [one for one in found if one.labels.get("study") == "ensemble"]
    assert {(one.labels["recipe"], one.labels["budget"]) for one in members} == {
        *(
            (f"superb/{name}", n)
            for name in ("houlsby", "parallel", "lora")
            for n in (30_000, 10_000)
        ),
        ("superb/hybrid", 30_000),
    }
    assert {one.runner for one in members} == {"outputs"}
    assert "further trials follow" in study.outlook(GRID)


def test_a_claim_with_a_recipe_that_does_not_fit_trains_none_of_its_recipes() -> None:
    study = Claims(only="B1,D5b")
    grid = replace(GRID, config=replace(CONFIG, backbone="tiny-ast"), backbones=("tiny-ast",))
    first = first_trials(study, grid)
    unfit = [one for one in first if str(one.labels["recipe"]).startswith("elp/")]
    assert labels_of(unfit, "recipe") == {"elp/elp"}  # whose reason is kept; not elp/full
    assert labels_of(unfit, "settings") == {"choice"}
    assert labels_of(first, "recipe") == {"elp/elp", QKVO, QV}
    (said,) = study.remarks(grid)
    assert said.startswith("Cannot be asked: B1: elp/elp: ast has no site 'transformer'")
    assert study.outlook(grid).startswith("10 further trials follow")


def test_a_recipe_that_fits_one_backbone_alone_is_trained_there_alone() -> None:
    study = Claims(only="B1,D5b")
    first = first_trials(study, replace(GRID, backbones=("tiny-hubert", "tiny-ast")))
    places = {(one.labels["backbone"], one.labels["recipe"]) for one in first}
    assert places == {
        *(("tiny-hubert", recipe) for recipe in ("elp/elp", "elp/full", QKVO, QV)),
        *(("tiny-ast", recipe) for recipe in ("elp/elp", QKVO, QV)),
    }
    (said,) = study.remarks(replace(GRID, backbones=("tiny-hubert", "tiny-ast")))
    assert said.endswith(" (backbone tiny-ast).")


def test_a_claim_with_more_shots_than_a_class_has_is_not_asked() -> None:
    two = "demo?where=manner=calm,voice=andy,voice=anika,voice=antonio,voice=annie"
    study, grid = Claims(only="D3a,D5b"), replace(GRID, data=(two,))
    shots = [one for one in first_trials(study, grid) if "shots" in one.labels]
    assert labels_of(shots, "shots") == {8}  # whose reason is kept; 2 could be trained
    (said,) = study.remarks(grid)
    assert "D3a: ast/pf-par: 8 recordings of each class are more than" in said


@pytest.mark.parametrize(
    ("only", "why"),
    [
        ("B3", "B3: a corpus here has one task, and the claim compares tasks"),
        ("B2b", "B2b: it is about verification, and the task of these data is classification"),
        ("C4", "C4a, C4b, C4c: it needs two domains with the same labels: give --domains"),
        ("D6", "D6: ast/adapter+dpt-25: drop_distillation removes the distillation token, which"),
    ],
)
def test_if_no_claim_can_be_asked_each_reason_is_in_the_message(only: str, why: str) -> None:
    with pytest.raises(RunError) as refused:
        first_trials(Claims(only=only), GRID)
    assert str(refused.value).startswith(f"no claim can be asked. {why}")


def test_what_cannot_be_decided_is_known_before_the_first_trial() -> None:
    assert ORDERED.remarks(GRID) == []
    assert ORDERED.remarks(replace(GRID, seeds=(0, 1))) == [
        "No claim can be decided with 2 seeds: it needs at least 5, as in --seeds 0,1,2,3,4."
    ]
    assert Claims(only="D5b,B2a").remarks(GRID) == [
        "Cannot be asked: B2a: it is about asr or words or phones, and the task of these data is "
        "classification."
    ]
    both = replace(GRID, backbones=("tiny-hubert", "tiny-ast"))
    assert Claims(only="D5b,B2a").remarks(both) == Claims(only="D5b,B2a").remarks(GRID)
    assert len(Claims().remarks(GRID)) > 5  # each reason, without --only too
    with_folds = Claims(only="C4,D5b", domains=CALM_EXCITED).remarks(replace(GRID, folds="3"))
    assert with_folds == ["--folds does not apply to --domains, of which each has its own split."]


def test_ties_go_to_the_lower_rate_and_then_to_fewer_epochs() -> None:
    study = Claims(only="D5b", lr="1e-2,1e-3", epochs="5,2")
    tried = [one for one in first_trials(study, GRID) if one.labels["settings"] == "choice"]
    assert [*choices([finished(one, 0.7) for one in tried]).values()] == [
        {"lr": 1e-3, "epochs": 2},
        {"lr": 1e-3, "epochs": 2},
    ]


def test_the_trials_on_two_domains_are_counted_before_they_are_declared() -> None:
    study = Claims(only="C4", domains=CALM_EXCITED)
    first = first_trials(study, GRID)
    assert labels_of(first, "study") == {"domains"}
    outcomes = [finished(one, 0.7) for one in first]
    following = chosen_trials(study, GRID, outcomes)
    # on each of five seeds: two domains, both together, two stages, and three with frozen modules
    assert len(following) == 5 * 7
    assert study.outlook(GRID).startswith("35 further trials follow ")


@pytest.mark.parametrize(
    ("study", "changes", "message"),
    [
        (Claims(only="D5b", domains=CALM_EXCITED), {}, "--domains is for the claims C4a"),
        (Claims(only="C4", domains=CALM_EXCITED), {"data": ("x",)}, "leave --data out"),
        (Claims(only="C4", domains=CALM_EXCITED), {"folds": "3"}, "leave --folds out"),
    ],
)
def test_data_of_which_no_claim_is_asked_are_refused(
    study: Claims, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        study.trials(replace(GRID, **changes))
