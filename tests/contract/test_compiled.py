"""torch.compile: a compiled model equals the eager one, forward and backward."""

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
@pytest.mark.thorough
@pytest.mark.parametrize(
    ("part", "count"),
    [
        ("quick", 4),
        pytest.param("thorough", len(METHODS) + len(KINDS), marks=pytest.mark.exhaustive),
    ],
)
def test_compiled_equals_eager_for_every_method_and_every_family(part, count):
    done = subprocess.run(
        [sys.executable, HERE / "compiled.py", part],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(HERE.parent)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {one["case"]: one["fault"] for one in map(json.loads, done.stdout.splitlines())}
    assert len(found) == count
    assert not {case: fault for case, fault in found.items() if fault}
