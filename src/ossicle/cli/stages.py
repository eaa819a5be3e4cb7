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


def change(
    what: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    task: str,
    word: str = "change",
) -> str:
    """Return a line on what training has changed on some recordings; a plus is better."""
    from ossicle.tasks import TASKS

    kind = TASKS[task]
    key, metric = kind.primary_metric, kind.reported[kind.primary_metric]
    values = [None if one is None else one[key] for one in (before, after)]
    shown = " -> ".join("not available" if one is None else metric.text(one) for one in values)
    first, last = values
    if first is None or last is None:
        return f"{what}: {metric.label} {shown}"
    better = (last - first if kind.higher_is_better else first - last) + 0.0  # never -0.0
    return f"{what}: {metric.label} {shown}, {word} {metric.difference(better)}"


def print_pruned(pruned: Mapping[str, Any], task: str) -> None:
    """Print how an adapter was pruned, and what that and training on have changed.

    Args:
        pruned: The entry `pruned` of the stage of a result.
        task: Name of the task.
    """
    from ossicle.tasks import TASKS

    key = TASKS[task].primary_metric
    metric, counts = TASKS[task].reported[key], pruned["parameters"]
    shown = [
        f"{'not available' if (found := pruned[name]) is None else metric.text(found[key])} {words}"
        for name, words in PRUNED.items()
    ]
    share = counts["after"] / counts["before"]
    print(
        f"pruned by {pruned['by']}: {counts['before']:,} -> {counts['after']:,} parameters "
        f"({share:.1%}); {metric.label} {', '.join(shown)}"
    )


PRUNED = {"unpruned": "before", "pruned": "pruned", "trained": "after training"}
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
