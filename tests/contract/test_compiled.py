"""torch.compile: a compiled model gives what the eager one gives, forward and backward."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinds import KINDS
from ossicle.methods import METHODS

HERE = Path(__file__).parent


@pytest.mark.slow
def test_compiled_equals_eager_for_every_method_and_every_family():
    done = subprocess.run(
        [sys.executable, HERE / "compiled.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {one["case"]: one["fault"] for one in map(json.loads, done.stdout.splitlines())}
    assert len(found) == len(METHODS) + len(KINDS) + 3
    assert not {case: fault for case, fault in found.items() if fault}
