"""A stage that keeps what was learnt, in two processes, equals one in a single process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from test_processes import command, launched

from ossicle.adapters.folder import TENSORS
from ossicle.adapters.saving import read_tensors
from ossicle.training.folder import FISHER
from tones import write_corpus


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.exhaustive
# one way of each kind: a sum over parameters, a teacher, batches of earlier recordings
@pytest.mark.parametrize("way", ["ewc", "lwf", "dann"])
def test_two_processes_keep_what_one_keeps(tmp_path: Path, way: str) -> None:
    """Batches of five: two rows in the second process, and one row alone in the last batch."""
    for number, name in enumerate(("source", "target")):
        write_corpus(tmp_path / name, takes=3, seconds=0.3 + 0.05 * number)
    first = command(f"audiofolder:{tmp_path / 'source'}", tmp_path / "first")
    subprocess.run([sys.executable, *first], check=True, capture_output=True)
    stage = [f"--from={tmp_path / 'first'}", f"--keep={way}(strength=10)"]

    def arguments(name: str) -> list[str]:
        whole = command(f"audiofolder:{tmp_path / 'target'}", tmp_path / name, *stage)
        return [one for one in whole if not one.startswith(("--backbone", "--recipe"))]

    both = launched(*arguments("both"))
    assert both.returncode == 0, both.stderr
    subprocess.run([sys.executable, *arguments("alone")], check=True, capture_output=True)
    logs = [
        [json.loads(line) for line in (tmp_path / name / "log.jsonl").read_text().splitlines()]
        for name in ("both", "alone")
    ]
    for mine, other in zip(*logs, strict=True):
        for key in ("train_loss", "valid_loss", "penalty"):
            assert mine[key] == pytest.approx(other[key], rel=1e-3, abs=1e-6), key
    files = [TENSORS, *([FISHER] if way == "ewc" else [])]
    for file in files:
        one, other = (read_tensors(tmp_path / name / file)[0] for name in ("both", "alone"))
        for key, value in one.items():
            assert (value - other[key]).abs().max() <= 1e-3 * other[key].abs().max() + 1e-5, key
