"""The way to keep what earlier stages have learnt, in a run: what it reads and starts from.

    RUN/fisher.safetensors  Fisher information of all earlier stages, at the start of this one

It is computed before the first epoch, and read again when the run resumes. The Fisher information
that the parent run has kept is added to it. Where that has none, or lacks parameters that train
now, it is computed from the training recordings of all earlier stages, not of the last one alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import read_tensors, serialise_with_digest
from ossicle.compute.processes import Processes
from ossicle.continual import Keep, Start, parse_keep
from ossicle.continual.fisher import fisher_information
from ossicle.continual.old import old_answers
from ossicle.data import Clips, Dataset, Utterance
from ossicle.files import replace_file
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress
from ossicle.tasks import Task
from ossicle.training.config import TrainConfig
from ossicle.training.earlier import open_earlier, with_replayed
from ossicle.training.folder import FISHER
from ossicle.training.stage import Stage, carried_head

_PARENT: Final = "parent"  # in the metadata of FISHER: the hash of the parent's adapter file


@dataclass(frozen=True)
class Keeping:
    """A way to keep what earlier stages have learnt, for a run.

    Attributes:
        kind: The way.
        value: The value of its setting.
        stage: What the run starts from.
        kept: The Fisher information that the parent run has, of all that trains; None: it has none.
        earlier: The recordings of earlier stages that the way reads.
    """

    kind: type[Keep]
    value: float
    stage: Stage
    kept: Mapping[str, Tensor] | None
    earlier: tuple[Utterance, ...]

    @classmethod
    def of(cls, text: str, stage: Stage, model: AdaptedModel) -> "Keeping":
        """Return the way that `--keep` names, with the recordings that it reads.

        Args:
            text: The value of `--keep`.
            stage: What the run starts from.
            model: The model before training.

        Raises:
            DataError: the recordings of earlier stages cannot be read, or have changed.
        """
        kind, value = parse_keep(text)
        kept = parent_fisher(stage, model) if kind.needs_fisher else None
        stages = stage.parent.stages
        first = 1 if kept is None else len(stages)
        reads = kind.reads_source or kind.adds_source
        earlier = open_earlier(stages, f"--keep {kind.name}", first) if reads else ()
        return cls(kind, value, stage, kept, earlier)

    def added(self, dataset: Dataset, task: Task, seed: int) -> Dataset:
        """Return the recordings of the run, with earlier ones if the way adds some."""
        if not self.kind.adds_source:
            return dataset
        return with_replayed(dataset, self.earlier, task, self.value, seed)

    @property
    def read(self) -> tuple[Utterance, ...]:
        """The earlier recordings that are read in addition to those of the run."""
        return self.earlier if self.kind.reads_source else ()

    def start(
        self, single: SingleModel, task: Task, source: Clips, config: TrainConfig, shared: Processes
    ) -> Start:
        """Return what the way starts from, yet without Fisher information.

        Args:
            single: The model before training.
            task: The task of the run.
            source: The recordings of `read`.
            config: The settings of the run.
            shared: The processes that train together.

        Raises:
            RunError: the way cannot act on this model or task.
        """
        start = Start(
            single=single,
            task=task,
            tensors=self.stage.start,
            old_outputs=() if config.head_from == "new" else self.stage.old_outputs,
            new_keys=self.stage.new_keys,
            source=source,
            batch_size=config.batch_size,
            seed=config.seed,
            processes=shared,
        )
        self.kind.check(start)
        return start

    def begin(self, start: Start, folder: Path, progress: Progress) -> Keep:
        """Return the way at the start of the training.

        Args:
            start: The result of `start`; the model is as it was then.
            folder: The run folder, in which the Fisher information is kept.
            progress: Called after every recording of the Fisher information.

        Raises:
            AdapterFileError: the Fisher information in the folder is damaged.
            RunError: it is not finite, or cannot be written.
        """
        if self.kind.needs_fisher:
            start = replace(start, fisher=self._fisher(start, folder / FISHER, progress))
        return self.kind(self.value, start)

    def _fisher(self, start: Start, file: Path, progress: Progress) -> Mapping[str, Tensor]:
        """Return the Fisher information, read or else computed and written."""
        device = next(start.single.model.parameters()).device
        parent = self.stage.parent.digest
        if file.is_file():
            tensors, metadata = read_tensors(file)
            if metadata.get(_PARENT) == parent:
                return {key: value.to(device) for key, value in tensors.items()}
        assert start.source is not None  # `Keep.needs_fisher` comes with `reads_source`
        found = fisher_information(
            start.single,
            old_answers(start.task, start.old_outputs, self.kind.name),
            start.source,
            start.shared(self.kind.name),
            seed=start.seed,
            processes=start.processes,
            progress=progress,
        )
        for key, value in (self.kept or {}).items():
            if key in found:
                found[key] += value.to(device)
        if start.processes.is_main:
            whole = {key: value.cpu().contiguous() for key, value in found.items()}
            replace_file(file, *serialise_with_digest(whole, **{_PARENT: parent}))
        return found


def parent_fisher(stage: Stage, model: AdaptedModel) -> dict[str, Tensor] | None:
    """Return the Fisher information that a parent run has kept, for the head of the new run.

    Rows of a head that the parent does not have are zero.

    Returns:
        None if it has none, or lacks parameters that train now, as after pruning.

    Raises:
        AdapterFileError: the file is damaged.
    """
    file = stage.parent.folder / FISHER
    if not file.is_file() or stage.pruned is not None:
        return None
    saved, _ = read_tensors(file)
    needed = model.trainable().keys() - stage.new_keys
    if needed - saved.keys():
        return None
    zeros = {key: torch.zeros_like(stage.start[key]) for key in needed}
    last = "" if model.head is None else model.head.last
    carried = carried_head(last, saved, zeros, stage.old_outputs)
    return {key: carried.get(key, saved[key]) for key in needed}
