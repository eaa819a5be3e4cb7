"""Train several recipes with several seeds on one split, and test which is better.

Every run is a process of its own, so that its peak memory can be measured and its failure does not
end the others. A finished run is not repeated, and an interrupted one is resumed.
"""

import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import numpy as np

from ossicle.adapters.slots import build_slots
from ossicle.backbones import load_backbone
from ossicle.errors import RunError, listing
from ossicle.files import replace_file, write_json
from ossicle.metrics.metric import Metric
from ossicle.progress import Progress, no_progress
from ossicle.recipes.recipe import Recipe
from ossicle.statistics.paired import paired_test
from ossicle.studies.worker import train_in_worker
from ossicle.tasks import TASKS
from ossicle.training.config import TrainConfig
from ossicle.training.folder import METRICS
from ossicle.training.result import RunResult, read_result
from ossicle.training.run import train

TABLE: Final = "compare.json"
PAGE: Final = "compare.md"


def compare(
    config: TrainConfig,
    recipes: Sequence[str],
    seeds: Sequence[int],
    out: Path | str,
    *,
    started: Callable[[str, int, int, int], None] = lambda *_: None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Train all recipes with all seeds and return one table.

    Args:
        config: Settings of all runs; its recipe and seed are not used.
        recipes: Presets, expressions or files; the others are tested against the first.
        seeds: At least one; the same for every recipe.
        out: Folder for a run folder per recipe and seed, `compare.json` and `compare.md`.
        started: Called before each run with recipe, seed, its number from 1, and the
            number of runs.
        progress: Called after every step of a run.

    Raises:
        OssicleError: bad input.
        RunError: a run has failed; finished runs are kept and not repeated.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise RunError(
            "compare cannot run under a launcher of several processes; use `ossicle train` there"
        )
    plans = [Recipe.parse(recipe) for recipe in recipes]
    labels = [plan.label for plan in plans]
    for what, given in (("recipes", labels), ("seeds", [str(seed) for seed in seeds])):
        twice = sorted({one for one in given if given.count(one) > 1})
        if twice or not given:
            fault = f"{listing(twice)} is given twice" if twice else "none were given"
            raise RunError(f"compare needs one or more different {what}; {fault}")
    _check_fit(plans, config.backbone)
    folder = Path(out)
    results: dict[str, list[RunResult]] = {label: [] for label in labels}
    total = len(recipes) * len(seeds)
    for seed in seeds:
        for recipe, label in zip(recipes, labels, strict=True):
            done = sum(len(of_one) for of_one in results.values())
            started(label, seed, done + 1, total)
            one = replace(config, recipe=recipe, seed=seed)
            results[label].append(_run(one, folder / _slug(label) / f"seed-{seed}", progress))
    _check_splits({label: folder / _slug(label) for label in labels}, results)
    first = results[labels[0]]
    found = {
        "data": config.data,
        "split": first[0].split,
        "backbone": config.backbone,
        "task": first[0].task,
        "seeds": list(seeds),
        "rows": [_row(label, runs, first) for label, runs in results.items()],
    }
    write_json(folder / TABLE, found)
    replace_file(folder / PAGE, markdown(found).encode())
    return found


def _check_fit(plans: Sequence[Recipe], backbone: str) -> None:
    """Raise if a recipe does not fit the backbone, before hours of training; load no weights."""
    bare = load_backbone(backbone, weights=False)
    for plan in plans:
        build_slots(bare, plan)


def _check_splits(folders: Mapping[str, Path], results: Mapping[str, Sequence[RunResult]]) -> None:
    """Check that all runs have the same recordings; those for training may differ between seeds.

    Args:
        folders: Folder of the runs of each recipe.
        results: Results of each recipe, one per seed.

    Raises:
        RunError: two runs have different recordings.
    """
    found = [(folders[label], run) for label, runs in results.items() for run in runs]
    for other, run in found:
        same = [pair for pair in found if pair[1].seed == run.seed]  # draws of training may differ
        for (folder, first), sides in ((found[0], ("valid", "test")), (same[0], ("train",))):
            if any(run.split_fingerprint[side] != first.split_fingerprint[side] for side in sides):
                raise RunError(
                    f"'{other / f'seed-{run.seed}'}' has other recordings than "
                    f"'{folder / f'seed-{first.seed}'}', so the two cannot be compared. Remove "
                    "the older one, and run the same command again"
                )


def _run(config: TrainConfig, folder: Path, progress: Progress) -> RunResult:
    """Train and test in a worker process, unless the run is finished."""
    if (folder / METRICS).is_file():
        result = train(config, folder, resume=True, test=False)
        if result.test is not None:
            return result
    try:
        train_in_worker(config, folder, progress)
    except RunError as error:
        raise RunError(
            f"the comparison stopped at recipe '{config.recipe}' with seed {config.seed}: "
            f"{error}. Finished runs are kept: fix this, and run the same command again"
        ) from error
    return read_result(folder)


def _row(label: str, runs: Sequence[RunResult], first: Sequence[RunResult]) -> dict[str, Any]:
    """Return the table row of a recipe, from its runs and those of the first recipe."""
    row: dict[str, Any] = {
        "recipe": label,
        "expression": runs[0].expression,
        "parameters": runs[0].parameters,
        "adapter_bytes": runs[0].adapter_bytes,
    }
    for metric in TASKS[runs[0].task].reported:
        values = [run.test_metrics[metric] for run in runs]
        known = None not in values  # a metric that is not defined is null
        row[metric] = {
            "mean": mean(values) if known else None,
            "deviation": stdev(values) if known and len(values) > 1 else None,
            "values": values,
        }
    row["train_seconds"] = mean(run.train_seconds for run in runs)
    memory = [run.peak_memory_mib for run in runs if run.peak_memory_mib is not None]
    row["peak_memory_mib"] = max(memory) if len(memory) == len(runs) else None
    row["against_first"] = None if runs is first else _paired(runs, first)
    return row


def _paired(runs: Sequence[RunResult], first: Sequence[RunResult]) -> dict[str, Any] | None:
    """Return the paired test of two recipes; None for tasks without a score per recording."""
    recordings = first[0].test_metrics["recordings"]
    if "score" not in recordings[0]:
        return None
    speakers = [one["speaker"] for one in recordings]
    groups = None if None in speakers else speakers
    return asdict(paired_test(_scores(runs), _scores(first), groups))


def _scores(runs: Sequence[RunResult]) -> np.ndarray:
    """Return the score of each recording, of shape (seeds, recordings), defined by the task."""
    return np.array([[one["score"] for one in run.test_metrics["recordings"]] for run in runs])


def _slug(label: str) -> str:
    """Return the folder name of a recipe: a preset as it is, an expression with a hash."""
    plain = re.sub(r"[^\w.-]+", "-", label).strip("-")
    if plain == label:
        return label
    return f"{plain[:40]}-{hashlib.blake2b(label.encode(), digest_size=3).hexdigest()}"


def table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the comparison table as text."""
    task_class = TASKS[found["task"]]
    reported = task_class.reported
    labels = [metric.label for metric in reported.values()]
    header = ["recipe", "trainable", "without head", *labels]
    header += ["train s", "peak MiB", "gain (p)"]
    rows = []
    for row in found["rows"]:
        sizes = row["parameters"]
        rows.append(
            [
                row["recipe"],
                f"{sizes['trainable']:,}",
                f"{sizes['trainable'] - sizes['head']:,}",
                *(
                    metric.spread(row[key]["mean"], row[key]["deviation"])
                    for key, metric in reported.items()
                ),
                f"{row['train_seconds']:.0f}",
                "-" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']:.0f}",
                _gain(row["against_first"], task_class.recording_score),
            ]
        )
    return header, rows


def markdown(found: dict[str, Any]) -> str:
    """Return a comparison as a Markdown page."""
    header, rows = table(found)
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join([*notes(found), "", *lines, ""])


def notes(found: dict[str, Any]) -> list[str]:
    """Return the lines above the table: data, backbone, metrics and the test."""
    several = len(found["seeds"]) > 1
    task_class = TASKS[found["task"]]
    percent = " in percent" if all(one.percent for one in task_class.reported.values()) else ""
    spread = "mean ± standard deviation over the seeds " if several else "with seed "
    seeds = ", ".join(str(seed) for seed in found["seeds"])
    tests = [row["against_first"] for row in found["rows"] if row["against_first"] is not None]
    about = [
        f"{found['data']} on {found['backbone']}: {found['split']}",
        f"Test metrics{percent}, {spread}{seeds}.",
    ]
    if tests and task_class.recording_score:
        about[-1] += (
            f" Gain is the difference in {task_class.recording_score.label} to "
            f"{found['rows'][0]['recipe']}, with the p of a paired permutation test over "
            f"{tests[0]['num_units']} {tests[0]['unit']}s, not corrected for "
            "the number of recipes."
        )
    return about


def _gain(test: dict[str, Any] | None, score: Metric | None) -> str:
    if test is None or score is None:
        return ""
    return f"{score.difference(test['difference'])} ({test['p_value']:.4f})"
