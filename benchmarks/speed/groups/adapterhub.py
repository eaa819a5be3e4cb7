"""AdapterHub's library, which needs an older transformers."""

import json
import subprocess
import venv
from importlib import metadata
from pathlib import Path

from speed.bench import SCRIPT, Bench, Figures

ENVIRONMENT = SCRIPT.parent.parent / ".venv-adapterhub"


def measure(bench: Bench) -> Figures:
    """AdapterHub's library on BERT, the one of its models we share, in its own environment."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        install(python)
    command = [python, "-W", "ignore", SCRIPT.parent / "adapterhub.py", str(bench.rounds)]
    command += ["--quick"] if bench.quick else []
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: Figures = json.loads(done.stdout.splitlines()[-1])
    return found


def install(python: Path) -> None:
    """Make the environment, with the torch that is used here."""
    venv.create(ENVIRONMENT, with_pip=True)
    torch_here = metadata.version("torch").partition("+")[0]
    wanted = [f"torch=={torch_here}", "adapters==1.3.0"]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
