"""Run `make demo`: a comparison, a training run and its use, on the data included in ossicle.

Everything is written below demo/, which is emptied first.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
AUDIO = "src/ossicle/data/demo/audio"
THREE = ["stop-david-calm", "louder-annie-excited", "left-victor-tired"]  # of test voices
AT_WORK = ["--backbone", "tiny-hubert", "--epochs", "4", "--lr", "3e-3"]
RECIPES = "linear,bitfit,lora,bottleneck,full(lr=5e-4)"


def main():
    """Run the demonstration from the root of the repository."""
    shutil.rmtree(ROOT / "demo", ignore_errors=True)
    print(
        "Twenty synthetic voices speak eight commands. First: who speaks, tested on two commands\n"
        "that were not in training. The first recipe trains a classifier on the frozen backbone."
    )
    voices = ["--data", "demo?label=voice", "--recipes", RECIPES]
    ossicle("compare", *AT_WORK, *voices, "--out", "demo/compare")
    print("\nThe report, with intervals, tests and plots: open demo/compare/report.html.")
    print("\nThen: which command it is, tested on four voices that were not in training.")
    ossicle("train", *AT_WORK, "--data", "demo", "--recipe", "lora", "--out", "demo/run")
    ossicle("evaluate", "demo/run", "--data", "demo")
    print("\nThe name of each file begins with the correct command.")
    ossicle("predict", "demo/run", *[f"{AUDIO}/{name}.ogg" for name in THREE])
    ossicle("inspect", "demo/run")

    print(
        "\nNext, with recordings of your own: a folder with a folder of audio files per label,\n"
        "or with a metadata.csv that has the columns file_name,label,speaker,split.\n\n"
        "    .venv/bin/ossicle compare --backbone tiny-hubert --recipes linear,lora \\\n"
        "        --data audiofolder:FOLDER --out runs/first\n\n"
        "and with a large backbone from the model hub: --backbone facebook/hubert-base-ls960\n"
    )


def ossicle(*arguments):
    """Print a command and run it; exit if it fails."""
    print(f"\n$ ossicle {shlex.join(arguments)}", flush=True)
    command = [str(Path(sys.executable).with_name("ossicle")), *arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    main()
