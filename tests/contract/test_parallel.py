"""Two processes with half a batch each compute the gradients of one process with all of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ossicle.methods import METHODS

HERE = Path(__file__).parent


@pytest.mark.slow
@pytest.mark.thorough
def test_two_processes_come_to_the_gradients_of_one():
    done = subprocess.run(
        [sys.executable, HERE / "parallel.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent), "GLOO_SOCKET_IFNAME": "lo"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {one["case"]: one["fault"] for one in map(json.loads, done.stdout.splitlines())}
    assert {case.split()[1] for case in found} == set(METHODS)
    assert not {case: fault for case, fault in found.items() if fault}
