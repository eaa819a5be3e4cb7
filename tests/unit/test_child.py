"""A child process ends with its parent, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHILD = """
import os, sys, time
from pathlib import Path
from ossicle.child import end_with_parent, is_child
assert is_child()
end_with_parent()
Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(60)
"""
PARENT = """
import sys
from ossicle.child import is_child, run_child
assert not is_child()
run_child([sys.executable, "-c", sys.argv[1], sys.argv[2]])
"""


def is_alive(process: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_ends_with_a_parent_that_is_killed(number: signal.Signals, tmp_path: Path) -> None:
    file = tmp_path / "child"
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, str(file)], stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 30
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < end
        time.sleep(0.01)
    child = int(file.read_text())
    assert is_alive(child)
    os.kill(parent.pid, number)
    parent.wait()
    while is_alive(child):
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_status_of_a_child_is_returned() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import sys; from ossicle.child import run_child\n"
            "sys.exit(run_child([sys.executable, '-c', 'print(1); raise SystemExit(7)']))",
        ],
        capture_output=True,
    )
    assert (done.returncode, done.stdout) == (7, b"")
