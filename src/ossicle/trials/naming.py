"""The name of a trial: a hash of everything that decides its result.

    settings      those of the run, with its recipe written out and its task named, and the runner's
    recordings    keys, labels, speakers, sides, pairs to verify, and hashes of the sound; where the
                  files are does not count
    backbone      all weights and settings, wherever they were loaded from
    parent        the name of the trial that it starts from, or a hash of the adapter of a run
    code          see `ossicle.trials.code`

The machine and the number of threads are not part of it: they change the last bits alone.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.processes import Processes
from ossicle.data import Dataset, Scanned, open_data
from ossicle.data.folds import read_all
from ossicle.data.spec import Source, find_data
from ossicle.frozen.cache import cache_folder
from ossicle.frozen.weights import loaded_digest
from ossicle.paths import HERE, find
from ossicle.progress import Progress, no_progress
from ossicle.recipes.recipe import Recipe
from ossicle.tasks import suggest_task, writes_text
from ossicle.training.config import TrainConfig
from ossicle.training.kept import adapter_digest
from ossicle.training.recordings import scan_together
from ossicle.trials.code import code_version, search_files
from ossicle.trials.runners import RUNNERS
from ossicle.trials.runners.runner import Runner
from ossicle.trials.trial import Trial

SEARCHING: Final = ("search", "bilevel")  # runners whose results depend on `ossicle.search`
_STAND_IN: Final = "tiny-hubert"  # for the sample rate, where no backbone decides the result


class Naming:
    """Names trials. Each data string, backbone and recipe is read once.

    Recordings are decoded for their hashes, which are remembered: see `ScanCache`.
    """

    def __init__(self, places: Sequence[Path] = HERE, progress: Progress = no_progress) -> None:
        """Read nothing yet.

        Args:
            places: Folders to search for relative paths of data and backbones.
            progress: Called with the number of recordings decoded.
        """
        self._places = places
        self._progress = progress
        self._data: dict[tuple[str, bool, int, int], _Data] = {}
        self._backbones: dict[tuple[str, bool], tuple[Backbone, str]] = {}
        self._recipes: dict[str, str] = {}

    def name(self, trial: Trial) -> str:
        """Return the name of a trial: 16 hexadecimal digits.

        Raises:
            OssicleError: the recipe, the data or the backbone cannot be used.
        """
        text = json.dumps(self.facts(trial), sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def facts(self, trial: Trial) -> dict[str, Any]:
        """Return everything that decides the result of a trial, as plain data.

        Raises:
            OssicleError: the recipe, the data or the backbone cannot be used.
        """
        config, runner = trial.config, RUNNERS[trial.runner]
        settings = {key: v for key, v in config.to_dict().items() if key not in runner.ignores}
        resolved: dict[str, Callable[[], str | None]] = {
            "backbone": lambda: self._backbone_of(config.backbone, writes_text(config.task))[1],
            "data": lambda: self._data_of(config, "backbone" in settings).fingerprint,
            "recipe": lambda: self._written_out(config.recipe),
            "task": lambda: config.task or self._data_of(config, "backbone" in settings).task,
            "parent": lambda: self._parent_of(trial),
        }
        return {
            "settings": settings | {key: of() for key, of in resolved.items() if key in settings},
            "runner": trial.runner,
            "of_runner": self._settings_of(trial),
            "code": code_version(*_code_of(runner)),
        }

    def _parent_of(self, trial: Trial) -> str | None:
        if trial.after is not None:
            return self.name(trial.after)
        parent = trial.config.parent
        return None if parent is None else adapter_digest(find(parent, self._places))

    def _settings_of(self, trial: Trial) -> dict[str, Any]:
        """Return the settings of the runner, with hashes of recordings in place of data strings."""
        if not RUNNERS[trial.runner].settings_are_data:
            return dict(trial.settings)
        configs = {
            name: replace(trial.config, data=str(data)) for name, data in trial.settings.items()
        }
        return {name: self._data_of(one, True).fingerprint for name, one in configs.items()}

    def _backbone_of(self, name: str, decoder: bool = False) -> tuple[Backbone, str]:
        """Return a backbone on the meta device, and the hash of its weights and settings."""
        key = (name, decoder)
        if key not in self._backbones:
            loaded = load_backbone(name, decoder=decoder, places=self._places)
            weights = loaded_digest(loaded, cache_folder())
            self._backbones[key] = (loaded.to("meta"), weights)
        return self._backbones[key]

    def _data_of(self, config: TrainConfig, has_backbone: bool) -> "_Data":
        data, has_fold = config.data, config.fold is not None
        backbone, _ = self._backbone_of(config.backbone if has_backbone else _STAND_IN)
        key = (data, has_fold, backbone.sample_rate, backbone.min_samples)
        if key not in self._data:
            # a fold is drawn from all recordings, whatever their split
            dataset = (read_all if has_fold else open_data)(data, self._places)
            processes = Processes(cpu=True)
            scanned = scan_together(dataset.utterances, backbone, processes, self._progress)
            sources = find_data(data, self._places).values()
            self._data[key] = _Data(
                fingerprint=fingerprint(dataset, scanned, list(sources)),
                task=suggest_task(dataset.label_name).name,
            )
        return self._data[key]

    def _written_out(self, recipe: str) -> str:
        if recipe not in self._recipes:
            self._recipes[recipe] = str(Recipe.parse(recipe))
        return self._recipes[recipe]


def _code_of(runner: Runner) -> list[Path]:
    """Return the modules that decide the results of a runner, besides those that all depend on."""
    own = Path(inspect.getfile(type(runner)))
    return [own, *search_files()] if runner.name in SEARCHING else [own]


@dataclass(frozen=True)
class _Data:
    fingerprint: str
    task: str


def fingerprint(dataset: Dataset, scanned: Mapping[str, Scanned], sources: Sequence[Source]) -> str:
    """Return a hash of recordings and their split, without the paths of files.

    Args:
        dataset: The recordings.
        scanned: Result of decoding each, by key.
        sources: Readers and options of the data string.
    """
    hashed = hashlib.blake2b(digest_size=16)
    read = [[reader, sorted(options.items())] for reader, _, options in sources]
    about = [read, dataset.label_name, dataset.speaker_independent]
    hashed.update(json.dumps([*about, dataset.given, dataset.validates_on_test]).encode())
    for side, part in dataset.sides.items():
        for one in part:
            row = [side, one.key, one.label, one.speaker, str(scanned[one.key].content)]
            hashed.update(json.dumps(row).encode())
    hashed.update(json.dumps(sorted(dataset.trials.items())).encode())
    return hashed.hexdigest()
