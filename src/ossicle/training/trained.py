"""A trained adapter or ensemble in use: metrics on recordings not seen, labels for new files."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self, cast

from ossicle.adapters.model import AdaptedModel
from ossicle.compute.processes import Processes
from ossicle.data import Dataset, Trial, Utterance, in_memory, open_data, read_data
from ossicle.data.objects import is_table, utterances_in
from ossicle.data.sizes import size_notices
from ossicle.errors import DataError, RunError, listing
from ossicle.hub import name_of
from ossicle.inference.assessment import assess_outputs, group_outputs
from ossicle.inference.predictor import Predictor, Recording, as_utterance
from ossicle.inference.single import SingleModel
from ossicle.paths import HERE
from ossicle.progress import Progress, no_progress
from ossicle.settings import PROBABILITY, check_value
from ossicle.tasks import Task
from ossicle.training.cards import trained_card
from ossicle.training.ensemble_folder import EnsembleFolder, Member, is_ensemble, read_ensemble
from ossicle.training.folder import CONFIG, places_of, read_config
from ossicle.training.intervals import with_intervals
from ossicle.training.learnt import LEARNT_FROM, read_split, refuse_learnt, stage_folders
from ossicle.training.located import locate_run
from ossicle.training.members import clips_for, open_members, scan_for
from ossicle.training.split import known_labels, open_split
from ossicle.votes import read_vote

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """A model with a trained adapter, or an ensemble of several, in evaluation mode.

    Attributes:
        folder: Where it came from.
        members: The members of an ensemble; of a run, the run.
        predictor: What turns recordings into decoded answers.
        ensemble: The content of an ensemble folder; None for a run.
    """

    folder: Path
    members: tuple[Member, ...]
    predictor: Predictor
    ensemble: EnsembleFolder | None = None

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        backbone: str | None = None,
        device: str = "auto",
        decoder: str | None = None,
        times: bool = False,
    ) -> Self:
        """Load an adapter or ensemble folder and the backbone it names, or the one given.

        Args:
            folder: A run, adapter or ensemble folder, or `hf:USER/NAME[@REVISION]` on the hub.
            backbone: Where the backbone is, if not where the run found it.
            device: auto, cpu, cuda, ...
            decoder: Of a transcription: `greedy` or `beam(size=50,lm=FILE,...)`.
            times: Whether texts get segments with times.

        Raises:
            AdapterFileError: the folder is not an adapter or ensemble folder, or is damaged; a
                member of an ensemble is missing or has changed.
            RecipeMismatch: the backbone is not the one it was trained on.
            BackboneError: the backbone cannot be loaded.
            HubError: a run on the hub cannot be downloaded.
        """
        path = locate_run(folder)
        ensemble = read_ensemble(path) if is_ensemble(path) else None
        members = (Member(name_of(path), path),) if ensemble is None else ensemble.members
        predictor = open_members(
            members, backbone=backbone, device=device, decoder=decoder, times=times
        )
        if ensemble is not None:
            vote, temperature = read_vote(ensemble.vote), ensemble.temperature
            predictor = replace(predictor, vote=vote, temperature=temperature)
        return cls(path, members, predictor, ensemble)

    def _repr_html_(self) -> str:
        return trained_card(self.folder, self.members, self.predictor, self.ensemble)

    @property
    def task(self) -> Task:
        """What the outputs mean."""
        return self.predictor.task

    @property
    def model(self) -> AdaptedModel:
        """The backbone with the adapter.

        Raises:
            RunError: it is an ensemble, which has several.
        """
        model = self.predictor.groups[0].model
        if self.ensemble is not None or not isinstance(model, SingleModel):
            raise RunError(
                f"'{self.folder}' is an ensemble of {len(self.members)} models, and this needs a "
                f"single one; open one of its members, such as '{self.members[0].folder}'"
            )
        return model.model

    @property
    def limit(self) -> int:
        """Longest piece that the model takes whole, in samples."""
        return self.predictor.groups[0].limit

    def evaluate(
        self,
        data: str | object,
        *,
        side: str | None = None,
        batch_size: int = 16,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Return metrics with 95 % bootstrap intervals on recordings the adapter has not seen.

        Args:
            data: A data string, or an object that `ossicle.data.in_memory` takes, such as a
                `datasets.Dataset` or a pandas `DataFrame`.
            side: `test`, `valid` or `all`. None: the test recordings of the run's own data (of an
                ensemble, of its first member's) and of an earlier stage's, or of a corpus that
                gives them; all recordings of any other. With `valid`, recordings that chose the
                best epoch are let in, unless a vote has learnt from them.
            batch_size: Recordings at a time.
            progress: Told of every batch.

        Raises:
            SplitError: some of the recordings were used in training, by any member in any stage.
            LabelError: one of their labels was not seen in training.
            DataError: they cannot be read.
        """
        data = in_memory(data)
        stages = [stage_folders(member.folder) for member in self.members]
        own = next((one for one in stages[0] if read_split(one).get("data") == data), None)
        utterances, trials = self._choose(data, side, own)
        task = self.task.with_trials(trials)
        labels = [utterance.label for utterance in utterances]
        task.check_labels(labels)
        for notice in task.notices(data, labels):
            _LOGGER.warning(notice)
        groups = self.predictor.groups
        device = next(groups[0].backbone.parameters()).device
        processes = Processes(cpu=device.type == "cpu")
        scanned = scan_for(groups, utterances, processes, progress)
        contents = {key: one.content for key, one in scanned[0].items()}
        refuse_learnt(self.members, data, self._refused_sides(side), contents)
        clips = clips_for(groups, task, utterances, scanned)
        outputs = group_outputs(
            groups, task, clips, batch_size, processes=processes, progress=progress
        )
        found = assess_outputs(
            task, utterances, outputs, self.predictor.vote, self.predictor.temperature
        )
        return {"data": data, **with_intervals(task, utterances, found)}

    def _refused_sides(self, side: str | None) -> tuple[str, ...]:
        """Return the sides of the members' runs that must not be evaluated on."""
        learns = self.predictor.vote is not None and self.predictor.vote.learns
        return LEARNT_FROM[:1] if side == "valid" and not learns else LEARNT_FROM

    def predict(
        self, files: Iterable[Recording] | object, *, abstain: float | None = None, prompt: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Yield the decoded answer for each file, as `Predictor.predict` does.

        Args:
            files: Recordings of any length: paths, or an object that `ossicle.data.in_memory`
                takes. Labels in it are not read.
            abstain: Give no label (None) where the confidence is below this, from 0 to 1, and add
                the `confidence` to every answer. None: always give one.
            prompt: What was asked or said before, for a task that writes text.

        Raises:
            RunError: the threshold is out of range, the task has no confidence, or it has no
                prompt.
        """
        files = utterances_in(files) if is_table(files) else cast("Iterable[Recording]", files)
        if prompt:
            self.task.check_prompt(prompt)
            files = (replace(as_utterance(one), prompt=prompt) for one in files)
        if abstain is None:
            return self.predictor.predict(files)
        check_value("abstain", abstain, (float,), PROBABILITY)
        if not self.task.has_confidence():
            raise RunError(
                f"answers of the task {self.task.name} have no confidence, so it cannot abstain; "
                "leave --abstain out"
            )
        if self.ensemble is not None and self.ensemble.temperature is None:
            _LOGGER.warning(f"Confidences are not calibrated: {self.ensemble.why}")
        return (self._or_none(found, abstain) for found in self.predictor.predict(files))

    def _or_none(self, found: dict[str, Any], threshold: float) -> dict[str, Any]:
        """Return an answer with its confidence, without a label if that is below the threshold."""
        if "error" in found:
            return found
        confidence = self.task.confidence(found)
        is_sure = confidence is not None and confidence >= threshold
        return {**found, "label": found["label"] if is_sure else None, "confidence": confidence}

    def _choose(
        self, data: str, side: str | None, own: Path | None
    ) -> tuple[Sequence[Utterance], Sequence[Trial]]:
        """Return the utterances of a side and its trials.

        Args:
            data: A data string.
            side: `test`, `valid` or `all`; None: as `evaluate` says.
            own: The folder of the stage that was trained on these data; None: there is none.
        """
        is_split = side not in (None, "all") or (side is None and own is not None)
        places = HERE if own is None else places_of(own)
        if is_split:
            dataset = open_data(data, places) if own is None else _own_split(own, data, places)
            sizes = tuple(size_notices(dataset, self.task.classes_in))
        else:
            dataset, sizes = read_data(data, places), ()
        for notice in (*dataset.notices, *sizes):
            _LOGGER.warning(notice)
        if side == "all":
            chosen: Sequence[Utterance] = dataset.utterances
            trials: Sequence[Trial] = ()
        else:
            chosen = dataset.sides[side or "test"]
            trials = dataset.trials.get(side or "test", ())
        if own is not None:
            chosen = self._known(chosen)
        if not chosen:
            raise DataError(f"'{data}' gives no test recordings; say --side=all to take them all")
        return chosen, trials

    def _known(self, utterances: Sequence[Utterance]) -> Sequence[Utterance]:
        """Return the utterances without those that a stage has left out for their labels."""
        stages = stage_folders(self.members[0].folder)
        if not any((one / CONFIG).is_file() and read_config(one).common_labels for one in stages):
            return utterances
        known = known_labels(utterances, self.task)
        if left := {one.label for one in utterances} - {one.label for one in known}:
            _LOGGER.warning(
                f"{len(utterances) - len(known)} of {len(utterances)} recordings are left out: "
                f"the model was trained with --common-labels and without {listing(sorted(left))}"
            )
        return known


def _own_split(folder: Path, data: str, places: Sequence[Path]) -> Dataset:
    """Return the data of a run, split as in the run."""
    if not (folder / CONFIG).is_file():
        return open_data(data, places)
    whole = replace(read_config(folder), shots=None, train_fraction=None)
    return open_split(whole, places)
