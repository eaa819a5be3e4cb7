"""What `make demo` runs: a comparison, a training run and its use, on a synthetic corpus.

Everything is written below demo/, which is made anew each time.
"""

import csv
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from demo_corpus import write_corpus

ROOT = Path(__file__).resolve().parent.parent
BACKBONE = "config:tiny-hubert"
DATA = "audiofolder:demo/corpus"
AT_WORK = ["--backbone", BACKBONE, "--data", DATA, "--epochs", "5", "--batch-size", "4"]


def main():
    """Run the demonstration from the root of the repository."""
    print("The recordings are synthesised, and the backbone is random until ossicle ships its own.")
    shutil.rmtree(ROOT / "demo", ignore_errors=True)
    write_corpus(ROOT / "demo/corpus")
    with (ROOT / "demo/corpus/metadata.csv").open(encoding="utf-8") as file:
        names = [row["file_name"] for row in csv.DictReader(file) if row["split"] == "test"]
    three = [f"demo/corpus/{name}" for name in names[:: len(names) // 3][:3]]

    recipes = "linear,bitfit,lora,bottleneck,full"
    ossicle("compare", *AT_WORK, "--recipes", recipes, "--seeds", "0", "--out", "demo/compare")
    ossicle("train", *AT_WORK, "--recipe", "lora", "--out", "demo/run")
    ossicle("evaluate", "demo/run", "--data", DATA)
    print("\nThe true label begins the name of each file; a random backbone names many wrongly.")
    ossicle("predict", "demo/run", *three)
    ossicle("inspect", "demo/run")

    print(
        "\nNext, with recordings of your own: a folder with a folder of audio files per label,\n"
        "or with a metadata.csv that has the columns file_name,label,speaker,split.\n\n"
        "    .venv/bin/ossicle compare --backbone facebook/hubert-base-ls960 "
        "--recipes linear,lora --data audiofolder:FOLDER --out runs/first\n"
    )


def ossicle(*arguments):
    """Show a command, then run it; stop where it fails."""
    print(f"\n$ ossicle {shlex.join(arguments)}", flush=True)
    command = [str(Path(sys.executable).with_name("ossicle")), *arguments]
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code != 0:
        sys.exit(code)


if __name__ == "__main__":
    main()
