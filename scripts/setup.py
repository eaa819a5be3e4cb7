#!/usr/bin/env python3
"""Create `.venv` with ossicle, its development tools and a torch build for this machine.

    python3 scripts/setup.py            for `make demo`, `make check` and `make test`
    python3 scripts/setup.py docs       also installs an extra of pyproject.toml

It returns at once if its inputs are unchanged since the last run. It uses the standard library
only, and syntax that older Pythons can parse, so that they can report that they are too old.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOG = VENV / "setup.log"
UNFINISHED = VENV / "setup-unfinished"  # there while packages are being written
PIP = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
CONSTRAINTS = ["--constraint", str(ROOT / "constraints.txt")]


class StepFailed(Exception):
    """A command of a step ended with an error; its output is in the log."""


def main():
    """Install the extras that are not yet installed."""
    extras = ["dev", *sys.argv[1:]]
    wanted = [extra for extra in extras if not is_done(extra)]
    if not wanted:
        return
    find_python()
    if UNFINISHED.exists():  # a package may be half written: pip would take it for a whole one
        shutil.rmtree(VENV)
    steps = []
    if not runs([str(PYTHON), "-m", "pip", "--version"]):
        steps.append(("a new environment in .venv", make_environment))
    steps.append((f"torch {torch_version()}", install_torch))
    steps.append((f"ossicle[{','.join(extras)}]", lambda: install(extras)))
    begun = time.monotonic()
    for number, (title, action) in enumerate(steps, 1):
        do(f"[{number}/{len(steps)}] {title}", action)
    for extra in extras:
        stamp(extra).write_text(fingerprint())
    print(f"Set up in {time.monotonic() - begun:.0f} s.", flush=True)


def stamp(extra):
    """Return the file that says which state of the project an extra was installed from."""
    return VENV / f"setup-{extra}"


def is_done(extra):
    """Return whether an extra is installed as pyproject.toml now describes it."""
    ready = PYTHON.exists() and not UNFINISHED.exists() and stamp(extra).exists()
    return ready and stamp(extra).read_text() == fingerprint()


def fingerprint():
    """Return a digest of the files that determine the content of the environment."""
    digest = hashlib.sha256(str(ROOT).encode())  # an environment that was moved does not work
    for name in ("pyproject.toml", "constraints.txt", "scripts/setup.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def find_python():
    """Continue with a newer Python if this one is too old, or stop and say what to install."""
    if sys.version_info < OLDEST:
        for python in ("python3.13", "python3.12", "python3.11"):
            if runs([python, "--version"]):
                sys.exit(subprocess.call([python, *sys.argv]))
        sys.exit(
            f"{sys.executable} is Python {sys.version_info[0]}.{sys.version_info[1]}. "
            f"ossicle needs {OLDEST[0]}.{OLDEST[1]} or newer: install one and name it, "
            "as in `make test PYTHON=python3.12`."
        )
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        sys.exit(
            f"{sys.executable} cannot make an environment: its venv module is not installed. "
            "On Debian and Ubuntu: apt install python3-venv. "
            "Or name another Python: `make test PYTHON=python3.12`."
        )


def make_environment():
    """Create an empty environment."""
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.mkdir()
    run([sys.executable, "-m", "venv", str(VENV)])


def torch_version():
    """Return the version of torch that constraints.txt names."""
    found = re.search(r"^torch==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return found.group(1)


def install_torch():
    """Install torch, without CUDA libraries if the machine has no GPU.

    The default build for Linux includes CUDA. The build without CUDA, `+cpu`, is taken from pip's
    configured index if it is there, otherwise from PyTorch's own index, whose address uv knows.
    """
    version = torch_version()
    plain = f"torch=={version}"
    query = "import importlib.metadata as m; print(m.version('torch'))"
    if output([str(PYTHON), "-c", query]).split("+")[0] == version:
        return
    if sys.platform != "linux" or runs(["nvidia-smi"]):
        run([*PIP, plain])
        return
    uv = [str(PYTHON), "-m", "uv", "pip", "install", "--quiet", "--python", str(PYTHON)]
    try:
        run([*PIP, plain + "+cpu"])
    except StepFailed:
        try:
            run([*PIP, "uv"])
            run([*uv, "--torch-backend", "cpu", plain])
        except StepFailed:
            print("\nNo build of torch without CUDA found: this one brings several GB.", flush=True)
            run([*PIP, plain])


def install(extras):
    """Install ossicle in editable mode, with the extras."""
    run([*PIP, *CONSTRAINTS, "--editable", f"{ROOT}[{','.join(extras)}]"])


def do(title, action):
    """Run one step and print its title; on an error, print the end of the log and exit."""
    print(f"{title} ... ", end="", flush=True)
    begun = time.monotonic()
    try:
        action()
    except StepFailed:
        UNFINISHED.unlink(missing_ok=True)  # pip rolls a failed installation back
        print("failed\n" + "\n".join(LOG.read_text(errors="replace").splitlines()[-25:]))
        sys.exit(f"Set-up stopped. All of its output is in {LOG}. `make setup` tries again.")
    UNFINISHED.unlink(missing_ok=True)
    print(f"{time.monotonic() - begun:.0f} s", flush=True)


def run(command):
    """Run a command with its output added to the log."""
    UNFINISHED.touch()
    with LOG.open("a") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        code = subprocess.call(command, stdout=log, stderr=log, cwd=str(ROOT))
    if code != 0:
        raise StepFailed


def runs(command):
    """Return whether a command can be run and succeeds."""
    try:
        quiet = subprocess.DEVNULL
        return subprocess.call(command, stdout=quiet, stderr=quiet) == 0
    except OSError:
        return False


def output(command):
    """Return the output of a command; empty if it fails."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nSet-up was interrupted. `make setup` begins it again.")
