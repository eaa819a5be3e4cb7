"""The table of a comparison, computed by hand from the results of its runs."""

from dataclasses import replace
from typing import Any

import pytest

from ossicle.studies.compare import _row, _slug, markdown, notes, table
from ossicle.training.result import RunResult

ANY: dict[str, Any] = {  # not shown in the table
    **dict.fromkeys(("recipe", "data", "split", "chosen_by", "backbone"), ""),
    **dict.fromkeys(("best_epoch", "epochs", "processes", "seed"), 1),
    **dict.fromkeys(("first_step_seconds", "step_seconds", "test_seconds"), 0.0),
    **{name: {} for name in ("valid", "cache", "split_fingerprint")},
    "notices": [],
    "backbone_fingerprint": "",
    "ended_by": "epochs",
}


def result(said: str, *, seconds: float = 10.0, memory: float | None = 100.0) -> RunResult:
    """Return the result of a run: predictions for four recordings with labels a, a, b, b."""
    recordings = [
        {"key": f"{number}.wav", "speaker": None, "score": float(label == guess)}
        for number, (label, guess) in enumerate(zip("aabb", said, strict=True))
    ]
    accuracy = sum(one["score"] for one in recordings) / 4
    metrics = {"macro_f1": accuracy / 2, "accuracy": accuracy, "uar": accuracy}
    return RunResult(
        **ANY,
        task="classification",
        expression="lora",
        parameters={"trainable": 1234, "head": 34},
        adapter_bytes=5000,
        train_seconds=seconds,
        peak_memory_mib=memory,
        test={**metrics, "recordings": recordings},
    )


FIRST = [result("aaaa"), result("abaa")]  # right on 1, 2 of both seeds; on 1 of the second
SECOND = [result("aabb", seconds=20, memory=90), result("abbb", seconds=31, memory=140)]


def test_a_row_holds_means_deviations_and_the_difference_on_the_same_recordings() -> None:
    row = _row("lora", SECOND, FIRST)
    # Accuracies 1 and 3/4: mean 7/8, deviation |1 - 3/4| / sqrt(2).
    assert row["accuracy"]["values"] == [1.0, 0.75]
    assert row["accuracy"]["mean"] == 0.875
    assert row["accuracy"]["deviation"] == pytest.approx(0.25 / 2**0.5)
    assert row["macro_f1"]["mean"] == 0.4375
    assert (row["train_seconds"], row["peak_memory_mib"]) == (25.5, 140)
    # The first has 1/2 and 1/4. Recordings 3 and 4 lead by one in both seeds, 1 and 2 are ties: the
    # signs of two equal leads give |sum| as large in 2 of 4 patterns.
    test = row["against_first"]
    assert test["difference"] == pytest.approx(0.875 - 0.375)
    assert (test["p_value"], test["unit"], test["num_units"]) == (0.5, "recording", 4)


def test_the_first_row_is_not_tested_against_itself() -> None:
    assert _row("linear", FIRST, FIRST)["against_first"] is None


def test_one_seed_has_no_deviation_and_an_unknown_memory_stays_unknown() -> None:
    row = _row("lora", [result("aabb", memory=None)], FIRST[:1])
    assert row["accuracy"] == {"mean": 1.0, "deviation": None, "values": [1.0]}
    assert row["peak_memory_mib"] is None


def test_the_table_shows_percent_and_every_number_of_the_rows() -> None:
    rows = [_row("linear", FIRST, FIRST), _row("lora", SECOND, FIRST)]
    found = {
        "data": "d",
        "backbone": "b",
        "split": "s",
        "task": "classification",
        "seeds": [0, 1],
        "rows": rows,
    }
    header, lines = table(found)
    assert dict(zip(header, lines[1], strict=True)) == {
        "recipe": "lora",
        "trainable": "1,234",
        "without head": "1,200",
        "macro-F1": "43.8 ± 8.8",
        "accuracy": "87.5 ± 17.7",
        "UAR": "87.5 ± 17.7",
        "train s": "26",
        "peak MiB": "140",
        "gain (p)": "+50.0 (0.5000)",
    }
    assert lines[0][-1] == ""
    assert "accuracy to linear, with the p of a paired permutation test over 4 " in notes(found)[1]
    assert "| lora | 1,234 | 1,200 |" in markdown(found)


def test_a_folder_has_the_preset_s_name_or_a_hash() -> None:
    assert _slug("lora-all") == "lora-all"
    one, other = _slug("lora(rank=4)@attn.q"), _slug("lora(rank=4)@attn_q")
    assert one != other
    for name in (one, other, _slug("ser/lora+ba"), _slug("x" * 300 + "/../..")):
        assert len(name) < 60
        assert not set(name) & set("/\\()@= ")


def test_other_tasks_have_their_own_columns() -> None:
    def of(task: str, scores: list[float] | None, **metrics: float) -> RunResult:
        recordings = [{"key": str(n), "speaker": None} for n in range(4)]
        if scores is not None:
            recordings = [
                one | {"score": score} for one, score in zip(recordings, scores, strict=True)
            ]
        test = {**metrics, "recordings": recordings}
        return replace(result("aabb"), task=task, test=test)

    def shown(task: str, runs: list[list[RunResult]]) -> dict[str, str]:
        rows = [_row(name, one, runs[0]) for name, one in zip("ab", runs, strict=True)]
        found = {"data": "d", "backbone": "b", "split": "s", "task": task, "seeds": [0]}
        header, lines = table({**found, "rows": rows})
        assert len(notes({**found, "rows": rows})) == 2
        return dict(zip(header, lines[1], strict=True))

    asr = [
        [of("asr", [1, 0.5, 0, 0], wer=0.625, cer=0.2)],
        [of("asr", [1, 1, 0, 1], wer=0.25, cer=0.1)],
    ]
    second = shown("asr", asr)
    assert (second["WER"], second["CER"]) == ("25.0", "10.0")
    assert second["gain (p)"] == "+37.5 (0.5000)"  # leads of 1/2 and 1: 2 of 4 patterns as large
    ccc = [[of("regression", [0, 0, 0, 0], ccc=0.5)], [of("regression", [-1, 0, 0, 0], ccc=0.25)]]
    second = shown("regression", ccc)
    assert second["CCC"] == "0.250"
    assert second["gain (p)"] == "-0.250 (1.0000)"  # in standard deviations, not in percent
    metrics = {"eer": 0.1, "min_dcf_01": 0.8, "min_dcf_05": 0.5}
    pairs = [[of("verification", None, **metrics)]] * 2
    second = shown("verification", [pairs[0], list(pairs[1])])
    assert (second["EER"], second["minDCF 0.01"], second["gain (p)"]) == ("10.0", "0.800", "")
