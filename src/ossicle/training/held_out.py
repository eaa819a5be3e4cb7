"""Recordings that the vote of an ensemble is fitted on: no member was trained on them.

They are the validation recordings of the first member's run, without those that another member was
trained on, or parts of which it was.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ossicle.compute.processes import Processes
from ossicle.data import Content, Dataset, Scanned, Trial, Utterance, overlapping
from ossicle.errors import RunError, SplitError, listing
from ossicle.inference.predictor import Group
from ossicle.progress import Progress
from ossicle.training.ensemble_folder import Member
from ossicle.training.folder import CONFIG, SPLIT
from ossicle.training.learnt import learnt_by_stages, read_split
from ossicle.training.members import scan_for
from ossicle.training.split import open_whole

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class HeldOut:
    """Labelled recordings that no member was trained on.

    Attributes:
        data: The data string.
        utterances: The recordings.
        trials: The trials among them, of speaker verification; empty for all pairs.
        scanned: For each group of members, length and content of each recording, by key.
    """

    data: str
    utterances: tuple[Utterance, ...]
    trials: tuple[Trial, ...]
    scanned: list[Mapping[str, Scanned]]

    @property
    def labels(self) -> list[str]:
        """The label of each recording."""
        return [one.label for one in self.utterances]

    @property
    def groups(self) -> list[str]:
        """What recordings must share to be fitted on together: a speaker, or else a file."""
        speakers = [one.speaker for one in self.utterances if one.speaker is not None]
        if len(speakers) == len(self.utterances) and len(set(speakers)) > 1:
            return speakers
        return [str(one.path) for one in self.utterances]


def held_out(
    members: Sequence[Member],
    groups: Sequence[Group],
    processes: Processes,
    progress: Progress,
) -> HeldOut:
    """Return the validation recordings of the first member that no member was trained on.

    Raises:
        AdapterFileError: the `split.json` of a member is damaged.
        RunError: a member is an adapter without its run, so that it is not known what it was
            trained on.
        DataError: the recordings cannot be read.
        SplitError: they have changed since the run, or a member was trained on all of them.
    """
    splits = [read_split(member.folder) for member in members]
    for member, split in zip(members, splits, strict=True):
        if not split or not (member.folder / CONFIG).is_file():
            raise RunError(
                f"member '{member.name}' has no {SPLIT} and {CONFIG} of a run, so it is not known "
                "which recordings it was not trained on"
            )
    dataset = open_whole(members[0].folder)
    scanned = scan_for(groups, dataset.valid, processes, progress)
    contents = {key: one.content for key, one in scanned[0].items()}
    _check_same(members[0], splits[0].get("valid", {}), contents)
    for member in members:  # the first one too: its earlier stages have trained on other data
        seen = overlapping(learnt_by_stages(member.folder, ("train",)), contents)
        contents = {key: one for key, one in contents.items() if key not in seen}
        if not contents:
            raise SplitError(
                f"member '{member.name}' was trained on the validation recordings of "
                f"'{members[0].name}', or on those that other members have left, so none is left "
                "to fit the vote on. Combine runs with the same split"
            )
        if seen:
            _LOGGER.info(
                f"{len(seen)} validation recordings are left out: member '{member.name}' was "
                f"trained on them ({listing(seen, 3)})"
            )
    chosen = tuple(one for one in dataset.valid if one.key in contents)
    return HeldOut(dataset.name, chosen, _trials(dataset, contents), scanned)


def _check_same(member: Member, kept: Mapping[str, str], contents: Mapping[str, Content]) -> None:
    if changed := [key for key, one in contents.items() if kept.get(key) != str(one)]:
        raise SplitError(
            f"{len(changed)} validation recordings of '{member.folder}' have changed since the "
            f"run: {listing(changed, 3)}. Put the originals back"
        )


def _trials(dataset: Dataset, kept: Mapping[str, Content]) -> tuple[Trial, ...]:
    """Return the validation trials between recordings that are kept.

    Raises:
        SplitError: there are trials, and none of them is between such recordings.
    """
    every = dataset.trials.get("valid", ())
    trials = tuple(one for one in every if one.first in kept and one.second in kept)
    if every and not trials:
        raise SplitError(f"no validation trial of '{dataset.name}' is left to fit the vote on")
    return trials
