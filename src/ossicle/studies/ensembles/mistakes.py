"""Where members and their vote err: by class, by speaker and by length of the recording."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ossicle.errors import listing
from ossicle.metrics.metric import Metric
from ossicle.reports.parts import Cell, Figure, Part, Table
from ossicle.studies.ensembles.models import Answers
from ossicle.studies.ensembles.pool import Member, Pool
from ossicle.studies.plots.heat import heat, heat_layout

MOST_ROWS: Final = 30
NOTHING: Final = Cell(text="–")
Columns = Mapping[str, Sequence[Answers]]  # answers of each seed, by the name of a model


def mistake_parts(pool: Pool, columns: Columns, number: int) -> list[Part]:
    """Return tables of the score of recordings by class, speaker and length, and a map by class.

    Args:
        pool: The pool.
        columns: The answers of each seed of what is compared; the last column is the vote.
        number: Number of the pool in the report, from 1.
    """
    task = pool.task
    known = {name: found for name, found in columns.items() if found}
    if task is None or task.recording_score is None or not known:
        return []
    measure = task.recording_score
    some = next(iter(known.values()))[0]
    parts: list[Part] = []
    if all(tuple(task.classes_in(label)) == (label,) for label in {*some.labels}):
        by_class = dict(zip(some.keys, some.labels, strict=True))
        parts += _parts(pool, known, by_class, f"class-{number}", "class", measure)
    speakers = {
        key: speaker for key, speaker in zip(some.keys, some.speakers, strict=True) if speaker
    }
    if len(set(speakers.values())) > 1:
        parts += _parts(pool, known, speakers, f"speaker-{number}", "speaker", measure)[:1]
    lengths = _by_length(_seconds(pool))
    if lengths:
        parts += _parts(pool, known, lengths, f"length-{number}", "length", measure)[:1]
    else:
        parts.append("All recordings are equally long, so there are no results by length.")
    return parts


def _seconds(pool: Pool) -> dict[str, float]:
    """Return the length of each test recording, from the members that have one."""
    found: dict[str, float] = {}
    for fold in pool.folds:
        for model in pool.members:
            if model[2] == fold and isinstance(one := pool.open(model), Member):
                found |= dict(zip(one.kept.test.keys, one.kept.test.seconds, strict=True))
                break
    return found


def _by_length(seconds: Mapping[str, float]) -> dict[str, str]:
    """Return the third that each recording is in by its length; empty if all are equal."""
    if len({round(one, 2) for one in seconds.values()}) < 2:
        return {}
    low, high = np.quantile(list(seconds.values()), [1 / 3, 2 / 3])
    names = (f"up to {low:.2f} s", f"{low:.2f} to {high:.2f} s", f"over {high:.2f} s")
    ordered = sorted(seconds.items(), key=lambda one: one[1])
    return {key: names[int(value > low) + int(value > high)] for key, value in ordered}


def _parts(
    pool: Pool,
    columns: Columns,
    group_of: Mapping[str, str],
    name: str,
    what: str,
    measure: Metric,
) -> list[Part]:
    """Return a table and a map of the mean score in each group."""
    groups = list(dict.fromkeys(group_of.values()))
    groups = groups if what == "length" else sorted(groups)
    means = {model: _means(found, group_of) for model, found in columns.items()}
    vote = list(columns)[-1]
    shown = groups
    if len(groups) > MOST_ROWS:
        worst = sorted(groups, key=lambda one: means[vote].get(one, np.inf))[:MOST_ROWS]
        shown = [one for one in groups if one in set(worst)]
    sizes = {group: sum(one == group for one in group_of.values()) for group in shown}
    factor = 100 if measure.percent else 1
    values = [
        [None if (mean := means[model].get(group)) is None else factor * mean for model in columns]
        for group in shown
    ]
    place = f": {pool.where}" if pool.where else ""
    title = f"{measure.label[0].upper()}{measure.label[1:]} by {what}{place}"
    table = Table(
        name=f"mistakes-{name}",
        title=title,
        columns=[what, "recordings", *columns],
        rows=[
            [Cell(text=group), Cell(text=str(sizes[group]), value=sizes[group]), *map(_cell, row)]
            for group, row in zip(shown, values, strict=True)
        ],
        notes=_notes(measure.label, groups, shown, vote),
    )
    trace = heat(
        shown,
        list(columns),
        values,
        colours=f"{measure.label} (%)" if measure.percent else measure.label,
    )
    trace["hovertemplate"] = "%{y}<br>%{x}<br>%{z:.1f}<extra></extra>"
    figure = Figure(
        name=f"map-{name}",
        title=title,
        traces=[trace],
        layout=heat_layout(len(shown), what, ""),
        about=f"Mean {measure.label} of the test recordings of each {what}, over seeds, for each "
        "member and the vote.",
    )
    return [table, figure]


def _notes(measure: str, groups: Sequence[str], shown: Sequence[str], vote: str) -> list[str]:
    said = [f"Mean {measure} over the recordings and all seeds."]
    if len(shown) < len(groups):
        left = [one for one in groups if one not in set(shown)]
        said.append(
            f"The {len(shown)} with the lowest of {vote} are shown, of {len(groups)}; left out: "
            f"{listing(left, 5)}."
        )
    return said


def _means(found: Sequence[Answers], group_of: Mapping[str, str]) -> dict[str, float]:
    """Return the mean score in each group, over all seeds."""
    scores: dict[str, list[float]] = {}
    for one in found:
        for key, score in zip(one.keys, one.scores.tolist(), strict=True):
            if key in group_of:
                scores.setdefault(group_of[key], []).append(score)
    return {group: float(np.mean(values)) for group, values in scores.items()}


def _cell(value: float | None) -> Cell:
    return NOTHING if value is None else Cell(text=f"{value:.1f}", value=value)
