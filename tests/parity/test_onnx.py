"""Graphs in onnxruntime compute what torch computes: every method and every family."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kinds import ALONE, KINDS, pairs, rotation

HERE = Path(__file__).parent
ONCE = rotation(pairs(ALONE.values()), turn=0)
MORE = {"frames_of_each_row", "embeddings", "other_weights_refused", "what_cannot_be_traced"}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("part", ["few", pytest.param("rest", marks=pytest.mark.exhaustive)])
def test_graphs_compute_the_outputs_of_torch(part: str) -> None:
    done = subprocess.run(
        [sys.executable, HERE / "exported.py", part],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {one["case"]: one["fault"] for one in map(json.loads, done.stdout.splitlines())}
    assert not {case: fault for case, fault in found.items() if fault}
    once = sorted(" ".join(pair) for pair in ONCE)
    few = {*once[::16], *MORE}
    assert found.keys() == (few if part == "few" else set(once) - few)


def test_every_method_and_every_family_is_exported_once() -> None:
    kinds, recipes = zip(*ONCE, strict=True)
    assert (set(kinds), set(recipes)) == (set(KINDS), set(ALONE.values()))
