"""Where a run computes, and how much memory it took."""

import pytest
import torch

from ossicle.errors import RunError
from ossicle.training.machine import pick_device


@pytest.mark.parametrize("name", ["meta", "gpu0", "cuda:99", ""])
def test_a_device_that_cannot_hold_numbers_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(RunError, match=f"device '{name}' cannot be used here: [^\n]+$"):
        pick_device(name)


def test_auto_is_a_device_that_is_there() -> None:
    assert pick_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == "cpu"
