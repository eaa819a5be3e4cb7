"""The study of claims: its trials, what it chooses, and its table of verdicts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from adaptation import pair
from outcomes import outcome, rows

from ossicle.errors import RunError
from ossicle.reports.parts import Table
from ossicle.studies import Claims, Grid
from ossicle.studies.replication.choosing import choices
from ossicle.studies.replication.plan import chosen_trials, first_trials
from ossicle.studies.replication.report import report_claims
from ossicle.training.config import TrainConfig
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial

CONFIG = TrainConfig(backbone="tiny-hubert", recipe="", data="demo")
GRID = Grid(config=CONFIG, seeds=(0, 1, 2, 3, 4))
ORDERED = Claims(only="D5b")
QKVO, QV = "ast/lora-qkvo", "ast/lora-qv"
LABELS = ["a", "b"] * 60


def finished(trial: Trial, right: float, state: str = "finished") -> Outcome:
    """Return the outcome of a trial that is right about so often."""
    tested = rows(LABELS)
    drawn = np.random.default_rng([trial.config.seed, sum(str(trial.labels["recipe"]).encode())])
    is_right = drawn.random(len(LABELS)) < right
    said = np.where(is_right == (np.arange(len(LABELS)) % 2 == 0), "a", "b").tolist()
    one = outcome(trial.labels, tested, said, state=state)
    return replace(one, trial=trial)


def trained(trials: Sequence[Trial], right: dict[str, float]) -> list[Outcome]:
    return [finished(one, right[str(one.labels["recipe"])]) for one in trials]


def texts(table: Table) -> list[dict[str, str]]:
    return [
        {name: cell.text for name, cell in zip(table.columns, row, strict=True)}
        for row in table.rows
    ]


def run(study: Claims, right: dict[str, float]) -> list[Outcome]:
    """Return the outcomes of all trials of a study, the second part after the first."""
    first = trained(first_trials(study, GRID), right)
    return first + trained(chosen_trials(study, GRID, first), right)


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


def test_another_grid_is_tried_and_choices_at_its_ends_are_counted() -> None:
    study = Claims(only="D5b", lr="1e-3,3e-2", epochs="7")
    first = first_trials(study, GRID)
    choosing = [one for one in first if one.labels["settings"] == "choice"]
    assert [(one.config.lr, one.config.epochs) for one in choosing] == [(1e-3, 7), (3e-2, 7)] * 2
    published = [one for one in first if one.labels["settings"] == "published"]
    assert {one.config.epochs for one in published} == {7}
    best = {(QKVO, 3e-2): 0.9, (QV, 1e-3): 0.9}
    outcomes = [
        finished(one, best.get((str(one.labels["recipe"]), one.config.lr or 0.0), 0.5))
        for one in first
    ]
    said, _ = report_claims(study, outcomes)
    assert (
        "At an end of the grid, where a wider one may be better: 1 of 2 choices at the highest "
        "rate, 1 at the lowest rate."
    ) in said


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
    ("right", "word"),
    [
        ({QKVO: 0.95, QV: 0.6}, "holds on this small backbone"),
        (
            {QKVO: 0.6, QV: 0.95},
            "does not hold on this small backbone: a gain of 0.5 is excluded",
        ),
        ({QKVO: 0.8, QV: 0.8}, "not decided at this size"),
    ],
)
def test_the_report_begins_with_the_table_of_verdicts(right: dict[str, float], word: str) -> None:
    outcomes = run(ORDERED, right)
    for one in outcomes:
        assert one.measured is not None
        one.measured.parameters["total"] = 3e6  # type: ignore[index] # a dict
    said, sections = report_claims(ORDERED, outcomes)
    table = sections[0].parts[0]
    assert [one.title for one in sections if one.opens] == ["Verdicts"]
    assert isinstance(table, Table)
    (row,) = texts(table)
    assert row["claim"] == "D5b"
    assert row["verdict"] == word
    assert row["of"] == "ast/lora-qkvo against ast/lora-qv"
    assert (row["seeds"], row["recordings"]) == ("5", "120")
    # of table IV: (-0.30 - 0.32 + 0.47 + 2.90) / 4
    assert row["published difference"] == "+0.7, mean of 4 corpora"
    assert row["matters from"] == "0.5"
    assert float(row["could have been found"]) > 0.5
    plain = word.partition(" on this small backbone")[0]
    assert row["with published settings"].startswith(f"{plain} with 15 of 50 epochs, ")
    assert "neither confirm nor refute" in " ".join(said)
    assert "Intervals and p cover other recordings, not other speakers" in " ".join(said)
    assert [one.title for one in sections] == [
        *("Verdicts", "Comparisons", "Settings", "With the settings of the publications"),
        "Results",
    ]


def test_a_metric_that_no_recording_has_is_judged_over_seeds_and_the_report_says_so() -> None:
    study = Claims(only="B2b")
    grid = replace(GRID, config=replace(CONFIG, task="verification"))
    eer = {"elp/lp": [0.20, 0.21, 0.19, 0.22, 0.20], "elp/ep": [0.30, 0.30, 0.31, 0.29, 0.30]}

    def verified(trials: Sequence[Trial]) -> list[Outcome]:
        found = []
        for one in trials:
            shown = finished(one, 0.5)
            assert shown.measured is not None
            metrics = {"eer": eer[str(one.labels["recipe"])][one.config.seed]}
            measured = replace(shown.measured, task="verification", metrics=metrics, scores=None)
            found.append(replace(shown, measured=measured))
        return found

    first = verified(first_trials(study, grid))
    outcomes = first + verified(chosen_trials(study, grid, first))
    said, sections = report_claims(study, outcomes)
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    assert texts(table)[0]["difference (95 % interval)"].endswith(" EER")
    assert texts(table)[0]["verdict"] == "holds"
    assert (
        "EER is not defined for a single recording, so that errors cover seeds alone: the verdicts "
        "are about these test recordings."
    ) in said


def test_results_over_a_label_have_a_table_of_their_own() -> None:
    study = Claims(only="D3a,D5b")
    right = {"ast/pf-par": 0.9, "ast/lora-qv": 0.6, QKVO: 0.7}
    _, sections = report_claims(study, run(study, right))
    plain, shots = next(one.parts for one in sections if one.title == "Results")
    assert isinstance(plain, Table)
    assert isinstance(shots, Table)
    assert [row["recipe"] for row in texts(plain)] == [QKVO, QV]
    assert shots.title == "Results: by shots"
    assert [(row["recipe"], row["shots"]) for row in texts(shots)] == [
        ("ast/pf-par", "2"),
        ("ast/lora-qv", "2"),
        ("ast/pf-par", "8"),
        ("ast/lora-qv", "8"),
    ]


def test_results_on_two_domains_are_those_of_each_model_on_each() -> None:
    found = pair([18, 10], [10, 16], [17, 15], {"plain": [12, 18], "freeze lora": [15, 14]})
    own = {"study": "domains", "settings": "chosen"}
    outcomes = [
        replace(one, trial=replace(one.trial, labels={**one.trial.labels, **own})) for one in found
    ]
    _, sections = report_claims(Claims(only="C4", domains="s; t"), outcomes)
    target, source = next(one.parts for one in sections if one.title == "Results")
    assert isinstance(source, Table)
    assert isinstance(target, Table)
    assert {row["recipe"]: row["accuracy (%)"] for row in texts(target)} == {
        "source only on the target": "50.0 ± 0.0",
        "target only on the target": "80.0 ± 0.0",
        "joint on the target": "75.0 ± 0.0",
        "two-stage on the target": "90.0 ± 0.0",
        "two-stage, freeze lora on the target": "70.0 ± 0.0",
    }
    assert texts(source)[0]["accuracy (%)"] == "90.0 ± 0.0"


def test_what_choosing_cost_is_shown() -> None:
    _, sections = report_claims(ORDERED, run(ORDERED, {QKVO: 0.8, QV: 0.8}))
    about, table = next(one.parts for one in sections if one.title == "Settings")
    assert isinstance(table, Table)
    rates, epochs = ORDERED.grid_of_settings
    number = len(rates) * len(epochs)
    assert [row["tried"] for row in texts(table)] == [str(number)] * 2
    assert [row["seconds"] for row in texts(table)] == [str(2 * number)] * 2  # 2 s each
    assert isinstance(about, str)
    assert "for choice" in about


def test_claims_that_cannot_be_asked_say_why_and_come_last() -> None:
    study = Claims(only="B2a,B3,C4a,D5b")
    said, sections = report_claims(study, run(study, {QKVO: 0.95, QV: 0.6}))
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    verdicts = {row["claim"]: row["verdict"] for row in texts(table)}
    assert list(verdicts) == ["D5b", "B2a", "B3", "C4a"]
    assert verdicts["B2a"] == (
        "cannot be asked here: it is about asr or words or phones, and the task of these data is "
        "classification"
    )
    assert "a corpus here has one task" in verdicts["B3"]
    assert "give --domains 'SOURCE; TARGET'" in verdicts["C4a"]
    assert said[0] == "Of 4 claims: 1 holds (D5b); 3 cannot be asked here."


def test_a_recipe_that_does_not_fit_the_backbone_is_the_reason() -> None:
    study = Claims(only="D5b")
    trials = first_trials(study, GRID)
    refused = [
        Outcome(trial=one, name="", folder=Path("nowhere"), state="refused", reason="no")
        for one in trials
        if one.labels["recipe"] == QKVO
    ]
    known = trained([one for one in trials if one.labels["recipe"] == QV], {QV: 0.7})
    said, sections = report_claims(study, [*known, *refused])
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    assert texts(table)[0]["verdict"] == "cannot be asked here: ast/lora-qkvo: no"
    assert not any("trials are finished" in one for one in said)  # the others are
    (settings,) = next(one.parts[1:] for one in sections if one.title == "Settings")
    assert isinstance(settings, Table)
    assert [row["recipe"] for row in texts(settings)] == [QV]


def test_an_unfinished_study_says_what_is_missing() -> None:
    trials = first_trials(ORDERED, GRID)
    pending = [finished(one, 0.5, state="pending") for one in trials]
    said, sections = report_claims(ORDERED, pending)
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    assert texts(table)[0]["verdict"] == (
        "no result: no trial of ast/lora-qkvo, ast/lora-qv is finished"
    )
    assert said[0] == "Of 1 claim: 1 has no result yet (D5b)."
    assert any("0 of" in one for one in said)


def test_a_trial_that_failed_leaves_its_claim_without_a_result() -> None:
    trials = first_trials(ORDERED, GRID)
    failed = [
        replace(finished(one, 0.5, state="failed"), reason="out of memory", name="t", measured=None)
        if one.labels["recipe"] == QKVO
        else finished(one, 0.5)
        for one in trials
    ]
    _, sections = report_claims(ORDERED, failed)
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    assert texts(table)[0]["verdict"] == ("no result: a trial failed: ast/lora-qkvo: out of memory")


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


CALM_EXCITED = "demo?where=manner=calm; demo?where=manner=excited"


def labels_of(trials: Sequence[Trial], name: str) -> set[object]:
    return {one.labels[name] for one in trials}


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


def test_a_training_with_two_labels_is_counted_once() -> None:
    study = Claims(only="B5a,C1")  # full fine-tuning on the whole fraction is that without one
    outcomes = run(study, dict.fromkeys(("full", "lora", "houlsby", "ser/lora+ba+ws+wg"), 0.7))
    named = [replace(one, name=str(one.trial.config)) for one in outcomes]
    missing = [replace(one, measured=None) if one.name == named[0].name else one for one in named]
    said, _ = report_claims(study, missing)
    configs = {str(one.trial.config) for one in outcomes}
    assert len(configs) < len(outcomes)
    of = len(configs)
    assert f"{of - 1} of {of} trials are finished; the rest may change this." in said


def test_a_backbone_is_called_small_by_its_own_size() -> None:
    both = replace(GRID, backbones=("tiny-hubert", "tiny-ast"))
    right = {QKVO: 0.95, QV: 0.6}
    first = trained(first_trials(ORDERED, both), right)
    outcomes = first + trained(chosen_trials(ORDERED, both, first), right)
    for one in outcomes:
        assert one.measured is not None
        size = {"tiny-hubert": 3e6, "tiny-ast": 90e6}[str(one.trial.labels["backbone"])]
        one.measured.parameters["total"] = size  # type: ignore[index] # a dict
    said, sections = report_claims(ORDERED, outcomes)
    table = sections[0].parts[0]
    assert isinstance(table, Table)
    assert {row["where"]: row["verdict"] for row in texts(table)} == {
        "backbone tiny-hubert": "holds on this small backbone",
        "backbone tiny-ast": "holds",
    }
    small = [one for one in said if "million parameters" in one]
    assert [one[:59] for one in small] == [
        "The backbone (backbone tiny-hubert) has about 3.0 million p"
    ]
    assert said[0] == "Of 2 verdicts on 1 claim: 2 hold (D5b)."


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


def test_the_data_of_a_report_are_those_that_claims_are_asked_of() -> None:
    pair = CALM_EXCITED.split("; ")
    assert Claims(only="C4", domains=CALM_EXCITED).data_used(["demo"]) == pair
    assert Claims(only="C4,D5b", domains=CALM_EXCITED).data_used(["demo"]) == ["demo", *pair]
    assert ORDERED.data_used(["demo"]) == ["demo"]
