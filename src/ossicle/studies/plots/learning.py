"""Learning curves: losses and the validation metric by epoch, from `log.jsonl`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ossicle import strict_json
from ossicle.errors import RunError
from ossicle.reports.parts import Figure
from ossicle.studies.plots.curves import MOST_LINES, banded
from ossicle.studies.plots.groups import (
    Group,
    averaged,
    by_score,
    group,
    left_out,
    runs,
    score_of,
    spread,
)
from ossicle.training.folder import LOG
from ossicle.trials.outcome import Outcome

Log = list[dict[str, Any]]
HOVER = "<b>%{fullData.name}</b><br>epoch %{x}<br>%{y:.4f}, %{customdata}<extra></extra>"


def learning_curves(outcomes: Sequence[Outcome]) -> list[Figure]:
    """Return losses and validation metric by epoch, a line for each group; best groups first.

    Raises:
        RunError: a log is damaged.
    """
    score = score_of(outcomes)
    if score is None:
        return []
    ranked = by_score(group(outcomes), score)
    logs = {one: _logs(one) for one in ranked[:MOST_LINES]}
    known = [one for one in logs if logs[one]]
    if not known:
        return []
    factor = 100 if score.metric.percent else 1
    about = (
        f"{averaged(known)} A run that has ended early counts up to its last epoch."
        f"{left_out(len(ranked) - len(known))}"
    )
    figures = [
        _figure(
            "validation",
            f"Validation {score.metric.label} by epoch",
            score.title,
            f"{score.metric.label} on the validation recordings after each epoch. {about}",
            _lines(logs, lambda epoch: _scaled(epoch["valid"].get(score.key), factor)),
        ),
        _figure(
            "validation-loss",
            "Validation loss by epoch",
            "validation loss",
            f"Loss on the validation recordings after each epoch. {about}",
            _lines(logs, lambda epoch: epoch["valid_loss"]),
        ),
        _figure(
            "training-loss",
            "Training loss by epoch",
            "training loss",
            f"Mean loss of the training recordings during each epoch. {about}",
            _lines(logs, lambda epoch: epoch["train_loss"]),
        ),
    ]
    return [figure for figure in figures if figure.traces]


def read_log(folder: Path) -> Log:
    """Return the epochs of a run; none without a log.

    Raises:
        RunError: the log is damaged.
    """
    file = folder / LOG
    if not file.is_file():
        return []
    try:
        epochs = [strict_json.loads(line) for line in file.read_text("utf-8").splitlines()]
        if not all(_is_epoch(one) for one in epochs):
            raise ValueError("a line is not an epoch")
    except (OSError, ValueError) as error:
        raise RunError(f"'{file}' cannot be used: {error}. Copy it again from the run") from error
    return epochs


def _is_epoch(one: object) -> bool:
    return (
        isinstance(one, dict)
        and isinstance(one.get("number"), int)
        and isinstance(one.get("valid"), dict)
        and {"train_loss", "valid_loss"} <= one.keys()
    )


def _logs(one: Group) -> list[Log]:
    return [log for each in one.outcomes if (log := read_log(each.folder))]


def _scaled(value: float | None, factor: int) -> float | None:
    return None if value is None else factor * value


def _lines(
    logs: Mapping[Group, Sequence[Log]], read: Callable[[dict[str, Any]], float | None]
) -> list[Mapping[str, Any]]:
    """Return the mean over repeats by epoch, a line for each group that has values."""
    traces: list[Mapping[str, Any]] = []
    for number, (one, of_one) in enumerate(logs.items()):
        values: dict[int, list[float]] = {}
        for log in of_one:
            for epoch in log:
                if (value := read(epoch)) is not None:
                    values.setdefault(epoch["number"], []).append(value)
        if not values:
            continue
        epochs = sorted(values)
        means = [(spread(values[epoch])[0], None) for epoch in epochs]
        traces += banded(
            one.name,
            epochs,
            means,
            series=number,
            customdata=[runs(len(values[epoch])) for epoch in epochs],
            hovertemplate=HOVER,
        )
    return traces


def _figure(
    name: str, title: str, axis: str, about: str, traces: Sequence[Mapping[str, Any]]
) -> Figure:
    last = max((max(trace["x"]) for trace in traces), default=0)
    layout = {
        "xaxis": {"title": {"text": "epoch"}, **({"dtick": 1} if last <= 12 else {})},
        "yaxis": {"title": {"text": axis}},
    }
    return Figure(name=name, title=title, traces=traces, layout=layout, about=about)
