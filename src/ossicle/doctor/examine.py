"""Examine the whole installation."""

import platform
import sys

from ossicle import __version__
from ossicle.doctor.children import (
    companion_findings,
    probe_findings,
    start_companions,
    start_probe,
)
from ossicle.doctor.finding import Finding
from ossicle.doctor.machine import examine_machine
from ossicle.doctor.packages import examine_packages


def examine() -> list[Finding]:
    """Return what was found, in the order to read it in."""
    probe, companions = start_probe(), start_companions()  # they run while the rest is examined
    packages, machine = examine_packages(), examine_machine()
    beside = companion_findings(companions)
    broken = [one.name for one in beside if one.status == "broken"]
    return [_python(), *probe_findings(probe, broken), *beside, *machine, *packages]


def _python() -> Finding:
    text = f"{platform.python_version()} at {sys.executable}, {platform.platform()}"
    return Finding("python", "ok", f"ossicle {__version__} on Python {text}")
