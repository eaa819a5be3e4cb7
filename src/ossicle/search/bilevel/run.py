"""A bilevel training and its run folder, from which an ordinary stage can continue.

The folder is that of a run that was not tested (`ossicle.training.run`), with the parameters after
the last epoch, and:

    RUN/bilevel.json    the chosen candidate of each layer, and the gates after each epoch

Test recordings are not read. A run that was killed resumes after its last finished epoch.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from ossicle.adapters.model import AdaptedModel
from ossicle.adapters.saving import save_tensors
from ossicle.backbones import Backbone, load_backbone
from ossicle.compute.device import pick_device, pick_threads, threads
from ossicle.compute.memory import PEAK
from ossicle.compute.precision import pick_precision
from ossicle.compute.processes import Processes
from ossicle.errors import RunError, SearchError
from ossicle.files import write_sealed
from ossicle.inference.single import SingleModel
from ossicle.paths import expand
from ossicle.progress import Progress, no_progress
from ossicle.search.bilevel.halves import Halves, halves
from ossicle.search.bilevel.relaxations import RELAXATIONS, Choices, Relaxation
from ossicle.search.bilevel.trainer import Trainer
from ossicle.settings import parse
from ossicle.training.checkpoint import read_checkpoint, write_checkpoint
from ossicle.training.config import TrainConfig
from ossicle.training.finish import untested_result
from ossicle.training.folder import (
    METRICS,
    Writer,
    check_new,
    check_same,
    places_of,
    read_json,
    threads_of,
)
from ossicle.training.loop import epochs
from ossicle.training.prepare import Prepared, prepare
from ossicle.training.result import RunResult, read_result, write_result
from ossicle.training.run import begin, write_log, written_out
from ossicle.training.state import State

SEARCH: Final = "bilevel.json"
PASSES: Final = {"second": 5, "first": 3, "plain": 2}  # gradients of a batch in an iteration
LAST: Final = "last"  # in `RunResult.chosen_by`: the epoch that is kept
_OPTIONS: Final = {name: one.options for name, one in RELAXATIONS.items()}
_LOGGER: Final = logging.getLogger(__name__)


def train_in_turn(
    config: TrainConfig,
    strategy: str,
    out: Path | str,
    *,
    resume: bool = False,
    load: Callable[..., Backbone] = load_backbone,
    progress: Progress = no_progress,
) -> RunResult:
    """Train the weights and the gates of a mixture in turn, and return the result without a test.

    Args:
        config: Settings of the run; the recipe is a mixture of the candidates of every layer.
        strategy: A differentiable strategy with its settings, such as `darts(order=first)`.
        out: The run folder; new, or empty, unless resuming.
        resume: Continue from the folder's checkpoint. A finished run returns its result.
        load: Loads the backbone: `load_backbone`, or `Kept.load`, which keeps it for the next run.
        progress: Called after every step.

    Raises:
        SearchError: the training recordings are too few, or a setting does not suit a search.
        OssicleError: other bad input, before anything is written.
        RunError: the folder is not empty, its run has other settings, or the training has diverged.
    """
    folder = expand(out)
    name, values = parse(strategy, "differentiable strategy", _OPTIONS)
    check_settings(config)
    config = replace(config, recipe=written_out(config.recipe))
    if resume:
        check_same(folder, config)
        _check_strategy(folder, strategy)
        if (folder / METRICS).is_file():
            return read_result(folder)
    else:
        check_new(folder)
    with Writer(folder) as writer:
        if folder.exists():
            writer.take()
        started = time.perf_counter()
        PEAK.start()
        places = places_of(folder)
        run = prepare(config, places=places, load=load, progress=progress, reads_test=False)
        search = Search.of(run, name, values, strategy)
        with threads(pick_threads(run.model, threads_of(folder))):
            begin(writer, config, run, resume=resume)
            write_sealed(folder / SEARCH, search.begun())
            return search.train(folder, started, progress)


def check_settings(config: TrainConfig) -> None:
    """Raise unless a search can have these settings.

    Raises:
        SearchError: it cannot.
    """
    reasons = {
        "--from": (config.parent is not None, "a search starts from no run"),
        "--compile": (config.compile, "gates are computed in another way in every step"),
        "--precision float16": (
            pick_precision(config.precision, pick_device(config.device)) == torch.float16,
            "gradients through a step of the weights cannot be scaled; use bfloat16",
        ),
    }
    for what, (given, why) in reasons.items():
        if given:
            raise SearchError(f"{what} does not suit a differentiable search: {why}. Leave it out")
    if Processes(cpu=pick_device(config.device) == "cpu").count > 1:
        raise SearchError(
            "a differentiable search trains in one process; start it without torchrun, or give "
            "each process a search of its own"
        )


def _check_strategy(folder: Path, strategy: str) -> None:
    saved = read_json(folder / SEARCH)["strategy"] if (folder / SEARCH).is_file() else strategy
    if saved != strategy:
        raise RunError(
            f"the search in '{folder}' has the strategy '{saved}', and not '{strategy}'; resume it "
            "with its own, or start a new one in another folder"
        )


@dataclass(frozen=True)
class Search:
    """A bilevel training that is ready to begin.

    Attributes:
        run: The run, without test recordings.
        strategy: The strategy with its settings.
        halves: The recordings that train the weights, and those that train the gates.
        relaxation: Computes the gates.
    """

    run: Prepared
    strategy: str
    halves: Halves
    relaxation: Relaxation

    @classmethod
    def of(cls, run: Prepared, name: str, values: Mapping[str, Any], strategy: str) -> "Search":
        """Split the training recordings, and replace the way in which gates are computed.

        Raises:
            SearchError: the recipe has no mixture, or the training recordings are too few.
        """
        relaxation = RELAXATIONS[name](choices_by_layer(run.model), values)
        parts = halves(run.clips["train"], run.task.classes_in, run.config.seed)
        run.model.current.gates.relaxation = relaxation
        return cls(run, strategy, parts, relaxation)

    def train(self, folder: Path, started: float, progress: Progress) -> RunResult:
        """Train from the checkpoint, if there is one, to the end, and write the result."""
        run = self.run
        single = SingleModel(run.model, run.frozen, run.config.precision)
        state = State.of(run.model, run.config)
        trainer = Trainer(
            single, run.task, self.halves, run.config, state, self.relaxation, progress
        )
        read_checkpoint(folder, run.model, state)
        if state.history:  # what went before counts, loading once more does not
            started = time.perf_counter() - state.seconds
        self._fit(trainer, state, folder, started, progress)
        save_tensors(run.model, folder)
        seconds = time.perf_counter() - started
        result = replace(untested_result(run, state, folder, seconds), chosen_by=LAST)
        for notice in run.choice.notices(state.best.valid):
            _LOGGER.warning(notice)
        write_sealed(folder / SEARCH, self.begun() | self._found(trainer, state))
        write_result(folder, result)
        return result

    def begun(self) -> dict[str, Any]:
        """Return what is known before the first step."""
        keys = [[one.key for one in half.utterances] for half in self.halves]
        return {
            "strategy": self.strategy,
            "halves": dict(zip(("weights", "gates"), keys, strict=True)),
        }

    def _fit(
        self, trainer: Trainer, state: State, folder: Path, started: float, progress: Progress
    ) -> None:
        """Train the remaining epochs, and save after each of them what resuming needs."""
        run = self.run
        trainer.end_epoch()
        for epoch in epochs(
            run.model,
            run.task,
            self.halves[0],
            run.clips["valid"],
            run.config,
            state,
            frozen=run.frozen,
            valid_task=run.judge("valid"),
            processes=run.processes,
            progress=progress,
            train_one=trainer.train_epoch,
        ):
            # the last epoch is kept: the gates are not chosen by the validation recordings
            state.history[-1] = replace(epoch, is_best=True, gates=trainer.strengths())
            write_log(folder, state.history)
            state.seconds = time.perf_counter() - started
            write_checkpoint(folder, run.model, state)

    def _found(self, trainer: Trainer, state: State) -> dict[str, Any]:
        """Return the choice, and how the gates came to it."""
        names = {str(layer): one.names for layer, one in self.relaxation.layers.items()}
        chosen = self.relaxation.chosen(trainer.logits)
        iterations = sum(trainer.epoch_steps(epoch.number) for epoch in state.history)
        every = next(iter(names.values()))  # the candidates of a search are in all layers
        return {
            "choice": {str(layer): names[str(layer)][at] for layer, at in chosen.items()},
            "candidates": list(every),
            "gates": [epoch.gates for epoch in state.history],
            "steps": 2 * iterations,
            "passes": PASSES[trainer.order] * iterations,
        }


def choices_by_layer(model: AdaptedModel) -> dict[int, Choices]:
    """Return the candidates of each layer of a mixture, with the parameters that they train.

    Raises:
        SearchError: the recipe has no mixture, or more than one, or layers differ in candidates.
    """
    candidates, layers = model.current.gates.candidates, model.backbone.anatomy.num_layers
    if len({mixture for mixture, _ in candidates}) != 1:
        raise SearchError(
            f"a differentiable search trains a recipe with one mixture, and '{model.recipe.label}' "
            "has none or several; give every candidate the same gate, such as "
            "'skip(gate=layers) + lora(gate=layers)'"
        )
    if len({tuple(one) for one in candidates.values()}) > 1 or len(candidates) < layers:
        raise SearchError(
            f"'{model.recipe.label}' has other candidates in some layers than in others; leave "
            "the layers in brackets out"
        )
    sizes = {key: one.numel() for key, one in model.trainable().items()}

    def count(layer: int, numbers: Sequence[int]) -> int:
        starts = tuple(f"{number}/{layer}/" for number in numbers)
        return sum(size for key, size in sizes.items() if key.startswith(starts))

    return {
        layer: Choices(tuple(one), tuple(count(layer, numbers) for numbers in one.values()))
        for (_, layer), one in candidates.items()
    }
