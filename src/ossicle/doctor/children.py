"""What is imported in other processes: torch, transformers, and packages that may break them."""

import json
import os
import signal
import subprocess
import sys
from typing import Any, Final

from ossicle.doctor.finding import Finding, Status
from ossicle.doctor.packages import installed_version
from ossicle.doctor.probe import STEPS

COMPANIONS: Final = ("torchaudio", "torchcodec", "torchvision")
SECONDS: Final = 300  # a first import on a busy machine takes minutes
KILLED: Final = -signal.SIGKILL
IMPORT: Final = "import importlib, sys; importlib.import_module(sys.argv[1])"
FIXES: Final = {
    "audio": "pip install --force-reinstall soundfile soxr",
    "torch": "install torch again, as https://pytorch.org/get-started/locally says",
    "transformers": "pip install --force-reinstall transformers",
    "device": "update the driver of the GPU, or use --device cpu",
    "backbone": "pip install --force-reinstall ossicle torch transformers",
    "precision": "leave --precision out",
}


def start_probe() -> subprocess.Popen[str]:
    """Start the process that uses torch and transformers."""
    return _start("-m", "ossicle.doctor.probe")


def start_companions() -> dict[str, subprocess.Popen[str]]:
    """Start a process for each package next to torch that is installed; it imports the package."""
    there = [name for name in COMPANIONS if installed_version(name) is not None]
    return {name: _start("-c", IMPORT, name) for name in there}


def companion_findings(children: dict[str, subprocess.Popen[str]]) -> list[Finding]:
    """Return whether packages next to torch can be imported."""
    return [
        _companion(name, children[name])
        if name in children
        else Finding(name, "ok", "not installed; ossicle does not need it")
        for name in COMPANIONS
    ]


def probe_findings(child: subprocess.Popen[str], broken: list[str]) -> list[Finding]:
    """Return whether torch, transformers and a backbone work.

    Args:
        child: The process of `start_probe`.
        broken: Packages next to torch that cannot be imported, and so may be the reason.
    """
    out, _ = _wait(child)
    steps: dict[str, dict[str, str]] = {}
    for line in out.splitlines():
        facts = json.loads(line)
        steps[facts.pop("step")] = facts
    findings = []
    for name, (_, needed) in STEPS.items():
        if name in steps:
            findings.append(_step(name, steps[name], broken))
        elif all("text" in steps.get(one, {}) for one in needed):
            findings.append(_ended(name, child))
            break
        else:
            failed = " and ".join(one for one in needed if "text" not in steps.get(one, {}))
            findings.append(Finding(name, "note", f"not tried: it needs {failed}"))
    return findings


def _step(name: str, facts: dict[str, str], broken: list[str]) -> Finding:
    if "error" not in facts:
        status: Status = "note" if "fix" in facts else "ok"
        return Finding(name, status, facts["text"], facts.get("fix", ""))
    fix = FIXES[name]
    if name == "torch" and installed_version("torch") is None:
        fix = "pip install torch"
    elif name == "transformers" and installed_version("transformers") is None:
        fix = "pip install transformers"
    elif name in ("transformers", "backbone") and broken:
        fix = f"pip uninstall {' '.join(broken)} (transformers imports it where it is installed)"
    return Finding(name, "broken", _one_line(facts["error"]), fix)


def _ended(name: str, child: subprocess.Popen[str]) -> Finding:
    """Return a finding on the step in which the process ended or did not finish."""
    fix = "end other programs and try again" if child.returncode == KILLED else FIXES[name]
    return Finding(name, "broken", _end(child), fix)


def _companion(name: str, child: subprocess.Popen[str]) -> Finding:
    _, err = _wait(child)
    version = installed_version(name)
    if child.returncode == 0:
        return Finding(name, "ok", f"{version}, can be imported")
    lines = [line for line in err.splitlines() if line.strip()]
    # a traceback has its error in its last line that is not indented
    reason = next((line for line in reversed(lines) if not line.startswith(" ")), _end(child))
    fix = (
        f"pip uninstall {name}, which ossicle does not need, or install the version for "
        f"torch {installed_version('torch') or ''}".rstrip()
    )
    return Finding(name, "broken", f"{version} cannot be imported: {_one_line(reason)}", fix)


def _start(*arguments: str) -> subprocess.Popen[str]:
    """Start a Python process that finds the same packages as this one."""
    path = os.pathsep.join(one for one in sys.path if one)
    return subprocess.Popen(
        [sys.executable, "-P", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONPATH": path},
    )


def _wait(child: subprocess.Popen[Any]) -> tuple[str, str]:
    try:
        return child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        out, err = child.communicate()
        return out, err


def _end(child: subprocess.Popen[str]) -> str:
    if child.returncode == KILLED:
        return f"no answer after {SECONDS} s, or the process was killed for its memory"
    return f"the process ended with status {child.returncode}, in compiled code"


def _one_line(text: str, most: int = 300) -> str:
    return " ".join(text.split())[:most]
