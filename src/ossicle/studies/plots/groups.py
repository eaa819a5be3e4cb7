"""What plots share: repeats of a trial as one group, its name, and the metric that is shown.

Outcomes with equal labels, except for seed and fold, are repeats. A plot is about one panel: the
outcomes of one task on one data set and one backbone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev
from typing import Final

from ossicle.errors import OssicleError
from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Figure, Part
from ossicle.studies.analysis.cell import REPEAT, Cell, cells
from ossicle.tasks import TASKS
from ossicle.trials.outcome import Measured, Outcome
from ossicle.trials.trial import Label

PANEL: Final = ("data", "backbone")
LONGEST_NAME: Final = 24  # characters of a name beside a point; the page shortens others


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """The repeats of one trial. Two groups are equal if they are the same object.

    Attributes:
        name: Recipe, and the other labels that tell it from the groups beside it.
        labels: Their labels, without seed and fold.
        outcomes: The finished outcomes.
        cell: The same as a cell of the tables.
    """

    name: str
    labels: Mapping[str, Label]
    outcomes: tuple[Outcome, ...]
    cell: Cell
    _spreads: dict[str, tuple[float, float | None] | None] = field(default_factory=dict)

    @property
    def runs(self) -> list[Measured]:
        """The results, in the order of `outcomes`."""
        return [one.measured for one in self.outcomes if one.measured is not None]


@dataclass(frozen=True, slots=True)
class Score:
    """The primary metric of a task, as plots show it.

    Attributes:
        key: Its key in `Measured.metrics`.
        metric: How it is written.
        higher_is_better: Whether higher values are better.
    """

    key: str
    metric: Metric
    higher_is_better: bool

    @property
    def title(self) -> str:
        """Title of an axis."""
        return f"{self.metric.label} (%)" if self.metric.percent else self.metric.label

    def spread(self, group: Group) -> tuple[float, float | None] | None:
        """Return mean and standard deviation over repeats, in the unit of the axis.

        The mean is that of the tables: metrics of labels are of the recordings of all folds
        together. None if the metric is not defined; no deviation of one repeat.
        """
        if self.key not in group._spreads:
            group._spreads[self.key] = self._spread(group)
        return group._spreads[self.key]

    def _spread(self, group: Group) -> tuple[float, float | None] | None:
        factor = 100 if self.metric.percent else 1
        values = [run.metrics.get(self.key) for run in group.runs]
        known = [factor * value for value in values if value is not None]
        if len(values) == 1 or not known:
            return (known[0], None) if known else None
        mean = group.cell.mean(self.key)
        return None if mean is None else (factor * mean, spread(known)[1])

    def text(self, group: Group) -> str:
        """Return mean and deviation as text, as in 85.3 ± 0.4 %."""
        if (found := self.spread(group)) is None:
            return "not defined"
        factor = 100 if self.metric.percent else 1
        mean, deviation = found
        shown = self.metric.spread(mean / factor, None if deviation is None else deviation / factor)
        return shown + self.metric.unit


def spread(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and standard deviation (n - 1); None instead of the deviation of one value."""
    return fmean(values), stdev(values) if len(values) > 1 else None


def group(outcomes: Sequence[Outcome], *, apart: Sequence[str] = ()) -> list[Group]:
    """Return the finished outcomes as groups of repeats, in the order of the outcomes.

    Args:
        outcomes: The outcomes of a panel.
        apart: Labels that a plot has an axis for, and which are no part of a name.
    """
    found: dict[tuple[tuple[str, Label], ...], list[Outcome]] = {}
    for one in outcomes:
        if one.measured is not None:
            kept = {key: v for key, v in one.trial.labels.items() if key not in REPEAT}
            found.setdefault(tuple(sorted(kept.items())), []).append(one)
    varied = _varied([dict(labels) for labels in found], apart)
    return [
        Group(_name(dict(labels), varied), dict(labels), tuple(of_one), cells(of_one)[0])
        for labels, of_one in found.items()
    ]


def _varied(every: Sequence[Mapping[str, Label]], apart: Sequence[str]) -> list[str]:
    """Return the labels besides the recipe that have several values."""
    keys = dict.fromkeys(key for labels in every for key in labels)
    return [
        key
        for key in keys
        if key not in ("recipe", *apart) and len({labels.get(key) for labels in every}) > 1
    ]


def _name(labels: Mapping[str, Label], varied: Sequence[str]) -> str:
    parts = [str(labels["recipe"])] if "recipe" in labels else []
    parts += [f"{key} {labels[key]}" for key in varied if key in labels]
    return ", ".join(parts) or "all"


