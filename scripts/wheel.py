#!/usr/bin/env python3
"""Build a wheel, install it in empty environments, and run a demonstration in each.

    python3 scripts/wheel.py                          lowest and highest, with every Python found
    python3 scripts/wheel.py tested                   versions of constraints.txt, with this Python
    python3 scripts/wheel.py lowest --python python3.11

`lowest` installs the lower bounds of pyproject.toml, `highest` the newest versions that they allow.
The lowest versions are installed with the oldest Python only: they have no wheels for newer ones.
Environments are in a temporary folder, and everything runs there, with nothing of the checkout.
torch is the build that the index offers, on Linux usually several gigabytes with CUDA.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3.14")
OLDEST = PYTHONS[0]
CORNERS = {
    "lowest": ["--resolution", "lowest-direct", "--requirements", str(ROOT / "pyproject.toml")],
    "highest": ["--resolution", "highest"],
    "tested": ["--constraints", str(ROOT / "constraints.txt")],
}
SHOWN = ("torch", "transformers", "numpy", "typer")
TRAIN = ["train", "--backbone", "tiny-hubert", "--data", "demo", "--recipe", "lora"]
CHANCE = 1 / 8  # the demonstration has eight classes
PROBE = """
import importlib.metadata as metadata, json, ossicle, sys
from ossicle.data import open_data
print(json.dumps({
    "file": ossicle.__file__,
    "recording": str(open_data("demo").utterances[0].path),
    "versions": {name: metadata.version(name) for name in sys.argv[1:]},
}))
"""


def main():
    """Run the corners that were asked for; exit with 1 if one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("corners", nargs="*", metavar="CORNER", help=", ".join(CORNERS))
    parser.add_argument("--python", action="append", help="a Python; default: all that are found")
    given = parser.parse_args()
    if unknown := set(given.corners) - set(CORNERS):
        parser.error(f"no corner is named {', '.join(unknown)}; use {', '.join(CORNERS)}")
    pythons = given.python or [one for one in PYTHONS if works(one)] or [sys.executable]
    with tempfile.TemporaryDirectory(prefix="ossicle-wheel-") as folder:
        work = Path(folder)
        uv = install_uv(work)
        wheel = build(uv, work)
        rows = [
            attempt(uv, wheel, corner, python, work)
            for corner in given.corners or ("lowest", "highest")
            for python in pythons_of(corner, pythons, explicit=bool(given.python))
        ]
    for row in rows:
        print("  ".join(row))
    sys.exit(any("failed" in row for row in rows))


def pythons_of(corner, pythons, *, explicit):
    """Return the Pythons of a corner."""
    if explicit:
        return pythons
    if corner == "tested":
        return [sys.executable]
    return pythons[:1] if corner == "lowest" else pythons


def works(python):
    """Return whether a Python is there and runs; pyenv has stand-ins for versions that do not."""
    path = shutil.which(python)
    quiet = subprocess.DEVNULL
    return path is not None and subprocess.call([path, "-V"], stdout=quiet, stderr=quiet) == 0


def install_uv(work):
    """Return the path of uv; it is installed in an environment of its own if it is missing."""
    if found := shutil.which("uv"):
        return found
    run([sys.executable, "-m", "venv", work / "uv"])
    run([work / "uv/bin/python", "-m", "pip", "install", "--quiet", "uv"])
    return work / "uv/bin/uv"


def build(uv, work):
    """Build the wheel, print what it weighs, and return it."""
    run([uv, "build", "--quiet", "--wheel", "--out-dir", work / "dist", ROOT])
    (wheel,) = (work / "dist").glob("*.whl")
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", flush=True)
    return wheel


def attempt(uv, wheel, corner, python, work):
    """Return a row on one corner."""
    folder = work / f"{corner}-{Path(python).name}"
    print(f"== {corner}, {python}", flush=True)
    begun = time.monotonic()
    try:
        install(uv, wheel, CORNERS[corner], python, folder)
        installed = time.monotonic()
        versions, score = demonstrate(folder)
    except (subprocess.CalledProcessError, AssertionError) as error:
        print(f"{error}\n{getattr(error, 'output', '')}"[-4000:])
        return [corner, python, "failed"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)  # gigabytes
    times = f"installed in {installed - begun:.0f} s, ran {time.monotonic() - installed:.0f} s"
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    return [corner, python, "passed", named, times, f"macro-F1 {score:.3f}"]


def install(uv, wheel, how, python, folder):
    """Install the wheel in a new environment in a folder."""
    run([uv, "venv", "--quiet", "--python", python, folder / "env"])
    pip = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python"]
    run([*pip, folder / "env/bin/python", *how, wheel])


def demonstrate(folder):
    """Train, predict and evaluate with what ships in the wheel; return versions and the metric."""
    ossicle = folder / "env/bin/ossicle"
    found = json.loads(run([folder / "env/bin/python", "-P", "-c", PROBE, *SHOWN], folder))
    assert Path(found["file"]).is_relative_to(folder), f"imported {found['file']}"
    assert json.loads(run([ossicle, "doctor", "--json"], folder))["usable"]
    run([ossicle, "params", "--backbone", "tiny-ast", "--recipe", "bottleneck"], folder)
    result = json.loads(run([ossicle, *TRAIN, "--epochs=1", "--out=run", "--json"], folder))
    score = result["test"]["macro_f1"]
    assert score > 2 * CHANCE, f"macro-F1 is {score}"
    answer = json.loads(run([ossicle, "predict", "run", found["recording"], "--json"], folder))
    assert answer["label"] in answer["probs"], answer
    return found["versions"], score


def run(command, folder=ROOT):
    """Run a command and return its output.

    Raises:
        CalledProcessError: it fails; with its output.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        output = done.stdout + done.stderr
        raise subprocess.CalledProcessError(done.returncode, done.args, output)
    return done.stdout


def environment():
    """Return the variables of this process without PYTHONPATH, and pip's settings for uv."""
    here = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    here["OMP_NUM_THREADS"] = "1"
    for pip, uv in (("PIP_FIND_LINKS", "UV_FIND_LINKS"), ("PIP_INDEX_URL", "UV_DEFAULT_INDEX")):
        if pip in here:
            here.setdefault(uv, ",".join(here[pip].split()))
    if "PIP_CERT" in here:
        here.setdefault("SSL_CERT_FILE", here["PIP_CERT"])
    return here


if __name__ == "__main__":
    main()
