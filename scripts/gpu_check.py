#!/usr/bin/env python3
"""Test and measure ossicle on a GPU in at most eight minutes, without a network.

    python3 scripts/gpu_check.py                         on a machine with CUDA
    python3 scripts/gpu_check.py --device cpu --quick    try the script itself, on tiny models

It needs a Python with torch and transformers. Other packages that are missing or too old are
installed from `wheels/`, which `make gpu-wheels` fills beforehand, into `build/gpu-packages/`.
First the tests marked `gpu` run, then the core rows of the benchmark, the most important first.
Rows that do not fit into the time are skipped, and the results say so. The results are written to
`benchmarks/results/gpu.json`, and `benchmarks/page.py` adds them to the Benchmarks page.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from gpu_packages import PACKAGES, WHEELS, missing

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "gpu.json"
MOST_OF_TESTS = 0.4  # of the budget
MARGIN_S = 15.0  # to end a process and write the page
GRACE_S = 5.0  # beyond what the benchmark plans with, before it is stopped


def main():
    """Install what is missing, test, measure, write the page."""
    options = parsed()
    deadline = time.monotonic() + options.seconds
    scratch = Path(tempfile.gettempdir()) / "ossicle-gpu-quick.json"
    file = scratch if options.quick or options.device == "cpu" else RESULTS
    environment = prepared(options.device)
    tests = run_tests(environment, MOST_OF_TESTS * options.seconds)
    print(f"Tests: {tests}", flush=True)
    left_s = deadline - time.monotonic() - MARGIN_S
    code = measure(environment, options, tests, left_s, file)
    if file == RESULTS:
        subprocess.run([sys.executable, ROOT / "benchmarks" / "page.py"], check=True)
    print(f"Written to {file}")
    return 1 if code or tests.get("failed") or "stopped" in tests else 0


def parsed():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="tiny models, a scratch file")
    parser.add_argument("--seconds", type=float, default=480, help="to finish within")
    return parser.parse_args()


def prepared(device):
    """Return the environment of child processes, after installing missing packages."""
    lacking = missing()
    if lacking:
        print(f"Installing {', '.join(lacking)}", flush=True)
        install(lacking)
    paths = [ROOT / "src", ROOT / "benchmarks", PACKAGES, os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(path) for path in paths if str(path)),
        "OSSICLE_TEST_DEVICE": device,
        "HF_HUB_OFFLINE": "1",
    }


def install(requirements):
    """Install requirements from the folder of wheels, without their dependencies."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-index", "--find-links", str(WHEELS), "--no-deps", "--upgrade"]
    done = subprocess.run([*command, "--target", str(PACKAGES), *requirements], check=False)
    if done.returncode:
        sys.exit("The packages above could not be installed; see pip's message.")


def run_tests(environment, limit_s):
    """Return how many tests passed, failed and were skipped, or that they were stopped."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        command = [sys.executable, "-m", "pytest", "tests/gpu", "-m", "gpu", "-q"]
        command += ["-o", "addopts=", "-p", "no:cacheprovider", "-W", "default"]
        begun = time.monotonic()
        ended = bounded([*command, f"--junitxml={report}"], environment, limit_s)
        if ended is None:
            return {"stopped": f"after {limit_s:.0f} s"}
        if not report.exists():
            return {"failed": 1, "stopped": f"pytest ended with {ended} and no report"}
        suite = ElementTree.parse(report).getroot().find("testsuite")
        total, failed, errors, skipped = (
            int(suite.get(key)) for key in ("tests", "failures", "errors", "skipped")
        )
        return {
            "passed": total - failed - errors - skipped,
            "failed": failed + errors,
            "skipped": skipped,
            "seconds": round(time.monotonic() - begun, 1),
        }


def measure(environment, options, tests, seconds, file):
    """Run the benchmark, and return its exit code; 1 if it had to be stopped."""
    command = [sys.executable, "-W", "ignore", "-m", "gpu", "--device", options.device]
    command += ["--seconds", str(seconds - GRACE_S), "--file", str(file)]
    command += ["--tests", json.dumps(tests), *(["--quick"] if options.quick else [])]
    ended = bounded(command, environment, seconds)
    if ended is None:
        print("The benchmark was stopped: a row took longer than expected. The others are stored.")
    return 1 if ended is None else ended


def bounded(command, environment, limit_s):
    """Return the exit code of a command; None if it was stopped at the limit."""
    process = subprocess.Popen(command, env=environment, cwd=str(ROOT))
    try:
        return process.wait(timeout=max(limit_s, 0))
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None


if __name__ == "__main__":
    sys.exit(main())
