"""Every task that has real recordings here, with the shipped backbones and LoRA, three seeds.

    python benchmarks/tasks.py --data FOLDER --out RUNS

FOLDER contains the corpora fsdd/, emodb/ and esc10/ as released. Connected digits are strings
created from fsdd by `ossicle derive words`, with the same speakers in training, validation and
test; verification is on pairs of recordings of two speakers of fsdd and two of emodb who are not in
training. Finished runs are not repeated. Results are written to `benchmarks/results/tasks.json`.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import torch

from ossicle import strict_json
from ossicle.data import Utterance, open_data, write_manifest
from ossicle.data.derive import connect
from ossicle.training import TrainConfig, train
from ossicle.training.result import RunResult

SEEDS: Final = (0, 1, 2)
PAIRS: Final = ("03,08", "10,09", "11,13", "12,14", "15,16")
SPEAKERS: Final = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
VERIFIED: Final = {
    "test": {"theo", "yweweler", "03", "08"},
    "valid": {"nicolas", "lucas", "10", "09"},
}
STRINGS: Final = 600


@dataclass(frozen=True)
class Work:
    """A task with its splits and the settings of its runs.

    Attributes:
        name: Name of the task.
        splits: Data strings; each is run with every seed.
        settings: Fields of `TrainConfig`.
        metrics: Keys of the metrics to report.
    """

    name: str
    splits: Sequence[str]
    settings: dict[str, Any]
    metrics: tuple[str, ...]


ACCURACY: Final = ("accuracy", "macro_f1", "uar")
WORKS: Final = (
    Work("fsdd digits, official split", ["fsdd:FOLDER/fsdd"], {"epochs": 2}, ACCURACY),
    Work("fsdd speakers", ["fsdd:FOLDER/fsdd?label=speaker"], {"epochs": 2}, ACCURACY),
    Work(
        "fsdd + emodb, verification",
        ["manifest:RUNS/verification.csv"],
        {"epochs": 3, "task": "verification", "head": "speaker-meanstd", "max_seconds": 3.0},
        ("eer", "min_dcf_01", "min_dcf_05"),
    ),
    Work(
        "emodb emotion, two unheard speakers",
        [f"emodb:FOLDER/emodb?test_speakers={pair}" for pair in PAIRS],
        {"epochs": 6, "batch_size": 8, "head": "meanstd"},
        ACCURACY,
    ),
    Work(
        "esc10, five folds",
        [f"esc50:FOLDER/esc10?test_fold={fold}" for fold in (1, 2, 3, 4, 5)],
        {"epochs": 4, "batch_size": 8, "backbone": "tiny-ast"},
        ACCURACY,
    ),
    Work(
        "fsdd connected digits",
        ["manifest:RUNS/strings/manifest.csv?label=transcript&speaker_independent=no"],
        {"epochs": 10, "batch_seconds": 40.0},
        ("wer", "cer"),
    ),
    Work(
        "emodb phones, two unheard speakers",
        ["emodb:FOLDER/emodb?label=phones&test_speakers=11,13"],
        {"epochs": 12, "batch_seconds": 40.0},
        ("per",),
    ),
    Work(
        "fsdd digits, leave one speaker out",
        [f"fsdd:FOLDER/fsdd?test_speaker={one}" for one in SPEAKERS],
        {"epochs": 1},
        ACCURACY,
    ),
)
SHARED: Final = {"backbone": "tiny-hubert", "recipe": "lora", "lr": 3e-3, "track": "none"}


def prepare(data: Path, out: Path) -> None:
    """Write the connected digits and the manifest for verification, unless they exist."""
    if not (out / "strings/manifest.csv").is_file():
        connect(open_data(f"fsdd:{data / 'fsdd'}"), out / "strings", count=STRINGS)
    corpora = (
        f"fsdd:{data / 'fsdd'}?label=verification",
        f"emodb:{data / 'emodb'}?label=verification",
    )
    everything: list[Utterance] = []
    for spec in corpora:
        everything += open_data(spec).utterances
    # As many of fsdd's speakers as of emodb's, or nearly: fifty recordings of each.
    chosen = [one for one in everything if "_" not in one.path.stem or int(one.path.stem[-1]) == 0]
    sides = {one.key: side_of(one.speaker or "") for one in chosen}
    write_manifest(out / "verification.csv", chosen, split=sides)


def side_of(speaker: str) -> str:
    """Return the side of a speaker."""
    return next((side for side, speakers in VERIFIED.items() if speaker in speakers), "train")


def run(work: Work, split: str, number: int, seed: int, out: Path, data: Path) -> RunResult:
    """Train in one thread, unless the run is finished; return the result."""
    torch.set_num_threads(1)
    folder = out / work.name.replace(" ", "-") / f"split-{number}-seed-{seed}"
    spec = split.replace("FOLDER", str(data)).replace("RUNS", str(out))
    config = TrainConfig(**{**SHARED, **work.settings, "data": spec, "seed": seed})
    result = train(config, folder, resume=(folder / "config.json").is_file())
    shown = "  ".join(f"{name} {100 * result.test[name]:.1f}" for name in work.metrics)
    seconds = result.train_seconds
    print(f"{work.name}  split {number}  seed {seed}  {shown}  {seconds:.0f} s", flush=True)
    return result


def row(work: Work, runs: list[list[RunResult]]) -> dict[str, Any]:
    """Return the mean over splits of each metric by seed, and mean and deviation over seeds."""
    found: dict[str, Any] = {
        "splits": len(work.splits),
        "settings": dict(work.settings),
        "trainable": runs[0][0].parameters["trainable"],
        "test_recordings": [one.test["count"] for one in runs[0]],
        "train_seconds": mean(one.train_seconds for of_seed in runs for one in of_seed),
    }
    for name in work.metrics:
        by_seed = [100 * mean(one.test[name] for one in of_seed) for of_seed in runs]
        found[name] = {"mean": mean(by_seed), "deviation": stdev(by_seed), "by_seed": by_seed}
    if "as_norm" in runs[0][0].test:
        for norm in ("s_norm", "as_norm"):
            by_seed = [100 * of_seed[0].test[norm]["eer"] for of_seed in runs]
            found[f"eer_{norm}"] = {
                "mean": mean(by_seed),
                "deviation": stdev(by_seed),
                "by_seed": by_seed,
            }
    return found


def main() -> None:
    """Run everything that is not finished and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with fsdd/, emodb/ and esc10/")
    parser.add_argument("--out", type=Path, help="folder for the runs")
    given = parser.parse_args()
    if given.data is None or given.out is None:
        print("Skipped: give --data FOLDER with fsdd/, emodb/, esc10/ as released, and --out RUNS.")
        return
    data, out = given.data.resolve(), given.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    prepare(data, out)
    found = {}
    for work in WORKS:
        runs = [
            [run(work, split, number, seed, out, data) for number, split in enumerate(work.splits)]
            for seed in SEEDS
        ]
        found[work.name] = row(work, runs)
        file = Path(__file__).parent / "results/tasks.json"
        file.write_text(strict_json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
