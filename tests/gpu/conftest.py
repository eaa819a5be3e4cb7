"""The device that is compared with the CPU; tests are skipped where it is missing.

OSSICLE_TEST_DEVICE=cpu runs the tests on a CPU, to try the tests themselves.
"""

import os
from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def device() -> Iterator[str]:
    """Return the name of the device, with convolutions in full float32."""
    name = os.environ.get("OSSICLE_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False  # torch's default rounds convolutions to 10 bits
    yield name
    torch.backends.cudnn.allow_tf32 = before
