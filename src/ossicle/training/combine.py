"""Combine finished runs to an ensemble: fit its vote on validation recordings, write its folder."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from ossicle.compute.device import pick_device
from ossicle.compute.processes import Processes
from ossicle.errors import OssicleError, RunError
from ossicle.inference.assessment import group_outputs
from ossicle.inference.predictor import Group, Predictor
from ossicle.paths import expand
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.training.chosen import check_ensemble_out, chosen_members
from ossicle.training.ensemble_folder import (
    EnsembleFolder,
    Member,
    read_ensemble,
    write_ensemble,
)
from ossicle.training.held_out import HeldOut, held_out
from ossicle.training.members import clips_for, open_members
from ossicle.votes import Vote, check_vote, cross_fitted, fit_temperature

_LOGGER: Final = logging.getLogger(__name__)


def make_ensemble(
    runs: Sequence[Path | str],
    out: Path | str,
    *,
    vote: str = "soft",
    link: bool = False,
    backbone: str | None = None,
    device: str = "auto",
    batch_size: int = 16,
    progress: Progress = no_progress,
) -> EnsembleFolder:
    """Combine finished runs to an ensemble, and write its folder.

    The vote, if it learns, and the temperature are fitted on validation recordings of the first run
    that no member was trained on.

    Args:
        runs: Folders of two or more runs of one task with the same labels.
        out: The ensemble folder to write; new or empty.
        vote: The name of a vote, one of `ossicle.votes.VOTES`.
        link: Whether to name the folders of the runs instead of copying them.
        backbone: Where the backbone is, if not where the runs found it.
        device: auto, cpu, cuda, ...
        batch_size: Windows at a time.
        progress: Called after every batch.

    Raises:
        RunError: there are fewer than two runs, two are the same, the task has no such vote, or
            the folder cannot be written.
        AdapterFileError: one is not a run, is damaged, or was trained for another task.
        SplitError, LabelError: there are too few validation recordings that no member was trained
            on, for a vote that learns.
        DataError: they cannot be read, for a vote that learns.
    """
    folder = expand(out)
    members = chosen_members([expand(run) for run in runs])
    check_ensemble_out(folder)
    processes = Processes(cpu=pick_device(device) == "cpu")
    facts = fitted_facts(
        members,
        vote,
        processes,
        backbone=backbone,
        device=device,
        batch_size=batch_size,
        progress=progress,
    )
    if processes.is_main:
        write_ensemble(folder, members, facts, link=link)
    processes.wait()
    return read_ensemble(folder)


def fitted_facts(
    members: Sequence[Member],
    vote: str,
    processes: Processes,
    *,
    backbone: str | None = None,
    device: str = "auto",
    batch_size: int = 16,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Return vote, temperature and metrics for `ensemble.json`.

    Raises:
        OssicleError: see `make_ensemble`.
    """
    predictor = open_members(members, backbone=backbone, device=device)
    kind = check_vote(vote, predictor.task)
    if predictor.task.by_frame and kind.needs_equal_frames:
        check_frames(predictor.groups, members, vote)
    facts: dict[str, Any] = {"task": predictor.task.to_dict(), "temperature": None, "valid": None}
    try:
        held = held_out(members, predictor.groups, processes, progress)
        outputs = _outputs(predictor, held, batch_size, processes, progress)
    except OssicleError as error:
        if kind.learns:
            raise
        why = f"no temperature is fitted, and nothing is measured on validation recordings: {error}"
        _LOGGER.warning(f"{why[0].upper()}{why[1:]}")
        return {**facts, "vote": kind().to_dict(), "why": why}
    return {**facts, **_fitted(kind, predictor.task, members, held, outputs)}


def check_frames(groups: Sequence[Group], members: Sequence[Member], vote: str) -> None:
    """Raise unless the backbones of all members have the same frame rate.

    Raises:
        RunError: they have different ones, so that their frames cannot be compared.
    """
    by_rate = {group.backbone.frame_rate: members[group.places[0]].name for group in groups}
    if len(by_rate) > 1:
        shown = ", ".join(f"'{name}' {rate:g}" for rate, name in by_rate.items())
        raise RunError(
            f"the vote '{vote}' compares the members frame by frame, and their backbones have "
            f"different frames in a second: {shown}. Combine runs on backbones of one frame rate; "
            "transcripts can be combined with --vote rover"
        )


def _outputs(
    predictor: Predictor,
    held: HeldOut,
    batch_size: int,
    processes: Processes,
    progress: Progress,
) -> list[list[Tensor]]:
    """Return, for each recording, the output of every member."""
    clips = clips_for(predictor.groups, predictor.task, held.utterances, held.scanned)
    return group_outputs(
        predictor.groups,
        predictor.task,
        clips,
        batch_size,
        processes=processes,
        progress=progress,
        stage="valid",
    )


def _fitted(
    kind: type[Vote],
    task: Task,
    members: Sequence[Member],
    held: HeldOut,
    outputs: Sequence[Sequence[Tensor]],
) -> dict[str, Any]:
    """Return the vote, its temperature, and the metrics of the vote and of every member."""
    judge = task.with_trials(held.trials)
    decisions = cross_fitted(kind, judge, outputs, held.labels, held.groups)
    combined = [one.output for one in decisions if one.output is not None]
    can_fit = task.has_confidence() and len(combined) == len(decisions)
    alone = task.without_cohort().with_trials(held.trials)
    of_members = {
        member.name: _reported(alone, held, [alone.decode(row[place]) for row in outputs])
        for place, member in enumerate(members)
    }
    valid = {
        "data": held.data,
        "recordings": len(held.utterances),
        "vote": _reported(judge, held, [one.decoded for one in decisions]),
        "members": of_members,
    }
    return {
        "vote": kind.fit(judge, outputs, held.labels).to_dict(),
        "temperature": fit_temperature(judge, combined, held.labels) if can_fit else None,
        "valid": valid,
        "why": "" if can_fit else _why_no_temperature(task),
    }


def _why_no_temperature(task: Task) -> str:
    if not task.has_confidence():
        return f"answers of the task {task.name} have no confidence, so there is no temperature"
    return "the vote is on texts, which have no probabilities, so there is no temperature"


def _reported(task: Task, held: HeldOut, decoded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the reported metrics of decoded answers."""
    pairs = zip(held.utterances, decoded, strict=True)
    found = task.metrics(held.labels, [{**said, "key": one.key} for one, said in pairs])
    return {name: found[name] for name in task.reported}
