"""The members of an ensemble, or the one model of a run: loaded, and given recordings."""

import logging
from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from ossicle.adapters.folder import read_folder
from ossicle.adapters.saving import needs_decoder
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device
from ossicle.compute.processes import Processes
from ossicle.data import Clips, Scanned, Utterance
from ossicle.errors import RunError
from ossicle.inference.cohort import read_cohort
from ossicle.inference.ensemble import Ensemble, Source, load_groups
from ossicle.inference.predictor import Group, Predictor, check_whole
from ossicle.inference.saved_task import check_head, read_task
from ossicle.inference.single import SingleModel
from ossicle.paths import HERE
from ossicle.progress import Progress
from ossicle.tasks import Task
from ossicle.tasks.cohorts import combined_cohort
from ossicle.training.ensemble_folder import Member
from ossicle.training.folder import CONFIG, places_of, read_config
from ossicle.training.learnt import read_split
from ossicle.training.recordings import scan_together
from ossicle.training.result import fingerprint

_LOGGER: Final = logging.getLogger(__name__)


def open_members(
    members: Sequence[Member],
    *,
    backbone: str | None = None,
    device: str = "auto",
    decoder: str | None = None,
    times: bool = False,
) -> Predictor:
    """Load the members and their backbones; those on one backbone share it.

    Args:
        members: The members; one for a run.
        backbone: Where the backbone is, if not where the runs found it.
        device: auto, cpu, cuda, ...
        decoder: Of a transcription: `greedy` or `beam(size=50,lm=FILE,...)`.
        times: Whether texts get segments with times.

    Raises:
        AdapterFileError: a folder is not an adapter folder, or is damaged.
        RecipeMismatch: the backbone is not the one that a member was trained on.
        BackboneError: a backbone cannot be loaded.
        RunError: one backbone is given, and the members are on several.
    """
    sources, tasks = [], []
    for member in members:
        facts = read_folder(member.folder).facts
        task, seconds = read_task(member.folder, facts)
        sources.append(Source(member.name, member.folder, facts, seconds))
        tasks.append(task)
    if backbone is not None and len({one.fingerprint for one in sources}) > 1:
        raise RunError(
            f"--backbone names one backbone, '{backbone}', and the members are on several; leave "
            "it out"
        )

    def load(source: Source) -> Backbone:
        return load_backbone(
            backbone or source.facts["backbone"]["name"],
            decoder=needs_decoder(source.facts),
            device=pick_device(device),
            places=HERE if backbone else places_of(source.folder),
        )

    groups = load_groups(sources, load)
    for source, its_task in zip(sources, tasks, strict=True):
        check_head(source.folder, its_task, source.facts["head"])
    tasks = [one.with_tokens(groups[0].backbone.tokens) for one in tasks]
    if tasks[0].needs_decoder:  # heads are told how to generate
        tasks = [_decoding(one, decoder, times=times) for one in tasks]
    for group in groups:
        if isinstance(group.model, SingleModel) and group.model.model.head is not None:
            tasks[group.places[0]].configure(group.model.model.head)
        elif isinstance(group.model, Ensemble):
            for name, place in zip(group.model.names, group.places, strict=True):
                group.model.bank.configure(name, tasks[place].configure)
    task = tasks[0] if len(members) == 1 else shared_task(tasks[0], members)
    return Predictor(groups, _decoding(task, decoder, times=times))


def _decoding(task: Task, decoder: str | None, *, times: bool) -> Task:
    """Return the task with a decoder, and with times."""
    task = task if decoder is None else task.with_decoder(decoder)
    return task.with_times() if times else task


def shared_task(task: Task, members: Sequence[Member]) -> Task:
    """Return the task of an ensemble; of a verification, with the cohorts of all members."""
    if not task.cohort_size:
        return task
    bare = task.without_cohort()
    cohorts = {member.name: read_cohort(member.folder) for member in members}
    recordings = {member.name: _cohort_of(member, task.cohort_size) for member in members}
    cohort, notice = combined_cohort(cohorts, recordings)
    if notice is not None:
        _LOGGER.warning(notice)
    return bare if cohort is None else bare.with_cohort(cohort)


def _cohort_of(member: Member, most: int) -> Hashable:
    """Return what identifies the recordings of a member's cohort: its folder, if nothing does."""
    split = read_split(member.folder)
    if not split or not (member.folder / CONFIG).is_file():
        return member.folder
    drawn = len(split["train"]) > most
    return fingerprint(split["train"]), read_config(member.folder).seed if drawn else None


def scan_for(
    groups: Sequence[Group],
    utterances: Sequence[Utterance],
    processes: Processes,
    progress: Progress,
) -> list[Mapping[str, Scanned]]:
    """Return, for each group, length at its sample rate and content of every utterance, by key.

    Raises:
        AudioError: some cannot be used.
    """
    found: dict[tuple[int, int], Mapping[str, Scanned]] = {}
    for one in groups:
        needs = (one.backbone.sample_rate, one.backbone.min_samples)
        if needs not in found:
            found[needs] = scan_together(utterances, one.backbone, processes, progress)
    return [found[one.backbone.sample_rate, one.backbone.min_samples] for one in groups]


def clips_for(
    groups: Sequence[Group],
    task: Task,
    utterances: Sequence[Utterance],
    scanned: Sequence[Mapping[str, Scanned]],
) -> list[Clips]:
    """Return the recordings with their lengths, for each group.

    Args:
        groups: The groups.
        task: Checks the lengths.
        utterances: The recordings.
        scanned: The result of `scan_for`.

    Raises:
        DataError: some are longer than the task can take.
        LabelError: a label states a time beyond the end of its recording.
    """
    clips = []
    for group, of_group in zip(groups, scanned, strict=True):
        rate = group.backbone.sample_rate
        sizes = {one.key: of_group[one.key].num_samples for one in utterances}
        check_whole(task, sizes, group.limit, rate)
        task.check_lengths(utterances, [size / rate for size in sizes.values()])
        clips.append(Clips(tuple(utterances), tuple(sizes.values()), group.limit))
    return clips
