"""A trained adapter in use: figures on recordings it has not seen, labels for new files."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch

from ossicle.attach.adapted import AdaptedModel
from ossicle.attach.folder import FACTS, read_folder
from ossicle.attach.store import load
from ossicle.data import Utterance, contents, load_wave, open_data, read_data, scan, windows
from ossicle.errors import AdapterFileError, AudioError, DataError, SplitError, listing
from ossicle.tasks import TASKS, Task
from ossicle.training.clips import Clips
from ossicle.training.figures import with_intervals
from ossicle.training.loop import Progress, assess, no_progress
from ossicle.training.machine import pick_device
from ossicle.training.run import SPLIT, check_whole, longest_piece

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
    def open(cls, folder: Path | str, *, backbone: str | None = None, device: str = "auto") -> Self:
        """Load an adapter folder and the backbone it names, or the one given.

        Raises:
            AdapterFileError: the folder is no adapter folder, or is damaged.
            RecipeMismatch: the backbone is not the one it was trained on.
            BackboneError: the backbone cannot be loaded.
        """
        facts = read_folder(Path(folder)).facts["task"]
        if facts.get("name") not in TASKS:
            raise AdapterFileError(
                f"'{folder}' was trained for the task {facts.get('name')!r}; "
                f"this version knows: {', '.join(TASKS)}"
            )
        seconds = facts.get("max_seconds")
        if not isinstance(seconds, int | float) or not seconds > 0:
            raise AdapterFileError(f"'{folder}': {FACTS} states no max_seconds; restore the file")
        task = TASKS[facts["name"]].from_dict(facts)
        model = load(folder, backbone, device=pick_device(device))
        head = model.current.head
        if head is None or head.num_outputs != task.num_outputs:
            raise AdapterFileError(
                f"'{folder}': the head has {head.num_outputs if head else 'no'} outputs and the "
                f"task {task.num_outputs}; restore {FACTS}"
            )
        return cls(Path(folder), model, task, longest_piece(model.backbone, seconds))

    def evaluate(
        self,
        data: str,
        *,
        side: str | None = None,
        batch_size: int = 16,
        progress: Progress = no_progress,
    ) -> dict[str, Any]:
        """Return figures with 95 % bootstrap intervals on recordings the adapter has not seen.

        Args:
            data: A data string.
            side: `test`, `valid` or `all`. None: the test recordings of the run's own data, or of
                a corpus that gives them; all recordings of any other. With `valid`, recordings
                that chose the best epoch are let in.
            batch_size: Recordings at a time.
            progress: Told of every batch.

        Raises:
            SplitError: some of the recordings were learnt from.
            LabelError: one of their labels was not seen in training.
            DataError: they cannot be read.
        """
        utterances = self._choose(data, side)
        self.task.check_labels([utterance.label for utterance in utterances])
        backbone = self.model.backbone

        def scanned(done: int, total: int) -> None:
            progress("checking recordings", done, total)

        sizes = scan(utterances, backbone.sample_rate, backbone.min_samples, progress=scanned)
        rate = backbone.sample_rate
        by_key = dict(zip((one.key for one in utterances), sizes, strict=True))
        check_whole(self.task, by_key, self.limit / rate, rate)
        clips = Clips(tuple(utterances), tuple(sizes), self.limit)
        found = assess(self.model, self.task, clips, batch_size, progress=progress)
        return {"data": data, **with_intervals(self.task, utterances, found)}

    def predict(self, files: Iterable[Path | str]) -> Iterator[dict[str, Any]]:
        """Yield `file` with what the task decodes, or with `error`, one by one."""
        for file in files:
            try:
                yield {"file": str(file), **self._predict(Path(file))}
            except DataError as error:
                yield {"file": str(file), "error": str(error)}

    @torch.no_grad()
    def _predict(self, file: Path) -> dict[str, Any]:
        backbone = self.model.backbone
        wave = load_wave(file, backbone.sample_rate)
        if len(wave) < backbone.min_samples:
            raise AudioError(
                f"{file} is {1000 * len(wave) / backbone.sample_rate:.0f} ms long, and the "
                f"backbone needs {1000 * backbone.min_samples / backbone.sample_rate:.0f} ms."
            )
        device = next(self.model.parameters()).device
        check_whole(
            self.task,
            {str(file): len(wave)},
            self.limit / backbone.sample_rate,
            backbone.sample_rate,
        )
        outputs = []
        for start, stop in windows(len(wave), self.limit):
            values, lengths = backbone.batch([wave[start:stop]])
            outputs.append(self.model.outputs(values.to(device), lengths.to(device))[0].cpu())
        return self.task.decode(self.task.combine(outputs))

    def _choose(self, data: str, side: str | None) -> list[Utterance]:
        split = self._split()
        if side == "all":
            chosen = list(read_data(data).utterances)
        elif side is None and split.get("data") != data:
            chosen = list(read_data(data).test)
        else:
            chosen = list(open_data(data).sides[side or "test"])
        if not chosen:
            raise DataError(f"'{data}' gives no test recordings; say --side=all to take them all")
        sides = LEARNT_FROM[:1] if side == "valid" else LEARNT_FROM
        learnt = {digest for name in sides for digest in split.get(name, {}).values()}
        seen = [key for key, digest in contents(chosen).items() if digest in learnt]
        if seen:
            raise SplitError(
                f"{len(seen)} of the {len(chosen)} recordings of '{data}' trained this adapter or "
                f"chose its best epoch: {listing(seen, 3)}. A score on them would be a memory "
                f"test. Evaluate on others; --data '{split.get('data')}' gives those that the run "
                "kept for its test"
            )
        return chosen

    def _split(self) -> dict[str, Any]:
        file = self.folder / SPLIT
        if not file.is_file():
            return {}
        try:
            split: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise AdapterFileError(f"'{file}' cannot be read: {error}; restore it") from error
        return split
