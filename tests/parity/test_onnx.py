"""Graphs in onnxruntime compute what torch computes: every method and every family."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinds import ALONE, KINDS

HERE = Path(__file__).parent
MORE = {"frames_of_each_row", "embeddings", "other_weights_refused", "what_cannot_be_traced"}


@pytest.mark.slow
@pytest.mark.thorough
def test_graphs_compute_the_outputs_of_torch() -> None:
    done = subprocess.run(
        [sys.executable, HERE / "exported.py"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {one["case"]: one["fault"] for one in map(json.loads, done.stdout.splitlines())}
    assert not {case: fault for case, fault in found.items() if fault}
    kinds, recipes = zip(*(case.split(" ", 1) for case in found.keys() - MORE), strict=True)
    assert (set(kinds), set(recipes)) == (set(KINDS), set(ALONE.values()))
    assert found.keys() >= MORE
