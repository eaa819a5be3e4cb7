"""Devices, threads and memory of a run."""

from pathlib import Path

import pytest
import torch

from ossicle.compute.device import check_compiler, pick_device, pick_threads, threads
from ossicle.errors import RunError


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
    with pytest.raises(RunError, match=r"--compile needs a C\+\+ compiler, and the PATH contains"):
        check_compiler("cpu")
    check_compiler("cuda")  # torch brings what it needs there
    (tmp_path / "g++").touch(mode=0o755)
    check_compiler("cpu")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend that no number of threads was set and that torch chose two."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    with threads(2):
        yield


def model_of(num_parameters: int) -> torch.nn.Module:
    model = torch.nn.Module()
    model.weight = torch.nn.Parameter(torch.empty(num_parameters))
    return model


@pytest.mark.usefixtures("unset")
def test_a_small_model_computes_in_one_thread_and_a_large_one_in_those_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert pick_threads(model_of(9_999_999)) == 1
    assert pick_threads(model_of(10_000_000)) == 2
    assert pick_threads(model_of(10), earlier=3) == 3  # its bits depend on the number
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert pick_threads(model_of(10)) == 2


def test_the_number_of_threads_is_put_back() -> None:
    before = torch.get_num_threads()
    with threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before
