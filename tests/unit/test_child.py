"""A child process ends with its parent, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ossicle.child import run_child

CHILD = """
import os, sys, time
from pathlib import Path
from ossicle.child import read_order
Path(read_order().decode()).write_text(str(os.getpid()))
time.sleep(60)
"""
PARENT = """
import sys
from ossicle.child import run_child
run_child([sys.executable, "-c", sys.argv[1]], sys.argv[2].encode(), print)
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


def test_a_child_gets_its_order_and_its_lines_and_status_are_returned() -> None:
    code = (
        "from ossicle.child import read_order\n"
        "print(read_order().decode() + '!', flush=True); print(2); raise SystemExit(7)"
    )
    lines: list[bytes] = []
    assert run_child([sys.executable, "-c", code], "ü 1".encode(), lines.append) == 7
    assert [line.rstrip() for line in lines] == ["ü 1!".encode(), b"2"]


def test_a_child_that_never_reads_its_order_is_no_error() -> None:
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"], b"x" * 4000, print) == 3


def test_a_child_ends_if_its_lines_cannot_be_used() -> None:
    code = (
        "import os, time\n"
        "from ossicle.child import read_order\n"
        "read_order(); print(os.getpid(), flush=True); time.sleep(60)"
    )
    process: list[int] = []

    def refuse(line: bytes) -> None:
        process.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child([sys.executable, "-c", code], b"", refuse)
    assert not is_alive(process[0])
