"""Outputs of the validation and test recordings of a finished run, kept in its folder.

RUN/outputs.safetensors    the output of each recording, windows combined; with their keys, labels,
                           speakers, lengths and trials, and the hash of the adapter file that they
                           were computed with

Ensembles are computed from them without another forward pass.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from ossicle import strict_json
from ossicle.adapters.folder import TENSORS, read_folder
from ossicle.adapters.saving import put_tensors, read_tensors, serialise_with_digest
from ossicle.backbones import Backbone, load_backbone
from ossicle.checksums import DIGEST, read_metadata
from ossicle.compute.device import pick_threads, threads
from ossicle.data import Clips, Trial
from ossicle.errors import AdapterFileError
from ossicle.files import replace_file
from ossicle.inference.assessment import member_outputs
from ossicle.inference.saved_task import read_task
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.training.folder import Writer, places_of, read_config, threads_of
from ossicle.training.parent import find_parent
from ossicle.training.prepare import Prepared, prepare

OUTPUTS: Final = "outputs.safetensors"
SIDES: Final = ("valid", "test")
_ADAPTER: Final = "adapter"
_ROWS: Final = "recordings"
_LENGTHS: Final = "lengths"


@dataclass(frozen=True)
class SideOutputs:
    """The outputs of the recordings of one side.

    Attributes:
        keys: Key of each recording.
        labels: Its true label.
        speakers: Its speaker, or None.
        seconds: Its length.
        trials: The pairs that the side is evaluated on; empty for all pairs, and for other tasks.
        outputs: Its output, (C,) or (T, C), windows combined.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    speakers: tuple[str | None, ...]
    seconds: tuple[float, ...]
    trials: tuple[Trial, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class KeptOutputs:
    """The outputs of a run.

    Attributes:
        task: The task of the run, with its cohort if it has one.
        valid: Outputs of the validation recordings, which chose the best epoch.
        test: Outputs of the test recordings.
    """

    task: Task
    valid: SideOutputs
    test: SideOutputs

    @property
    def validates_on_test(self) -> bool:
        """Whether a recording is in both, as in protocols without validation recordings."""
        return not set(self.valid.keys).isdisjoint(self.test.keys)


def has_outputs(folder: Path) -> bool:
    """Return whether a run folder has the outputs of its present adapter.

    Raises:
        AdapterFileError: the folder has no adapter file, or the outputs cannot be read.
    """
    if not (folder / OUTPUTS).is_file():
        return False
    try:
        metadata = read_metadata(folder / OUTPUTS)
    except (OSError, ValueError) as error:
        raise _damaged(folder) from error
    return metadata.get(_ADAPTER) == _digest(folder)


def read_outputs(folder: Path) -> KeptOutputs | None:
    """Return the outputs in a run folder; None if there are none of its present adapter.

    Raises:
        AdapterFileError: a file of the folder is missing or damaged.
    """
    if not has_outputs(folder):
        return None
    tensors, metadata = read_tensors(folder / OUTPUTS)
    task = _task_of(folder)
    try:
        rows = strict_json.loads(metadata[_ROWS])
        valid, test = (_unpacked(side, rows[side], tensors) for side in SIDES)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise _damaged(folder) from error
    return KeptOutputs(task, valid, test)


def keep_outputs(
    folder: Path,
    *,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> None:
    """Compute the outputs of a finished run, and keep them in its folder.

    Args:
        folder: The folder of a finished run.
        load: Loads the backbone: `load_backbone`, or `Kept.load`, which keeps it for the next run.
        progress: Called after every batch.

    Raises:
        FolderLocked: another process writes to the folder.
        OssicleError: the backbone or the recordings are no longer what they were in the run, or the
            file cannot be written.
    """
    with Writer(folder) as writer:
        writer.take()
        adapter = _digest(folder)
        config = read_config(folder)
        run = prepare(
            config,
            places=places_of(folder),
            load=load,
            progress=progress,
            parent=find_parent(config, folder),
        )
        best, _ = read_tensors(folder / TENSORS)
        put_tensors(run.model.tensors(), best, folder)
        with threads(pick_threads(run.model, threads_of(folder))):
            found = {side: _computed(run, side, progress) for side in SIDES}
        tensors: dict[str, Tensor] = {}
        for side, of_side in found.items():
            tensors |= _packed(side, of_side.outputs)
        rows = strict_json.dumps({side: _row_data(of_side) for side, of_side in found.items()})
        parts = serialise_with_digest(tensors, **{_ADAPTER: adapter, _ROWS: rows})
        replace_file(folder / OUTPUTS, *parts)


def _computed(run: Prepared, side: str, progress: Progress) -> SideOutputs:
    """Return the outputs of the recordings of a side."""
    clips: Clips = run.clips[side]
    found = member_outputs(
        SingleModel(run.model, run.frozen, run.config.precision),
        run.task,
        clips,
        run.config.batch_size,
        processes=run.processes,
        progress=progress,
        stage="outputs",
    )
    rate = run.model.backbone.sample_rate
    return SideOutputs(
        keys=tuple(one.key for one in clips.utterances),
        labels=tuple(one.label for one in clips.utterances),
        speakers=tuple(one.speaker for one in clips.utterances),
        seconds=tuple(size / rate for size in clips.sizes),
        trials=tuple(run.dataset.trials.get(side, ())),
        outputs=tuple(output for (output,) in found),
    )


def _packed(side: str, outputs: Sequence[Tensor]) -> dict[str, Tensor]:
    """Return outputs as one tensor; of a task by frame, with the number of frames of each."""
    if outputs[0].ndim == 1:
        return {side: torch.stack(list(outputs)).contiguous()}
    lengths = torch.tensor([len(one) for one in outputs])
    return {side: torch.cat(list(outputs)).contiguous(), f"{side}.{_LENGTHS}": lengths}


def _row_data(found: SideOutputs) -> dict[str, Any]:
    return {
        "keys": found.keys,
        "labels": found.labels,
        "speakers": found.speakers,
        "seconds": found.seconds,
        "trials": [list(one) for one in found.trials],
    }


def _unpacked(side: str, rows: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> SideOutputs:
    lengths = tensors.get(f"{side}.{_LENGTHS}")
    outputs = tensors[side].unbind() if lengths is None else tensors[side].split(lengths.tolist())
    found = SideOutputs(
        keys=tuple(rows["keys"]),
        labels=tuple(rows["labels"]),
        speakers=tuple(rows["speakers"]),
        seconds=tuple(rows["seconds"]),
        trials=tuple(Trial(*one) for one in rows["trials"]),
        outputs=tuple(outputs),
    )
    counts = {len(one) for one in (found.keys, found.labels, found.speakers, found.seconds)}
    if counts != {len(outputs)}:
        raise ValueError(f"{len(outputs)} outputs, and {counts} keys, labels, speakers or lengths")
    return found


def _task_of(folder: Path) -> Task:
    """Return the task of a run, which decodes outputs; texts with the tokenizer of the backbone."""
    facts = read_folder(folder).facts
    task, _ = read_task(folder, facts)
    if not task.needs_decoder:
        return task
    name, places = facts["backbone"]["name"], places_of(folder)
    return task.with_tokens(load_backbone(name, weights=False, decoder=True, places=places).tokens)


def _digest(folder: Path) -> str:
    try:
        return read_metadata(folder / TENSORS)[DIGEST]
    except (OSError, ValueError, KeyError) as error:
        raise AdapterFileError(f"'{folder / TENSORS}' cannot be read: {error}") from error


def _damaged(folder: Path) -> AdapterFileError:
    return AdapterFileError(
        f"'{folder / OUTPUTS}' is damaged. Remove it, and repeat the command of the study"
    )