def runs(count: int) -> str:
    """Return a number of runs as text."""
    return "1 run" if count == 1 else f"{count} runs"


def left_out(count: int) -> str:
    """Return a sentence on groups that are not drawn, after a space; "" if there are none."""
    return f" Not drawn: {count} more recipe{'s' if count > 1 else ''}." if count else ""


def by_score(groups: Sequence[Group], score: Score) -> list[Group]:
    """Return the groups from the best to the worst mean; those without a value are left out."""
    known = {one: found[0] for one in groups if (found := score.spread(one)) is not None}
    return sorted(known, key=lambda one: known[one], reverse=score.higher_is_better)


def score_of(outcomes: Sequence[Outcome]) -> Score | None:
    """Return the primary metric of the task of the outcomes; None if none of them has it."""
    for one in outcomes:
        if one.measured is not None and one.measured.task in TASKS:
            task = TASKS[one.measured.task]
            if task.primary_metric in one.measured.metrics:
                metric = task.reported[task.primary_metric]
                return Score(task.primary_metric, metric, task.higher_is_better)
    return None


def short(text: object) -> str:
    """Return a name on one line, cut in the middle if it is too long to stand in a plot."""
    line = " ".join(str(text).split())
    if len(line) <= LONGEST_NAME:
        return line
    half = LONGEST_NAME // 2
    return f"{line[: half - 1]}…{line[-half:]}"


def slug(text: object) -> str:
    """Return a text as a part of the name of a figure."""
    return "-".join(re.findall(r"[a-z0-9]+", str(text).lower())) or "other"


def averaged(groups: Sequence[Group], spread_as: str | None = None, *, score: bool = False) -> str:
    """Return a sentence on what the values of a plot are means over.

    Args:
        groups: What is plotted.
        spread_as: What shows the standard deviation, as in "bars"; None: nothing does.
        score: Whether they are values of `Score`, which may be pooled over folds.
    """
    sizes = [len(one.outcomes) for one in groups]
    if max(sizes, default=1) == 1:
        return "Each value is of one run."
    counts = {
        key: len({one.trial.labels.get(key) for each in groups for one in each.outcomes} - {None})
        for key in REPEAT
    }
    pooled = score and any(one.cell.pools for one in groups)
    drawn = {key: n for key, n in counts.items() if n > 1 and not (pooled and key == "fold")}
    over = " and ".join(f"{count} {key}s" for key, count in drawn.items())
    fewer = "" if len(set(sizes)) == 1 else ", fewer where runs are missing"
    shown = f"; {spread_as} show the standard deviation" if spread_as else ""
    of = f"of the recordings of {counts['fold']} folds together" if pooled else ""
    means = f"means over {over or 'repeats'}" if over or not pooled else ""
    what = ", ".join(filter(None, [of, means]))
    return f"Values are {what} ({max(sizes)} runs{fewer}){shown}."


def panels(outcomes: Sequence[Outcome]) -> list[tuple[str, list[Outcome]]]:
    """Return the finished outcomes of each panel, with its name; "" if there is only one."""
    found: dict[tuple[str, ...], list[Outcome]] = {}
    for one in outcomes:
        if one.measured is not None:
            labels = one.trial.labels
            place = (one.measured.task, *(str(labels.get(key, "")) for key in PANEL))
            found.setdefault(place, []).append(one)
    columns = list(zip(*found, strict=True))
    shown = [number for number, values in enumerate(columns) if len(set(values)) > 1]
    return [(", ".join(place[n] for n in shown if place[n]), part) for place, part in found.items()]


def for_each_panel(
    outcomes: Sequence[Outcome],
    plot: Callable[[Sequence[Outcome]], Figure | Sequence[Part] | None],
) -> list[Part]:
    """Return the figures of each panel, with its name in their titles where there are several.

    A figure that cannot be drawn, because a file of a run is missing or damaged, is replaced by a
    sentence with the reason.

    Args:
        outcomes: All outcomes of a study.
        plot: Returns the figures of a panel.
    """
    parts: list[Part] = []
    for number, (name, part) in enumerate(panels(outcomes), start=1):
        try:
            found = plot(part)
        except OssicleError as error:
            found = [f"A figure is missing, because {error}"]
        made = [found] if isinstance(found, Figure) else (found or [])
        parts += [_of_panel(one, name, number) if name else one for one in made]
    return parts


def _of_panel(part: Part, name: str, number: int) -> Part:
    """Return a part with its panel in name and title, or a sentence that starts with it."""
    if isinstance(part, str):
        return f"{name}: {part}"
    return replace(part, name=f"{part.name}-{number}", title=f"{part.title}: {name}")
