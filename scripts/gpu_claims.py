#!/usr/bin/env python3
"""Ask the central claims D1a, D3, A2a and C1 at base size on a GPU, in at most eight minutes.

    python3 scripts/gpu_claims.py --ast FOLDER --speech FOLDER --sounds esc50:FOLDER
    python3 scripts/gpu_claims.py --device cpu --quick    try the script itself, on tiny models

`--ast` and `--speech` are pretrained backbones of base size, such as an AST and a HuBERT, and
`--sounds` and `--words` the recordings for them; the default is the corpus that ships. Packages are
those of `gpu_check.py`, and no network is needed.

Each claim gets a share of the time and what earlier ones have left over. One that is not finished
by then is reported as such; with the same `--out`, a second call continues it. The results are
written to `benchmarks/results/verdicts-gpu.json`, and `benchmarks/verdicts.py` adds them to the
page of verdicts.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gpu_check import ROOT, prepared

STORED = ROOT / "benchmarks" / "results" / "verdicts-gpu.json"
SHARES = {"D1a": 0.35, "D3": 0.25, "A2a": 0.25, "C1": 0.15}  # of the time, in this order
OF_AST = ("D1a", "D3")
GRID = {"lr": "3e-4,1e-3,3e-3,1e-2", "epochs": "5"}  # base size has its best rates lower than tiny
MARGIN_S = 30.0  # to judge, and write the page
GRACE_S = 10.0  # to end the processes of trials


def main():
    """Run each claim in a process of its own, which is stopped at its limit; then judge all."""
    options = parsed()
    if options.claim:
        return run(options)
    deadline = time.monotonic() + options.seconds
    environment = prepared(options.device)
    left = dict(SHARES)
    for claim in SHARES:
        left_s = deadline - time.monotonic() - MARGIN_S
        limit_s = left_s * left[claim] / sum(left.values())
        del left[claim]
        command = [sys.executable, __file__, *sys.argv[1:], "--claim", claim]
        ended = bounded([*command, "--out", str(options.out)], environment, limit_s)
        print(f"{claim}: {state(ended, limit_s)}", flush=True)
    return judged(options, environment)


def parsed():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--quick", action="store_true", help="tiny models, a scratch folder")
    parser.add_argument("--seconds", type=float, default=480, help="to finish within")
    parser.add_argument("--ast", help="a pretrained AST of base size")
    parser.add_argument("--speech", help="a pretrained speech backbone of base size")
    parser.add_argument("--sounds", default="demo", help="recordings for --ast")
    parser.add_argument("--words", default="demo", help="recordings for --speech")
    parser.add_argument("--workers", type=int, default=4, help="trials at the same time")
    parser.add_argument("--out", type=Path, help="folder of the studies")
    parser.add_argument("--claim", choices=tuple(SHARES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.quick:
        options.ast, options.speech, options.workers = "tiny-ast", "tiny-hubert", 1
    if not options.ast or not options.speech:
        parser.error("--ast and --speech are needed: random weights would say nothing of claims")
    scratch = Path(tempfile.gettempdir()) / "ossicle-gpu-claims-quick"
    options.out = options.out or (scratch if options.quick else ROOT / "build" / "gpu-claims")
    return options


def run(options):
    """Run the trials of one claim that are not finished."""
    from ossicle.studies import Claims, Grid
    from ossicle.studies.run import run_study
    from ossicle.training.config import TrainConfig

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of what is open
    on_ast = options.claim in OF_AST
    small = {"max_seconds": 1.0, "train_fraction": 0.05} if options.quick else {}
    config = TrainConfig(
        backbone=options.ast if on_ast else options.speech,
        data=options.sounds if on_ast else options.words,
        recipe="",
        device=options.device,
        **{"train_fraction": 0.25, **small},
    )
    grid = Grid(config=config, seeds=(0,) if options.quick else Claims.seeds)
    run_study(
        Claims(only=options.claim, **GRID),
        grid,
        options.out / options.claim,
        trials_folder=options.out / "trials",
        workers=options.workers,
        report=False,
    )
    return 0


def bounded(command, environment, limit_s):
    """Return the exit code of a command; None if it was stopped at the limit."""
    process = subprocess.Popen(command, env=environment, cwd=str(ROOT))
    try:
        return process.wait(timeout=max(limit_s - GRACE_S, 0))
    except subprocess.TimeoutExpired:
        process.terminate()  # not kill: it ends the processes of its trials
    try:
        process.wait(timeout=GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def state(ended, limit_s):
    """Return how a process has ended, as text."""
    if ended is None:
        return f"stopped after {limit_s:.0f} s, which is its share of the time"
    return "finished" if ended == 0 else f"failed with status {ended}"


def judged(options, environment):
    """Judge what is finished, store it, and return 0; 1 if no claim has any trial."""
    folders = [one for name in SHARES if (one := options.out / name).is_dir()]
    if not folders:
        print("No trial was begun; the messages above say why.")
        return 1
    file = options.out / STORED.name if options.quick or options.device == "cpu" else STORED
    command = [sys.executable, str(ROOT / "benchmarks" / "verdicts.py"), *map(str, folders)]
    replaced = {str(options.out): "studies", options.ast: "AST", options.speech: "SPEECH"}
    for old, new in replaced.items() if not options.quick else ():
        command += ["--replace", f"{old}={new}"]
    command += ["--file", str(file), "--machine", machine(options.device)]
    subprocess.run(command, check=True, env=environment)
    for study in json.loads(file.read_text(encoding="utf-8"))["studies"]:
        print("\n".join(study["said"]))
    print(f"Written to {file}")
    return 0


def machine(device):
    """Return the name of the device."""
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "a processor"


if __name__ == "__main__":
    sys.exit(main())
