"""Where a run computes, and how much memory it took."""

from pathlib import Path

import pytest
import torch

from ossicle.errors import RunError
from ossicle.training.machine import check_compiler, pick_device


@pytest.mark.parametrize("name", ["meta", "gpu0", "cuda:99", ""])
def test_a_device_that_cannot_hold_numbers_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(RunError, match=f"device '{name}' cannot be used here: [^\n]+$"):
        pick_device(name)


def test_auto_is_a_device_that_is_there() -> None:
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == "cpu"


def test_compiling_without_a_compiler_is_refused_before_anything(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunError, match=r"--compile needs a C\+\+ compiler and none is on the PATH"):
        check_compiler("cpu")
    check_compiler("cuda")  # torch brings what it needs there
    (tmp_path / "g++").touch(mode=0o755)
    check_compiler("cpu")
