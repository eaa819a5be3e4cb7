"""Several adapters as one ensemble, for one request."""

from collections.abc import Sequence

from ossicle.errors import RunError
from ossicle.serving.catalogue import Entry
from ossicle.serving.hosts import Hosts
from ossicle.serving.refusal import invalid
from ossicle.training.chosen import LOSS_ONLY
from ossicle.training.ensemble_folder import Member
from ossicle.training.members import shared_task
from ossicle.votes import check_vote


def joined(name: str, entries: Sequence[Entry], vote: str, hosts: Hosts) -> Entry:
    """Return adapters as the ensemble that `ossicle ensemble` would make of them.

    Args:
        name: The name of the ensemble.
        entries: The adapters.
        vote: The name of a vote.
        hosts: Their backbones.

    Raises:
        Refusal: there are fewer than two, they were trained for different tasks or labels, one is
            an ensemble itself, or they have no such vote.
    """
    if len(entries) < 2:
        raise invalid("a vote needs two or more adapters; name them, or leave `vote` out")
    first = entries[0]
    for entry in entries:
        if entry.is_ensemble:
            raise invalid(
                f"'{entry.name}' is an ensemble with a vote of its own; name single adapters, or "
                "leave `vote` out"
            )
        if _labels(entry) != _labels(first):
            raise invalid(
                f"'{first.name}' and '{entry.name}' cannot vote together, because they were "
                "trained for different tasks or labels; leave `vote` out"
            )
    try:
        kind = check_vote(vote, first.task)
    except RunError as error:
        raise invalid(str(error)) from error
    if kind.learns:
        raise invalid(
            f"the vote '{vote}' learns from validation recordings; make an ensemble with "
            f"`ossicle ensemble --vote {vote}` and serve it, or use another vote"
        )
    units = tuple(unit for entry in entries for unit in entry.units)
    rates = {hosts.of(unit).backbone.frame_rate for unit in units}
    if first.task.by_frame and kind.needs_equal_frames and len(rates) > 1:
        raise invalid(
            f"the vote '{vote}' compares the adapters frame by frame, and their backbones have "
            "different frames in a second; transcripts can be combined with the vote rover"
        )
    members = [Member(entry.name, entry.folder) for entry in entries]
    task = shared_task(first.task, members)
    return Entry(name, first.folder, units, task, kind(), is_ensemble=True)


def _labels(entry: Entry) -> dict[str, object]:
    described = entry.task.without_cohort().to_dict()
    return {key: value for key, value in described.items() if key not in LOSS_ONLY}
