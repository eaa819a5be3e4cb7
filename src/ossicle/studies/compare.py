"""Train several recipes with several seeds on one split, and tell which is better.

Every run has a process of its own, so that its peak memory is its own and a failure is too. A run
that is there already is not repeated, and one that was interrupted goes on.
"""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any, Final

import numpy as np

from ossicle.attach.folder import replace_file, write_json
from ossicle.attach.recipe import Recipe
from ossicle.errors import RunError
from ossicle.metrics import paired_test
from ossicle.training.config import TrainConfig
from ossicle.training.run import CONFIG, METRICS

FIGURES: Final = ("macro_f1", "accuracy", "uar")
TABLE: Final = "compare.json"
PAGE: Final = "compare.md"


def compare(
    config: TrainConfig,
    recipes: Sequence[str],
    seeds: Sequence[int],
    out: Path | str,
    *,
    started: Callable[[str, int, int, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Train all recipes with all seeds and return one table.

    Args:
        config: What they share; its recipe and seed are not used.
        recipes: Presets, expressions or files; the others are tested against the first.
        seeds: At least one; the same for every recipe.
        out: Holds a run folder for each recipe and seed, `compare.json` and `compare.md`.
        started: Told of each run: recipe, seed, its number from 1, and of how many.

    Raises:
        OssicleError: bad input.
        RunError: a run has failed; those before it are kept and not repeated.
    """
    labels = [Recipe.parse(recipe).label for recipe in recipes]
    if len(set(labels)) < len(labels) or len(set(seeds)) < len(seeds) or not recipes or not seeds:
        raise RunError("compare needs one or more recipes and seeds, each once")
    folder = Path(out)
    metrics: dict[str, list[dict[str, Any]]] = {label: [] for label in labels}
    total = len(recipes) * len(seeds)
    for seed in seeds:
        for recipe, label in zip(recipes, labels, strict=True):
            done = sum(len(of_one) for of_one in metrics.values())
            started(label, seed, done + 1, total)
            one = replace(config, recipe=recipe, seed=seed)
            metrics[label].append(_run(one, folder / _slug(label) / f"seed-{seed}"))
    found = {
        "data": config.data,
        "split": metrics[labels[0]][0]["split"],
        "backbone": config.backbone,
        "seeds": list(seeds),
        "rows": [_row(label, runs, metrics[labels[0]]) for label, runs in metrics.items()],
    }
    write_json(folder / TABLE, found)
    replace_file(folder / PAGE, markdown(found).encode())
    return found


def _run(config: TrainConfig, folder: Path) -> dict[str, Any]:
    """Train in a child process, unless the folder holds the finished run."""
    options = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in config.to_dict().items()
        if value is not None and not isinstance(value, bool)
    ]
    options += [f"--{name}" for name, value in config.to_dict().items() if value is True]
    options += ["--resume"] if (folder / CONFIG).is_file() else []
    command = [sys.executable, "-m", "ossicle", "train", *options, f"--out={folder}", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RunError(
            f"recipe '{config.recipe}' with seed {config.seed} failed; its message is above. The "
            "runs before it are kept: mend it and give the same command again"
        )
    metrics: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return metrics


def _row(
    label: str, runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "recipe": label,
        "expression": runs[0]["expression"],
        "parameters": runs[0]["parameters"],
        "adapter_bytes": runs[0]["adapter_bytes"],
    }
    for figure in FIGURES:
        values = [run["test"][figure] for run in runs]
        row[figure] = {
            "mean": mean(values),
            "deviation": stdev(values) if len(values) > 1 else None,
            "values": values,
        }
    row["train_seconds"] = mean(run["train_seconds"] for run in runs)
    memory = [run["peak_memory_mib"] for run in runs]
    row["peak_memory_mib"] = None if None in memory else max(memory)
    row["against_first"] = None if runs is first else _paired(runs, first)
    return row


def _paired(runs: Sequence[dict[str, Any]], first: Sequence[dict[str, Any]]) -> dict[str, Any]:
    recordings = first[0]["test"]["recordings"]
    speakers = [one["speaker"] for one in recordings]
    groups = None if None in speakers else speakers
    return asdict(paired_test(_correct(runs), _correct(first), groups))


def _correct(runs: Sequence[dict[str, Any]]) -> np.ndarray:
    """Return (seeds, recordings): whether each recording was named rightly."""
    return np.array(
        [[one["label"] == one["predicted"] for one in run["test"]["recordings"]] for run in runs]
    )


def _slug(label: str) -> str:
    """Return a folder's name for a recipe: a preset as it is, an expression with a hash."""
    plain = re.sub(r"[^\w.-]+", "-", label).strip("-")
    if plain == label:
        return label
    return f"{plain[:40]}-{hashlib.blake2b(label.encode(), digest_size=3).hexdigest()}"


def table(found: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of a comparison as text."""
    header = ["recipe", "trainable", "without head", "macro-F1", "accuracy", "UAR"]
    header += ["train s", "peak MiB", "accuracy against the first"]
    rows = []
    for row in found["rows"]:
        sizes = row["parameters"]
        rows.append(
            [
                row["recipe"],
                f"{sizes['trainable']:,}",
                f"{sizes['trainable'] - sizes['head']:,}",
                *(_percent(row[figure]) for figure in FIGURES),
                f"{row['train_seconds']:.0f}",
                "-" if row["peak_memory_mib"] is None else f"{row['peak_memory_mib']:.0f}",
                _against(row["against_first"]),
            ]
        )
    return header, rows


def markdown(found: dict[str, Any]) -> str:
    """Return a comparison as a Markdown page."""
    header, rows = table(found)
    lines = [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]
    return "\n".join([*notes(found), "", *lines, ""])


def notes(found: dict[str, Any]) -> list[str]:
    """Return what has to be known to read the table."""
    seeds = ", ".join(str(seed) for seed in found["seeds"])
    return [
        f"{found['data']} on {found['backbone']}: {found['split']}",
        f"Test figures in percent, mean ± standard deviation over the seeds {seeds}. The last "
        "column is the difference in accuracy with the p of a paired permutation test over test "
        "recordings, or over speakers where there are six or more; it is not corrected for the "
        "number of recipes.",
    ]


def _percent(figure: dict[str, Any]) -> str:
    deviation = "" if figure["deviation"] is None else f" ± {100 * figure['deviation']:.1f}"
    return f"{100 * figure['mean']:.1f}{deviation}"


def _against(test: dict[str, Any] | None) -> str:
    if test is None:
        return ""
    units = f"{test['num_units']} {test['unit']}s"
    return f"{100 * test['difference']:+.1f} (p {test['p_value']:.4f}, {units})"
