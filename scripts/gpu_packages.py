#!/usr/bin/env python3
"""Fill `wheels/` with the packages that `gpu_check.py` needs on a machine without a network.

    python scripts/gpu_packages.py                    for this version of Python, on Linux x86-64
    python scripts/gpu_packages.py --python 3.12      for another one

Versions are those installed here. torch, transformers and what they depend on are left out: the
machine has them, built for its GPU. `wheels/packages.json` names what is there.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WHEELS = ROOT / "wheels"
LIST = WHEELS / "packages.json"
PACKAGES = ROOT / "build" / "gpu-packages"
PRESENT = ("torch", "transformers", "huggingface-hub")  # on the machine, with what they depend on
UNUSED = ("tensorboard", "typer", "plotly", "jinja2", "scikit-posthocs", "statsmodels")
FOR_TESTS = ("beartype", "hypothesis", "pytest", "pytest-socket")
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def main():
    """Download a wheel of every package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=f"3.{sys.version_info[1]}", help="of that machine")
    options = parser.parse_args()
    found = closure()
    shutil.rmtree(WHEELS, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--python-version", options.python]
    for platform in PLATFORMS:
        command += ["--platform", platform]
    pinned = [f"{name}=={package['version']}" for name, package in found.items()]
    subprocess.run([*command, "--dest", str(WHEELS), *pinned], check=True)
    LIST.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    size = sum(file.stat().st_size for file in WHEELS.glob("*.whl"))
    print(f"{len(found)} wheels, {size / 1e6:.0f} MB, in {WHEELS}")


def closure():
    """Return the installed version and the lower bound of every package that is needed."""
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    named = [Requirement(one) for one in project["dependencies"] + extras["benchmark"]]
    named += [one for one in map(Requirement, extras["dev"]) if one.name in FOR_TESTS]
    found, waiting = {}, [one for one in named if one.name not in UNUSED]
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in PRESENT or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        bounds = [one.version for one in wanted.specifier if one.operator in (">=", "~=")]
        known = found.get(name)
        if known is None:
            known = found[name] = {"version": metadata.version(name), "at_least": "0"}
            waiting += [Requirement(one) for one in metadata.requires(name) or ()]
        known["at_least"] = max([known["at_least"], *bounds], key=numbers)
    return dict(sorted(found.items()))


def missing():
    """Return the packages in `wheels/` that have to be installed, pinned."""
    if not LIST.is_file():
        return []
    found = json.loads(LIST.read_text(encoding="utf-8"))
    return [
        f"{name}=={package['version']}"
        for name, package in found.items()
        if numbers(installed(name)) < numbers(package["at_least"])
    ]


def installed(name):
    """Return the installed version of a package, also from `build/`; "" if it is not installed."""
    places = [*sys.path, str(PACKAGES)]
    versions = [one.version for one in metadata.distributions(name=name, path=places)]
    return max(versions, key=numbers, default="")


def numbers(version):
    """Return the numbers of a version for comparison; the empty version is the lowest."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


if __name__ == "__main__":
    main()
