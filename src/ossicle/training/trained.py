"""A trained adapter in use: metrics on recordings it has not seen, labels for new files."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ossicle.adapters.folder import FACTS, TENSORS, read_folder
from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import load
from ossicle.backbones import load_backbone
from ossicle.compute.device import pick_device
from ossicle.compute.processes import Processes
from ossicle.data import (
    Clips,
    Content,
    Dataset,
    Trial,
    Utterance,
    open_data,
    overlapping,
    read_data,
)
from ossicle.data.sizes import size_notices
from ossicle.errors import AdapterFileError, DataError, SplitError, listing
from ossicle.inference.assessment import assess
from ossicle.inference.predictor import Predictor, Recording, check_whole, longest_piece
from ossicle.inference.saved_task import check_head, read_task
from ossicle.inference.single import SingleModel
from ossicle.paths import HERE
from ossicle.progress import Progress, no_progress
from ossicle.tasks import Task
from ossicle.training.folder import CONFIG, SPLIT, places_of, read_config, read_json
from ossicle.training.intervals import with_intervals
from ossicle.training.recordings import scan_together
from ossicle.training.split import open_split

_LOGGER = logging.getLogger(__name__)
LEARNT_FROM = ("train", "valid")  # the weights from the one, the choice of epoch from the other


@dataclass(frozen=True)
class Trained:
    """A model with a trained adapter, in evaluation mode.

    Attributes:
        folder: Where it came from.
        model: The backbone with the adapter.
        task: What the output means.
        limit: Longest piece that is taken whole, in samples.
    """

    folder: Path
    model: AdaptedModel
    task: Task
    limit: int

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        backbone: str | None = None,
        device: str = "auto",
        decoder: str | None = None,
    ) -> Self:
        """Load an adapter folder and the backbone it names, or the one given.

        Args:
            folder: A run or adapter folder.
            backbone: Where the backbone is, if not where the run found it.
            device: auto, cpu, cuda, ...
            decoder: Of a transcription: `greedy` or `beam(size=50,lm=FILE,...)`.

        Raises:
            AdapterFileError: the folder is not an adapter folder, or is damaged.
            RecipeMismatch: the backbone is not the one it was trained on.
            BackboneError: the backbone cannot be loaded.
        """
        facts = read_folder(Path(folder)).facts
        task, seconds = read_task(Path(folder), facts)
        loaded = load_backbone(
            backbone or facts["backbone"]["name"],
            device=pick_device(device),
            places=HERE if backbone else places_of(Path(folder)),
        )
        model = load(folder, loaded).eval()
        check_head(Path(folder), task, model.head)
        task = task if decoder is None else task.with_decoder(decoder)
        return cls(Path(folder), model, task, longest_piece(loaded, seconds))

    @property
    def predictor(self) -> Predictor:
        """What turns recordings into decoded answers."""
        return Predictor(SingleModel(self.model), self.task, self.limit)

    def evaluate(
        self,
        data: str,
        *,
        side: str | None = None,
        batch_size: int = 16,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Return metrics with 95 % bootstrap intervals on recordings the adapter has not seen.

        Args:
            data: A data string.
            side: `test`, `valid` or `all`. None: the test recordings of the run's own data, or of
                a corpus that gives them; all recordings of any other. With `valid`, recordings
                that chose the best epoch are let in.
            batch_size: Recordings at a time.
            progress: Told of every batch.

        Raises:
            SplitError: some of the recordings were used in training.
            LabelError: one of their labels was not seen in training.
            DataError: they cannot be read.
        """
        split = self._split()
        utterances, trials = self._choose(data, side, own=split.get("data") == data)
        task = self.task.with_trials(trials)
        labels = [utterance.label for utterance in utterances]
        task.check_labels(labels)
        for notice in task.notices(data, labels):
            _LOGGER.warning(notice)
        backbone, rate = self.model.backbone, self.model.backbone.sample_rate
        processes = Processes(cpu=next(backbone.parameters()).device.type == "cpu")
        scanned = scan_together(utterances, backbone, processes, progress)
        self._refuse_learnt(data, side, split, {key: one.content for key, one in scanned.items()})
        sizes = {key: one.num_samples for key, one in scanned.items()}
        check_whole(task, sizes, self.limit, rate)
        task.check_lengths(utterances, [sizes[one.key] / rate for one in utterances])
        clips = Clips(tuple(utterances), tuple(sizes[one.key] for one in utterances), self.limit)
        found = assess(
            SingleModel(self.model), task, clips, batch_size, processes=processes, progress=progress
        )
        return {"data": data, **with_intervals(task, utterances, found)}

    def predict(self, files: Iterable[Recording]) -> Iterator[dict[str, Any]]:
        """Yield the decoded answer for each file, as `Predictor.predict` does."""
        return self.predictor.predict(files)

    def _choose(
        self, data: str, side: str | None, *, own: bool
    ) -> tuple[list[Utterance], Sequence[Trial]]:
        """Return the utterances of a side and its trials; `own`: of the data it was trained on."""
        is_split = side not in (None, "all") or (side is None and own)
        places = places_of(self.folder) if own else HERE
        if is_split:
            dataset = self._own_split(data, places) if own else open_data(data, places)
            sizes = tuple(size_notices(dataset, self.task.classes_in))
        else:
            dataset, sizes = read_data(data, places), ()
        for notice in (*dataset.notices, *sizes):
            _LOGGER.warning(notice)
        if side == "all":
            chosen = list(dataset.utterances)
            trials: Sequence[Trial] = ()
        else:
            chosen = list(dataset.sides[side or "test"])
            trials = dataset.trials.get(side or "test", ())
        if not chosen:
            raise DataError(f"'{data}' gives no test recordings; say --side=all to take them all")
        return chosen, trials

    def _refuse_learnt(
        self, data: str, side: str | None, split: Mapping[str, Any], chosen: Mapping[str, Content]
    ) -> None:
        sides = LEARNT_FROM[:1] if side == "valid" else LEARNT_FROM
        try:
            learnt = [
                Content.parse(str(text)) for name in sides for text in split.get(name, {}).values()
            ]
        except ValueError as error:
            raise AdapterFileError(f"'{self.folder / SPLIT}': {error}; restore it") from error
        if seen := overlapping(learnt, chosen):
            raise SplitError(
                f"{len(seen)} of the {len(chosen)} recordings of '{data}' trained this adapter or "
                f"chose its best epoch: {listing(seen, 3)}. A score on them would be a memory "
                f"test. Evaluate on others; --data '{split.get('data')}' gives those that the run "
                "kept for its test"
            )

    def _own_split(self, data: str, places: Sequence[Path]) -> Dataset:
        """Return the data of the run, split as in the run."""
        if not (self.folder / CONFIG).is_file():
            return open_data(data, places)
        whole = replace(read_config(self.folder), shots=None, train_fraction=None)
        return open_split(whole, places)

    def _split(self) -> dict[str, Any]:
        """Return what the run wrote of its recordings; nothing for an adapter without its run."""
        file = self.folder / SPLIT
        if not file.is_file():
            if (self.folder / CONFIG).is_file():
                raise AdapterFileError(
                    f"'{self.folder}' is a run without its {SPLIT}, which says what it was trained "
                    f"on; copy it again. To evaluate without that check, move {TENSORS} and "
                    f"{FACTS} to a folder of their own"
                )
            return {}
        split = read_json(file)
        if not all(isinstance(split.get(side), dict) for side in LEARNT_FROM):
            raise AdapterFileError(
                f"'{file}' does not say which recordings were trained on; copy it again"
            )
        return split
