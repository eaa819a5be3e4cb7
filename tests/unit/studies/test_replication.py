"""The report of the study of claims: its words, its tables, and what they are about."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from adaptation import pair
from replication import (
    CALM_EXCITED,
    CONFIG,
    GRID,
    ORDERED,
    QKVO,
    QV,
    finished,
    run,
    texts,
    trained,
)

from ossicle.reports.parts import Table
from ossicle.studies import Claims
from ossicle.studies.replication.plan import chosen_trials, first_trials
from ossicle.studies.replication.report import report_claims
from ossicle.trials.outcome import Outcome
from ossicle.trials.trial import Trial


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


def test_the_data_of_a_report_are_those_that_claims_are_asked_of() -> None:
    pair = CALM_EXCITED.split("; ")
    assert Claims(only="C4", domains=CALM_EXCITED).data_used(["demo"]) == pair
    assert Claims(only="C4,D5b", domains=CALM_EXCITED).data_used(["demo"]) == ["demo", *pair]
    assert ORDERED.data_used(["demo"]) == ["demo"]
