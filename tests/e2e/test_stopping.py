"""After Ctrl-C and TERM the message says how to resume; a comparison ends its runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from ossicle.errors import RunError
from ossicle.training.checkpoint import CHECKPOINT
from ossicle.training.folder import LOCK, Writer

Command = Callable[..., Any]
EARLY = """
import os, signal, sys, time
from threading import Thread

number = getattr(signal, sys.argv.pop(1))

def interrupt():
    while "torch" not in sys.modules:
        time.sleep(0.001)
    os.kill(os.getpid(), number)

Thread(target=interrupt, daemon=True).start()
from ossicle.cli.main import main
main()
"""


def wait_for(pattern: Path, seconds: float = 300) -> Path:
    """Wait until a file that matches a pattern exists and is not empty; return it."""
    end = time.monotonic() + seconds
    while True:
        for found in Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor))):
            if found.stat().st_size:
                return found
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Let Ctrl-C interrupt the tests, which a shell in the background has told them to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


# A signal may arrive inside a destructor, where Python reports its exception and continues.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_that_is_stopped_says_how_it_goes_on(
    number: signal.Signals,
    status: int,
    ossicle: Command,
    backbone: str,
    corpus: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "my run"

    def stop() -> None:
        wait_for(out / CHECKPOINT)
        os.kill(os.getpid(), number)

    before = signal.getsignal(signal.SIGTERM)
    thread = Thread(target=stop)
    thread.start()
    given = ("--backbone", backbone, "--data", corpus, "--recipe=linear", "--epochs=100000")
    done = ossicle("train", *given, "--out", out)
    thread.join()
    assert done.status == status
    last = done.err.splitlines()[-1]
    assert last == f"Stopped. Continue with: ossicle train --out '{out}' --resume"
    assert "Traceback" not in done.err
    assert not (out / LOCK).exists()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_run_can_be_stopped_while_torch_is_loading(
    name: str, status: int, corpus: Path, tmp_path: Path
) -> None:
    given = ("--backbone=tiny-hubert", f"--data={corpus}", "--recipe=lora", "--epochs=9")
    done = subprocess.run(
        [sys.executable, "-c", EARLY, name, "train", *given, f"--out={tmp_path / 'run'}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == status
    assert done.stderr == "Stopped. Nothing was written; start again with the same command.\n"
    assert not (tmp_path / "run").exists()


def test_a_study_that_is_stopped_says_that_its_trials_are_kept(
    corpus: Path, tmp_path: Path
) -> None:
    given = ("--backbone=tiny-hubert", f"--data={corpus}", "--recipes=lora", "--epochs=9")
    done = subprocess.run(
        [sys.executable, "-c", EARLY, "SIGINT", "study", "methods", *given, f"--out={tmp_path}"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 130
    assert done.stderr == (
        "Stopped. Finished trials and epochs are kept; continue with the same command.\n"
    )


@pytest.mark.slow
@pytest.mark.thorough
def test_a_comparison_that_is_killed_takes_its_run_with_it(
    backbone: str, corpus: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    given = ("--recipes=linear", f"--backbone={backbone}", f"--data={corpus}", "--epochs=100000")
    parent = subprocess.Popen(
        [sys.executable, "-m", "ossicle", "compare", *given, f"--out={out}"],
        stderr=subprocess.DEVNULL,
    )
    try:
        run = wait_for(out / "trials" / "*" / CHECKPOINT).parent
    finally:
        parent.kill()
        parent.wait()
    end = time.monotonic() + 30
    while True:  # the same folder is free at once
        try:
            with Writer(run) as writer:
                writer.take()
            break
        except RunError:
            assert time.monotonic() < end
            time.sleep(0.01)
