"""What commands print of a run that started from another one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def print_stage(tests: Sequence[Mapping[str, Any]], task: str) -> None:
    """Print what a stage has gained on its own data, and forgotten of earlier ones.

    Args:
        tests: For each stage, the first one first, its data and the metrics before and after.
        task: Name of the task.
    """
    from ossicle.tasks import TASKS

    kind = TASKS[task]
    key, metric = kind.primary_metric, kind.reported[kind.primary_metric]
    sign = 1 if kind.higher_is_better else -1
    for number, one in enumerate(tests, start=1):
        what = "gain" if number == len(tests) else "forgetting"
        before, after = (None if one[side] is None else one[side][key] for side in SIDES)
        line = f"stage {number}, {one['data']}: {metric.label} "
        if before is None or after is None:
            known = "" if after is None else f"{metric.text(after)}, "
            print(f"{line}{known}{what} not available: {one['why'] or 'a metric is undefined'}")
            continue
        change = sign * (after - before if what == "gain" else before - after)
        shown = f"{metric.text(before)} -> {metric.text(after)}"
        print(f"{line}{shown}, {what} {metric.difference(change)}")


SIDES = ("before", "after")


def chain_of(run: Path) -> list[dict[str, Any]]:
    """Return the stages before a run, the first one first; none for an adapter without its run.

    Raises:
        OssicleError: the copy of a run before it is missing or damaged.
    """
    from ossicle.training.folder import CONFIG, read_config
    from ossicle.training.parent import describe, find_parent

    if not (run / CONFIG).is_file():
        return []
    config = read_config(run)
    parent = find_parent(config, run)
    if parent is None:
        return []
    given = [stage.config.parent for stage in parent.stages[1:]] + [config.parent]
    return [
        {**describe(stage, path), "expression": stage.facts["expression"]}
        for stage, path in zip(parent.stages, given, strict=True)
    ]


def chain_lines(chain: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each stage before a run."""
    return [
        f"stage {number}   {one['expression']} on {one['data']}, from {one['folder']} "
        f"(adapter {one['adapter'][:8]}, test recordings {one['split_fingerprint']['test'][:8]})"
        for number, one in enumerate(chain, start=1)
    ]
