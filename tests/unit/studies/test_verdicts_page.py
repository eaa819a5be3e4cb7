"""The page of verdicts: it agrees with the stored results, and these with themselves."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from outcomes import outcome, rows

from ossicle.studies.analysis.listed import listed_claims

ROOT = Path(__file__).parents[3]
TESTED = rows(["x", "x", "x", "y"])
SPEAKERS = "fsdd at test_speaker=theo,yweweler"
PHONES = "tiny.en at length=own, emodb, phones"
DECIDED = ("holds", "does not hold")
ROW = {
    "claim": "D1b",
    "in our words": "One is better than another (Somebody 2023)",
    "verdict": "holds on this small backbone",
    "difference (95 % interval)": "+4.0 (+2.0 to +6.0) accuracy",
    "of": "a against b",
    "seeds": "5",
    "recordings": "120",
    "corrected p": "0.01",
    "published difference": "–",
    "matters from": "1.0",
    "could have been found": "2.5",
}
STUDY: dict[str, Any] = {
    "backbone": "tiny-hubert",
    "data": "demo",
    "split": "Four voices are test.",
    "trials": {"finished": 10, "pending": 2},
    "command": "ossicle study claims --out=studies/a",
    "grid": {"lr": [0.001, 0.01], "epochs": [5, 15]},
    "seconds": {"choice": 120, "chosen": 60},
    "machine": "",
    "said": ["Of 2 claims: 1 holds.", "A small backbone."],
    "task": "classification",
    "published": {"accuracy (%)": {"a": "60.0 ± 0.7"}},
    "results": {"accuracy (%)": {"a": "88.1 ± 1.2", "b": "84.1 ± 1.0"}},
}


@pytest.fixture(scope="module")
def verdicts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verdicts", ROOT / "benchmarks/verdicts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def number(text: str) -> float:
    """Return the first number of a text: a difference, or a p."""
    found = re.match(r"<?([+-]?[\d.]+)", text)
    assert found, text
    return float(found[1])


@pytest.mark.thorough
def test_the_page_is_that_of_the_stored_results(verdicts: ModuleType) -> None:
    made = verdicts.page(verdicts.stored())
    assert made == (ROOT / "docs/reference/verdicts.md").read_text(encoding="utf-8")


@pytest.mark.thorough
def test_stored_verdicts_follow_from_their_figures(verdicts: ModuleType) -> None:
    rows = [row for study in verdicts.stored() for row in study["verdicts"]]
    assert rows
    for row in rows:
        claim = listed_claims()[row["claim"]]
        assert verdicts.word(row) in verdicts.WORDS
        known = row["corrected p"] != "–"
        decided = verdicts.word(row) in DECIDED
        assert decided == (known and number(row["corrected p"]) < 0.05)
        if decided:
            assert int(row["seeds"]) >= 5
            points, margin = number(row["difference (95 % interval)"]), 100 * claim.margin
            agrees = {
                ("better", "holds"): points > 0,
                ("better", "does not hold"): points < margin,
                ("not better", "holds"): points < margin,
                ("not better", "does not hold"): points > margin,
            }
            assert agrees[claim.kind, verdicts.word(row)]


@pytest.mark.thorough
def test_what_has_no_result_is_not_called_undecided(verdicts: ModuleType) -> None:
    missing = {**ROW, "claim": "A1", "of": "–", "corrected p": "–"}
    reasons = {
        "no result: its trials are not finished": "no result",
        "does not hold on this small backbone: a gain of 1.0 is excluded": "does not hold",
        "not decided at this size: 3 seeds of at least 5 are finished": "not decided at this size",
        "cannot be asked here: it compares tasks": "cannot be asked here",
    }
    for text, word in reasons.items():
        assert verdicts.word({**missing, "verdict": text}) == word
        study = {**STUDY, "verdicts": [ROW, {**missing, "verdict": text}]}
        made = verdicts.page([study])
        assert f"(Somebody 2023) | {word}: {text.partition(': ')[2]} |" in made


@pytest.mark.thorough
def test_a_verdict_is_shown_with_its_figures(verdicts: ModuleType) -> None:
    made = verdicts.page([{**STUDY, "verdicts": [ROW]}])
    assert (
        "| **D1b** | holds on this small backbone | "
        "+4.0 (+2.0 to +6.0) accuracy | a against b | 5 | 120 | 0.01 | – | 1.0 | 2.5 |"
    ) in made
    assert "Four voices are test. Grid: rates 0.001, 0.01; 5, 15 epochs. Trials: 10" in made
    without = verdicts.page([{**STUDY, "verdicts": [ROW], "grid": {"lr": [], "epochs": []}}])
    assert "Four voices are test. Trials: 10 finished" in without
    assert "\n## tiny-hubert, demo\n\nOf 2 claims: 1 holds. A small backbone.\n" in made
    assert "Trials: 10 finished, 2 pending. Training and test took 0.05 h" in made
    assert "$ ossicle study claims --out=studies/a" in made
    assert "Reached, accuracy (%), mean ± deviation over seeds: a 88.1 ± 1.2; b 84.1 ± 1.0." in made
    assert "Reached with published settings, accuracy (%): a 60.0 ± 0.7." in made


@pytest.mark.thorough
def test_every_listed_claim_is_on_the_page(verdicts: ModuleType) -> None:
    made = verdicts.page([{**STUDY, "verdicts": [ROW]}])
    assert re.findall(r"^\| \*\*(\w+)\*\* \w", made, re.MULTILINE) == [
        "D1b",  # with its sentence, in the overview
        *(name for name in listed_claims() if name != "D1b"),
    ]
    assert "different methods is better than every single method" in made  # no words in braces
    assert "{" not in made


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("reached", "said"),
    [
        ({"a": "98.1 ± 1.2", "b": "96.0"}, True),
        ({"a": "98.1", "b": "94.9", "c": "80.0"}, False),
        ({"a": "98.1", "b": "97.0", "c": "96.9", "d": "80.0"}, True),
        ({"a": "98.1"}, False),
    ],
)
def test_scores_near_the_ceiling_are_pointed_out(
    verdicts: ModuleType, reached: dict[str, str], said: bool
) -> None:
    study = {**STUDY, "verdicts": [ROW], "results": {"accuracy (%)": reached}}
    assert ("none of them can be much better" in verdicts.page([study])) == said


@pytest.mark.thorough
def test_paths_of_a_machine_are_replaced_in_all_texts(verdicts: ModuleType) -> None:
    found = verdicts._replaced({"a": ["/data/esc10 and 5", 3], "b": None}, {"/data": "CORPORA"})
    assert found == {"a": ["CORPORA/esc10 and 5", 3], "b": None}


@pytest.mark.thorough
def test_what_varies_over_a_label_is_reached_at_each_value(verdicts: ModuleType) -> None:
    outcomes = [
        outcome({"recipe": "a", "seed": seed, "settings": "chosen", **shots}, TESTED, said)
        for shots, said in (({}, ["x"] * 4), ({"shots": 2}, ["y"] * 4))
        for seed in (0, 1)
    ]
    assert verdicts._reached(outcomes, "chosen") == {
        "accuracy (%)": {"a": "75.0 ± 0.0", "a, shots 2": "25.0 ± 0.0"}
    }
    assert verdicts._reached(outcomes, "published") == {}


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("backbone", "data", "task", "title"),
    [
        ("tiny-ast", "esc50:A/esc10", "classification", "tiny-ast, esc10"),
        ("m", "fsdd:fsdd?test_speaker=theo,yweweler&label=digit", "", f"m, {SPEAKERS}"),
        ("A/tiny.en?length=own", "emodb:B/emodb?label=phones", "phones", PHONES),
    ],
)
def test_a_section_is_named_by_backbone_data_and_task(
    verdicts: ModuleType, backbone: str, data: str, task: str, title: str
) -> None:
    study = {**STUDY, "verdicts": [ROW], "backbone": backbone, "data": data, "task": task}
    assert f"\n## {title}\n" in verdicts.page([study])


@pytest.mark.thorough
def test_the_overview_says_where_a_claim_has_which_verdict(verdicts: ModuleType) -> None:
    missing = {**ROW, "claim": "D7", "of": "–", "verdict": "no result: no trial of"}
    open_ = {**ROW, "difference (95 % interval)": "–", "verdict": "not decided at this size: why"}
    frozen = [
        {**ROW, "claim": "C4b", "difference (95 % interval)": f"{points} (-9.0 to +9.0) accuracy"}
        for points in ("-1.0", "+2.5")
    ]
    made = verdicts.page(
        [
            {**STUDY, "verdicts": [ROW, missing, {**ROW, "claim": "A5a"}]},
            {**STUDY, "data": "emodb:A/emodb?map=a=b,c=d; urdu", "verdicts": [open_, *frozen]},
        ]
    )
    overview = made.partition("## Overview")[2].partition("##")[0].strip().splitlines()
    assert overview[0].endswith(" 20 trials of 0.1 h in all, added up over workers.")
    assert overview[2:] == [
        "| claim | verdicts |",
        "|---|---|",
        "| **A5a** The soft vote is better than the majority (left open by the publication) | "
        "**holds**: tiny-hubert, demo (+4.0) |",
        "| **C4b** On the source domain, the second stage is better with LoRA, bottleneck or both "
        "frozen than with all modules trained | "
        "**holds**: tiny-hubert, emodb and urdu (-1.0, +2.5) |",
        "| **D1b** Houlsby adapters and LoRA lead a linear probe | "
        "**holds**: tiny-hubert, demo (+4.0)<br>not decided: tiny-hubert, emodb and urdu |",
    ]


@pytest.mark.thorough
def test_a_study_replaces_that_of_the_same_backbone_and_data(verdicts: ModuleType) -> None:
    old = [{**STUDY, "version": 1}, {**STUDY, "data": "esc10", "version": 1}]
    new = [{**STUDY, "version": 2}, {**STUDY, "backbone": "tiny-ast", "version": 2}]
    assert [
        (one["backbone"], one["data"], one["version"]) for one in verdicts.together(old, new)
    ] == [("tiny-hubert", "demo", 2), ("tiny-hubert", "esc10", 1), ("tiny-ast", "demo", 2)]
