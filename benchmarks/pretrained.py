"""Compare adapting the shipped backbones with linear probes, on real recordings.

    python benchmarks/pretrained.py --data FOLDER --out RUNS

FOLDER contains the corpora fsdd/, emodb/ and esc10/ as released. Each of five tasks is run with
five seeds. A seed determines initialisation, order and the draw of recordings and, if the task has
several splits, the split: the five folds of esc10, five pairs of test speakers of emodb, three test
speakers of fsdd (the first two are used twice, with other training recordings). At most 300
training and 100 validation recordings are drawn, evenly over speakers and labels; all test
recordings of the split are used.

A gain is the difference in accuracy to the linear probe, in points: its mean and standard deviation
over the seeds, the p of a paired t-test over the seeds, and the p of a permutation test over the
test recordings (over speakers if there are six or more), in which a recording that is tested by
several seeds is one unit with the sum of its differences. p is not corrected for the number of
comparisons.

Finished runs are not repeated. Results are written to `benchmarks/results/pretrained.json`.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from scipy.stats import ttest_rel

from ossicle import strict_json
from ossicle.data import Utterance, open_data, write_manifest
from ossicle.statistics.paired import FEWEST_SPEAKERS, paired_test
from ossicle.training import TrainConfig, train
from ossicle.training.result import RunResult

SEEDS: Final = range(5)
MOST: Final = {"train": 300, "valid": 100}
PAIRS: Final = ("03,08", "10,09", "11,13", "12,14", "15,16")
LINEAR, FULL, RANDOM = "linear", "full", "full from random"
METHODS: Final = (LINEAR, "lora", "bottleneck", FULL, RANDOM)


@dataclass(frozen=True)
class Work:
    """A task with its backbone, splits and number of epochs."""

    name: str
    backbone: str
    splits: Sequence[str]
    epochs: int


TASKS: Final = (
    Work(
        "fsdd-unheard",
        "tiny-hubert",
        [f"fsdd:FOLDER/fsdd?test_speaker={one}" for one in ("theo", "george", "jackson")],
        5,
    ),
    Work("fsdd-official", "tiny-hubert", ["fsdd:FOLDER/fsdd"], 5),
    Work("fsdd-speaker", "tiny-hubert", ["fsdd:FOLDER/fsdd?label=speaker"], 5),
    Work(
        "emodb",
        "tiny-hubert",
        [f"emodb:FOLDER/emodb?test_speakers={pair}" for pair in PAIRS],
        6,
    ),
    Work(
        "esc10",
        "tiny-ast",
        [f"esc50:FOLDER/esc10?test_fold={fold}" for fold in (1, 2, 3, 4, 5)],
        4,
    ),
)
RATES: Final = {LINEAR: 1e-3, "lora": 3e-3, "bottleneck": 2e-3, FULL: 3e-4, RANDOM: 1e-3}
HEAD_RATE: Final = 3e-3


def evenly(utterances: Sequence[Utterance], most: int, seed: int) -> list[Utterance]:
    """Return at most `most` utterances, distributed evenly over pairs of speaker and label."""
    rng = np.random.default_rng(seed)
    groups: dict[tuple[str | None, str], list[Utterance]] = {}
    for number in rng.permutation(len(utterances)):
        one = utterances[number]
        groups.setdefault((one.speaker, one.label), []).append(one)
    turns = [(turn, name) for name, group in groups.items() for turn in range(len(group))]
    turns.sort(key=lambda pair: pair[0])
    return [groups[name][turn] for turn, name in turns[:most]]


def manifest(work: Work, seed: int, data: Path, out: Path) -> str:
    """Write the training, validation and test recordings of a seed; return the data string."""
    split = work.splits[seed % len(work.splits)].replace("FOLDER", str(data.resolve()))
    dataset = open_data(split)
    chosen: list[Utterance] = []
    sides: dict[str, str] = {}
    for side, part in dataset.sides.items():
        kept = evenly(part, MOST[side], seed) if side in MOST else list(part)
        chosen += kept
        sides |= {one.key: side for one in kept}
    file = out / work.name / f"seed-{seed}.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(file, chosen, split=sides)
    independent = "yes" if dataset.speaker_independent else "no"
    return f"manifest:{file}?speaker_independent={independent}"


def run(work: Work, method: str, seed: int, out: Path, data: str) -> RunResult:
    """Train on one thread, unless that is done already; return the result."""
    torch.set_num_threads(1)
    folder = out / work.name / method.replace(" ", "-") / f"seed-{seed}"
    backbone = work.backbone
    if method == RANDOM:
        backbone = str(random_start(work.backbone, seed, out))
    config = TrainConfig(
        backbone=backbone,
        recipe=FULL if method == RANDOM else method,
        data=data,
        head="meanstd",
        epochs=work.epochs,
        batch_size=8,
        lr=RATES[method],
        head_lr=HEAD_RATE,
        seed=seed,
    )
    result = train(config, folder, resume=(folder / "config.json").is_file())
    accuracy = 100 * result.test["accuracy"]
    print(f"{work.name}  seed {seed}  {method}  {accuracy:.1f}", flush=True)
    return result


def random_start(backbone: str, seed: int, out: Path) -> Path:
    """Write the backbone as it was before pretraining, with other random weights."""
    folder = out / "random" / f"{backbone}-{seed}"
    if not (folder / "preprocessor_config.json").is_file():
        script = Path(__file__).parents[1] / "pretraining/random_start.py"
        command = [sys.executable, str(script), backbone, f"--seed={seed}", f"--out={folder}"]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return folder


def table(results: dict[str, list[RunResult]]) -> dict[str, Any]:
    """Return the results of one task by method."""
    accuracy = {
        name: np.array([100 * one.test["accuracy"] for one in runs])
        for name, runs in results.items()
    }
    found: dict[str, Any] = {}
    for name, runs in results.items():
        found[name] = {
            "trainable": runs[0].parameters["trainable"],
            "accuracy": accuracy[name].tolist(),
            "train_seconds": [round(one.train_seconds, 1) for one in runs],
        }
        if name not in (LINEAR, RANDOM):
            found[name]["over_linear"] = gain(results, accuracy, name, LINEAR)
        if name == FULL:
            found[name]["over_random"] = gain(results, accuracy, name, RANDOM)
    return found


def gain(
    results: dict[str, list[RunResult]],
    accuracy: dict[str, np.ndarray],
    name: str,
    other: str,
) -> dict[str, Any]:
    """Return by how many points one method is better than another, with both p-values."""
    differences = accuracy[name] - accuracy[other]
    pairs = [
        (one, two)
        for mine, theirs in zip(results[name], results[other], strict=True)
        for one, two in zip(mine.test["recordings"], theirs.test["recordings"], strict=True)
    ]
    assert all(one["key"] == two["key"] for one, two in pairs)
    right = np.array([[each["predicted"] == each["label"] for each in pair] for pair in pairs])
    speakers = [one["speaker"] for one, _ in pairs]
    unit = "recording"
    if None not in speakers and len(set(speakers)) >= FEWEST_SPEAKERS:
        unit = "speaker"
    groups = speakers if unit == "speaker" else [one["key"] for one, _ in pairs]
    found = paired_test(right[None, :, 0], right[None, :, 1], groups)
    varied = bool(np.ptp(differences))
    return {
        "mean": float(differences.mean()),
        "deviation": float(differences.std(ddof=1)),
        "p_seeds": float(ttest_rel(accuracy[name], accuracy[other]).pvalue) if varied else None,
        "p_units": found.p_value,
        "unit": unit,
        "num_units": found.num_units,
    }


def markdown(found: dict[str, Any]) -> str:
    """Return one table for all tasks."""
    lines = [
        "| task | recipe | trained | accuracy | gain over linear | p seeds | p units |",
        "|---|---|---|---|---|---|---|",
    ]
    for task, methods in found.items():
        for name, result in methods.items():
            values = np.array(result["accuracy"])
            accuracy = f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
            line = f"| {task} | {name} | {result['trainable']:,} | {accuracy} |"
            over = result.get("over_linear")
            lines.append(line + (cells(over) if over else " | | |"))
            if "over_random" in result:
                line = f"| {task} | {FULL}, over a random start | | |"
                lines.append(line + cells(result["over_random"]))
    return "\n".join(lines)


def cells(over: dict[str, Any]) -> str:
    """Return the last three columns of a row."""
    p = over["p_seeds"]
    seeds = "-" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"
    return (
        f" {round(over['mean'], 1) + 0:+.1f} ± {over['deviation']:.1f} | {seeds} |"  # no -0.0
        f" {over['p_units']:.4f} ({over['num_units']} {over['unit']}s) |"
    )


def main() -> None:
    """Run everything that is not finished, two runs at a time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder with fsdd/, emodb/ and esc10/")
    parser.add_argument(
        "--out", type=Path, default=Path("runs/pretrained"), help="folder for the runs"
    )
    parser.add_argument("--tasks", nargs="*", default=[work.name for work in TASKS])
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "results/pretrained.json"
    )
    options = parser.parse_args()
    if options.data is None:
        print("Skipped: real recordings are needed; give --data FOLDER with fsdd/, emodb/, esc10/.")
        return
    works = [work for work in TASKS if work.name in options.tasks]
    waiting: dict[str, dict[str, list[Any]]] = {
        work.name: {method: [] for method in METHODS} for work in works
    }
    with ProcessPoolExecutor(options.workers) as pool:
        for seed in options.seeds:
            for work in works:
                data = manifest(work, seed, options.data, options.out)
                for method in METHODS:
                    one = pool.submit(run, work, method, seed, options.out, data)
                    waiting[work.name][method].append(one)
        found = {
            task: table({name: [one.result() for one in runs] for name, runs in methods.items()})
            for task, methods in waiting.items()
        }
    print(markdown(found))
    options.json.write_text(strict_json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
