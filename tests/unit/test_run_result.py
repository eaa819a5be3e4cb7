"""A result of a run survives its file; other files are an error."""

from pathlib import Path
from typing import Any

import pytest

from ossicle.errors import RunError
from ossicle.files import write_sealed
from ossicle.training.folder import METRICS
from ossicle.training.result import RunResult, fingerprint, read_result, write_result

RESULT = RunResult(
    recipe="lora",
    expression="lora(rank=8)@attn.q",
    data="demo",
    split="drawn",
    notices=["test has only 3 recordings"],
    task="classification",
    best_epoch=2,
    chosen_by="macro-F1",
    epochs=3,
    valid={"accuracy": 0.5},
    test={"accuracy": 0.25, "recordings": [{"key": "ü.wav", "score": 1.0}]},
    parameters={"total": 100, "percent": 1.5},
    adapter_bytes=400,
    train_seconds=12.5,
    first_step_seconds=None,
    step_seconds=0.25,
    test_seconds=2,
    peak_memory_mib=None,
    processes=1,
    cache={"kept": None, "computed": 0},
    ended_by="patience",
    seed=7,
    backbone="tiny-hubert",
    backbone_fingerprint="0123456789abcdef",
    split_fingerprint={"train": "a", "valid": "b", "test": "c"},
)


def test_a_result_that_is_read_back_is_equal(tmp_path: Path) -> None:
    write_result(tmp_path, RESULT)
    assert read_result(tmp_path) == RESULT


def test_numbers_that_are_not_finite_are_null_with_a_reason_in_both(tmp_path: Path) -> None:
    data = RESULT.to_dict() | {"valid": {"accuracy": float("nan")}}
    result = RunResult.of(data)
    assert result.valid == {"accuracy": None}
    assert result.undefined == {"valid.accuracy": "not a number"}
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result
    assert "undefined" not in RESULT.to_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"has version 2; this ossicle reads version 1"),
        ({"version": None}, r"has version None; this ossicle reads version 1"),
        ({"epochs": "3"}, r"epochs is '3'; expected int"),
        ({"epochs": True}, r"epochs is True; expected int"),
        ({"train_seconds": None}, r"train_seconds is None; expected float"),
        ({"peak_memory_mib": "1"}, r"peak_memory_mib is '1'; expected float \| None"),
        ({"notices": "one"}, r"notices is 'one'; expected list\[str\]"),
        ({"parameters": {"total": "9"}}, r"parameters is .*; expected dict\[str, float\]"),
        ({"ended_by": "luck"}, "ended_by is .luck.; expected epochs or patience or callback"),
        ({"spliit": "x"}, r"unknown entries: spliit"),
    ],
)
def test_an_entry_that_is_wrong_is_named_with_the_file(
    change: dict[str, Any], message: str, tmp_path: Path
) -> None:
    write_sealed(tmp_path / METRICS, RESULT.to_dict() | change)
    with pytest.raises(RunError, match=message) as raised:
        read_result(tmp_path)
    assert str(tmp_path / METRICS) in str(raised.value)


def test_an_entry_that_is_missing_and_a_file_that_was_edited_are_named(tmp_path: Path) -> None:
    data = RESULT.to_dict()
    del data["seed"], data["task"]
    write_sealed(tmp_path / METRICS, data)
    with pytest.raises(RunError, match=r"lacks task, seed"):
        read_result(tmp_path)
    write_result(tmp_path, RESULT)
    text = (tmp_path / METRICS).read_text()
    (tmp_path / METRICS).write_text(text.replace('"accuracy": 0.25', '"accuracy": 0.75'))
    with pytest.raises(RunError, match="content does not match its hash"):
        read_result(tmp_path)


def test_a_fingerprint_is_that_of_keys_and_contents_in_any_order() -> None:
    one = fingerprint({"a.wav": "1", "b.wav": "2"})
    assert fingerprint({"b.wav": "2", "a.wav": "1"}) == one
    others = [{"a.wav": "2", "b.wav": "1"}, {"a.wav": "1"}, {"a.wav": "1", "c.wav": "2"}, {}]
    assert len({one, *(fingerprint(other) for other in others)}) == 5


def test_entries_are_written_in_the_order_of_the_documentation() -> None:
    names = ("recipe", "expression", "data", "split", "notices", "task", "best_epoch")
    assert list(RESULT.to_dict())[:7] == list(names)
