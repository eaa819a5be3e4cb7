"""Calibration and abstention: can the confidence of each method be trusted?

The temperature of a method is fitted on its validation recordings, and changes no answer. Runs of
one method (seeds, folds) have a temperature each; their test recordings count together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ossicle.reports.parts import Cell, Figure, Part, Table
from ossicle.statistics.calibration import BINS, reliability, risk_coverage
from ossicle.studies.plots.calibration import Answers, error_by_coverage, reliability_diagram
from ossicle.tasks import Task
from ossicle.votes import Decision
from ossicle.votes.temperature import at_temperature, fit_temperature

TITLE: Final = "Calibration and abstention"
NO_CONFIDENCE: Final = (
    "Answers of this task have no confidence, so there is no calibration to show and nothing to "
    "abstain by."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """The confidences of a method on the test recordings of a run, and whether it was right.

    Attributes:
        method: Its name; runs of one name count together.
        correct: 1 for each correct answer, 0 for a wrong one; a share where answers have parts.
        confidence: Confidence in each answer, from 0 to 1.
        calibrated: The same after temperature scaling; None if the method has no output to scale.
        temperature: The temperature; None as above.
    """

    method: str
    correct: Float[np.ndarray, " N"]
    confidence: Float[np.ndarray, " N"]
    calibrated: Float[np.ndarray, " N"] | None
    temperature: float | None


def judge(
    method: str,
    task: Task,
    test: Sequence[Decision],
    test_labels: Sequence[str],
    valid: Sequence[Decision],
    valid_labels: Sequence[str],
) -> Judged | None:
    """Return the confidences of a method, before and after temperature scaling.

    Args:
        method: Name of the method: a member, or a vote.
        task: The task.
        test: Its decision on each test recording; of a member, what is decoded and its output.
        test_labels: Their true labels.
        valid: Its decision on each validation recording; of a vote that learns, cross-fitted ones.
        valid_labels: Their true labels.

    Returns:
        None if the answers of the task have no confidence.
    """
    scores = task.recording_scores(test_labels, [one.decoded for one in test])
    if scores is None or not task.has_confidence():
        return None
    temperature, calibrated = None, None
    outputs, fitted_on = _outputs(test), _outputs(valid)
    if outputs is not None and fitted_on:
        temperature = fit_temperature(task, fitted_on, valid_labels)
        scaled = [task.decode(at_temperature(task, one, temperature)) for one in outputs]
        calibrated = _confidences(task, scaled)
    return Judged(
        method=method,
        correct=np.array(scores, float),
        confidence=_confidences(task, [one.decoded for one in test]),
        calibrated=calibrated,
        temperature=temperature,
    )


def _confidences(task: Task, decoded: Sequence[dict[str, Any]]) -> Float[np.ndarray, " N"]:
    found = [task.confidence(one) for one in decoded]
    return np.array([value for value in found if value is not None])


def _outputs(decisions: Sequence[Decision]) -> list[Tensor] | None:
    """Return the outputs; None if the method has none, such as a vote on decoded answers."""
    found = [one.output for one in decisions if one.output is not None]
    return found if len(found) == len(decisions) else None


def calibration_parts(
    judged: Sequence[Judged], name: str = "calibration", where: str = ""
) -> list[Part]:
    """Return the table and figures on calibration and abstention.

    Args:
        judged: The confidences of each run of each method.
        name: Prefix of the names of table and figures.
        where: What they are about, added to their titles where a report has several.
    """
    if not judged:
        return []
    methods: dict[str, list[Judged]] = {}
    for one in judged:
        methods.setdefault(one.method, []).append(one)
    before = {method: _pooled(runs, calibrated=False) for method, runs in methods.items()}
    after = {
        method: _pooled(runs, calibrated=True)
        for method, runs in methods.items()
        if all(one.calibrated is not None for one in runs)
    }
    figures: list[Figure] = [
        error_by_coverage(f"{name}-coverage", before),
        reliability_diagram(f"{name}-before", "Reliability before temperature scaling", before),
    ]
    if after:
        title = "Reliability after temperature scaling"
        figures.append(reliability_diagram(f"{name}-after", title, after))
    parts: list[Table | Figure] = [_table(name, methods, before, after), *figures]
    return [replace(one, title=f"{one.title}: {where}") if where else one for one in parts]


def _pooled(runs: Sequence[Judged], *, calibrated: bool) -> Answers:
    confidences = [one.calibrated if calibrated else one.confidence for one in runs]
    known = [one for one in confidences if one is not None]
    return np.concatenate(known), np.concatenate([one.correct for one in runs])


def _table(
    name: str,
    methods: dict[str, list[Judged]],
    before: dict[str, Answers],
    after: dict[str, Answers],
) -> Table:
    rows = []
    for method, runs in methods.items():
        confidence, correct = before[method]
        temperatures = [one.temperature for one in runs if one.temperature is not None]
        rows.append(
            (
                Cell(text=method),
                Cell(text=f"{len(correct):,}", value=len(correct)),
                _percent(float(correct.mean())),
                _percent(float(confidence.mean())),
                _percent(reliability(confidence, correct).error),
                _number(float(np.mean(temperatures)) if temperatures else None),
                _percent(reliability(*after[method]).error if method in after else None),
                _percent(risk_coverage(confidence, correct).area),
            )
        )
    return Table(
        name=name,
        title="Calibration",
        columns=(
            "method",
            "recordings",
            "correct (%)",
            "confidence (%)",
            "ECE (%)",
            "temperature",
            "ECE after (%)",
            "area (%)",
        ),
        rows=rows,
        notes=(
            f"ECE: expected calibration error, in {BINS} bins of equal width, before and after "
            "temperature scaling; 0 is best. The temperature is fitted on the validation "
            "recordings of each run (above 1: the method was overconfident), and the table shows "
            "the mean over runs. There is none for a vote on decoded answers or a stacked "
            "vote, and where there are too few validation recordings.",
            "Area: area under the curve of error by coverage; lower is better.",
            "Test recordings of all seeds and folds count together.",
        ),
    )


def _percent(value: float | None) -> Cell:
    return Cell(text="") if value is None else Cell(text=f"{100 * value:.1f}", value=100 * value)


def _number(value: float | None) -> Cell:
    return Cell(text="") if value is None else Cell(text=f"{value:.2f}", value=value)
