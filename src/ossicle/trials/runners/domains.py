"""Train an adapter, and test it on the test recordings of every domain of a study.

The settings of a trial are the data string of each domain, by its name.

TRIAL/domains.json    for each domain the metrics, and the prediction and score of each recording;
                      of a first stage, the metrics before training; of a stage in which nothing is
                      frozen or kept, those between the tensors of the parent run and its own

Between the two, all tensors that both have are (1 - share) * parent + share * own: Wortsman et al.
2022, "Robust fine-tuning of zero-shot models", equation 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import put_tensors, read_tensors
from ossicle.backbones import Backbone
from ossicle.compute.device import pick_threads, threads
from ossicle.compute.precision import pick_precision
from ossicle.continual import interpolated
from ossicle.data import Clips, Content, Dataset, overlapping
from ossicle.errors import AdapterFileError, SplitError, listing
from ossicle.files import write_sealed
from ossicle.frozen.part import open_frozen_part
from ossicle.inference.assessment import assess
from ossicle.inference.predictor import longest_piece
from ossicle.inference.saved_task import read_task
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.tasks import Task
from ossicle.training.config import TrainConfig
from ossicle.training.folder import (
    PARENT,
    Writer,
    places_of,
    read_config,
    read_json,
    threads_of,
)
from ossicle.training.intervals import with_intervals
from ossicle.training.kept import adapter_digest
from ossicle.training.learnt import learnt_contents, read_split, stage_folders
from ossicle.training.parent import find_parent
from ossicle.training.prepare import Prepared, prepare
from ossicle.training.recordings import scan_together
from ossicle.training.result import fingerprint
from ossicle.training.split import open_split
from ossicle.trials.kept import Kept
from ossicle.trials.outcome import Measured
from ossicle.trials.runners.runner import Runner
from ossicle.trials.runners.train import RUNNER as TRAIN
from ossicle.trials.runners.train import with_recordings
from ossicle.trials.trial import Trial

DOMAINS: Final = "domains.json"
UNTRAINED: Final = "untrained"  # in `Measured.facts`: metrics of each domain before training
CURVE: Final = "curve"  # in `Measured.facts`: for each share, metrics of each domain
SHARES: Final = tuple(number / 10 for number in range(11))
_ADAPTER: Final = "adapter"
_INTERVALS: Final = ("intervals", "interval_missing", "interval_unit", "interval_units")

Metrics = dict[str, float | None]


class TestedOnDomains:
    """Trains as `train` does, then tests the best epoch on every domain."""

    name = "domains"
    ignores = TRAIN.ignores
    settings_are_data = True

    def run(self, trial: Trial, folder: Path, kept: Kept, progress: Progress) -> None:
        """Train, or resume the run in the folder; test a finished one."""
        TRAIN.run(trial, folder, kept, progress)
        data = {name: str(spec) for name, spec in trial.settings.items()}
        with Writer(folder) as writer:
            writer.take()
            _test(folder, data, kept, progress)

    def read(self, folder: Path) -> Measured | None:
        """Return the result of a tested run, with that of each domain."""
        found = TRAIN.read(folder)
        if found is None or not (folder / DOMAINS).is_file():
            return None
        data = read_json(folder / DOMAINS)
        if data.get(_ADAPTER) != adapter_digest(folder):
            return None
        try:
            domains = {name: _measured(found, one) for name, one in data["domains"].items()}
            facts = {UNTRAINED: data[UNTRAINED], CURVE: data[CURVE]}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AdapterFileError(
                f"'{folder / DOMAINS}' is damaged. Remove it, and repeat the command of the study"
            ) from error
        return replace(found, domains=domains, facts=facts)


@dataclass(frozen=True)
class _Side:
    """The test recordings of a domain.

    Attributes:
        dataset: The recordings of the domain, and their split.
        clips: Its test recordings.
        contents: The content of each of these, by key.
        model: The model of the run, with a cache of its frozen part for these.
    """

    dataset: Dataset
    clips: Clips
    contents: Mapping[str, Content]
    model: SingleModel


def _test(folder: Path, data: Mapping[str, str], kept: Kept, progress: Progress) -> None:
    """Test the run in a folder on every domain, and write the result."""
    adapter, config = adapter_digest(folder), read_config(folder)
    run = prepare(
        replace(config, keep=None),  # what it needs in training alone need not be computed again
        places=places_of(folder),
        load=kept.load,
        progress=progress,
        parent=find_parent(config, folder),
    )
    task, _ = read_task(folder, read_folder(folder).facts)
    task = task.with_tokens(run.model.backbone.tokens)
    sides = {name: _opened(run, folder, spec, progress) for name, spec in data.items()}
    own, _ = read_tensors(folder / TENSORS)

    def metrics() -> dict[str, Metrics]:
        return {name: _metrics(run, one, progress) for name, one in sides.items()}

    with threads(pick_threads(run.model, threads_of(folder))):
        first = config.parent is None and not task.cohort_size
        untrained = metrics() if first else None
        curve = None
        if _is_plain(config):
            start, _ = read_tensors(folder / PARENT / TENSORS)
            curve = []
            for share in SHARES:
                put_tensors(run.model.tensors(), _between(start, own, share), folder)
                curve.append({"share": share, **metrics()})
        put_tensors(run.model.tensors(), own, folder)
        tested = {name: _tested(run, task, one, progress) for name, one in sides.items()}
    found = {_ADAPTER: adapter, "domains": tested, UNTRAINED: untrained, CURVE: curve}
    write_sealed(folder / DOMAINS, found)


def _is_plain(config: TrainConfig) -> bool:
    """Return whether a run goes on from another one with all of its tensors, freely."""
    restricted = (config.freeze, config.keep) != (None, None)
    return config.parent is not None and not restricted and config.head_from == "keep"


def _between(
    start: Mapping[str, Tensor], own: Mapping[str, Tensor], share: float
) -> Mapping[str, Tensor]:
    same = {key: one for key, one in start.items() if key in own and own[key].shape == one.shape}
    return interpolated(same, own, share)


def _opened(run: Prepared, folder: Path, spec: str, progress: Progress) -> _Side:
    """Return the test recordings of a domain.

    Raises:
        SplitError: an earlier stage, or this one, was trained on one of them.
    """
    whole = replace(run.config, data=spec, shots=None, train_fraction=None)
    dataset = open_split(whole, places_of(folder))
    backbone: Backbone = run.model.backbone
    scanned = scan_together(dataset.test, backbone, run.processes, progress)
    contents = {key: one.content for key, one in scanned.items()}
    for stage in stage_folders(folder):
        split = read_split(stage)
        tested = set(split.get("test", {}).values())  # it may be the validation side as well
        others = {key: one for key, one in contents.items() if str(one) not in tested}
        if seen := overlapping(learnt_contents(stage, split), others):
            raise SplitError(
                f"{len(seen)} of the {len(contents)} test recordings of '{spec}' trained the "
                f"adapter on '{split.get('data')}' or chose its best epoch: {listing(seen, 3)}. "
                "Choose domains that share no recordings"
            )
    sizes = tuple(scanned[one.key].num_samples for one in dataset.test)
    limit = longest_piece(backbone, run.config.max_seconds)
    clips = Clips(tuple(dataset.test), sizes, limit)
    return _Side(dataset, clips, contents, _cached(run, clips, contents))


def _cached(run: Prepared, clips: Clips, contents: Mapping[str, Content]) -> SingleModel:
    """Return the model of a run for recordings that are tested many times, and by many trials."""
    config = run.config
    device = next(run.model.parameters()).device
    frozen = open_frozen_part(
        run.model,
        clips.sizes,
        {key: content.samples for key, content in contents.items()},
        cache=config.cache,
        epochs=config.num_epochs,
        augmented=False,
        precision=str(pick_precision(config.precision, str(device))),
    )
    return SingleModel(run.model, frozen, config.precision)


def _metrics(run: Prepared, side: _Side, progress: Progress) -> Metrics:
    """Return the reported metrics of the model as it is."""
    task = run.task.with_trials(side.dataset.trials.get("test", ()))
    found = assess(side.model, task, side.clips, run.config.batch_size, progress=progress)
    return {key: found.metrics[key] for key in task.reported}


def _tested(run: Prepared, task: Task, side: _Side, progress: Progress) -> dict[str, Any]:
    """Return metrics with intervals, and every recording with what was said of it."""
    judge = task.with_trials(side.dataset.trials.get("test", ()))
    judge.check_labels([one.label for one in side.clips.utterances])
    found = assess(side.model, judge, side.clips, run.config.batch_size, progress=progress)
    whole = with_intervals(judge, side.clips.utterances, found)
    return {
        "metrics": {key: whole[key] for key in judge.reported},
        "recordings": whole["recordings"],
        "fingerprint": fingerprint({key: str(one) for key, one in side.contents.items()}),
        **{key: whole[key] for key in _INTERVALS},
    }


def _measured(found: Measured, of_domain: Mapping[str, Any]) -> Measured:
    """Return the result of a run on a domain."""
    tested = replace(
        found,
        metrics=of_domain["metrics"],
        split_fingerprint={"test": of_domain["fingerprint"]},
    )
    return with_recordings(tested, of_domain["recordings"])


RUNNER: Final[Runner] = TestedOnDomains()
