"""From a recording to a decoded answer, for a single model or several.

    recording -> wave -> windows -> outputs of every member -> combine_windows, member by member
                                                            -> one member: Task.decode
                                                               several:    Vote.decide

The windows of a recording pass one by one, so that its length does not decide the memory needed.
Members on different backbones form groups, which share nothing: each reads the recording at its own
sample rate, in windows of its own length.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from torch import Tensor

from ossicle.backbones import Backbone
from ossicle.compute.processes import Processes
from ossicle.data import Utterance, load_utterance, windows
from ossicle.data.audio import shortage_ms
from ossicle.errors import AudioError, DataError, listing
from ossicle.frozen.part import NO_TEXT, BatchRow, FrozenPart, text_of
from ossicle.heads import Outputs
from ossicle.tasks import Task
from ossicle.votes import Decision, Soft, Vote, at_temperature
from ossicle.writing import Text

Recording = Path | str | Utterance
SILENCE: Final = 1e-3  # highest sample of a window without sound: -60 dB of full scale


@runtime_checkable
class Model(Protocol):
    """A source of outputs: `SingleModel`, `Ensemble` or your own class."""

    @property
    def backbone(self) -> Backbone:
        """The backbone, which defines the sample rate and the model input."""

    @property
    def frozen(self) -> FrozenPart | None:
        """The frozen part with its cache; None: nothing is cached."""

    @property
    def num_members(self) -> int:
        """The number of models in it."""

    def outputs(self, rows: Sequence[BatchRow]) -> list[Outputs]:
        """Return the outputs for a batch, of every member; a single model has one member."""


@dataclass(frozen=True)
class Group:
    """Members that share a backbone, and read a recording together.

    Attributes:
        model: The source of their outputs.
        limit: Longest window, in samples.
        places: Place of each member in the order of all members, in the order of its outputs.
    """

    model: Model
    limit: int
    places: tuple[int, ...] = (0,)

    @property
    def backbone(self) -> Backbone:
        """The backbone of the members."""
        return self.model.backbone


@dataclass(frozen=True)
class Predictor:
    """Decoded answers for recordings of any length.

    Attributes:
        groups: The members, by backbone.
        task: Combines and decodes their outputs.
        vote: How several members decide. None: by the mean of their outputs.
        temperature: What the logits that several members decide on are divided by; None: nothing.
    """

    groups: tuple[Group, ...]
    task: Task
    vote: Vote | None = None
    temperature: float | None = None

    def predict(
        self, recordings: Iterable[Recording], processes: Processes | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the answer for each recording, with its `file`, or an `error` in place of it.

        In speaker verification each recording is also scored against the first one. Of several
        processes, each takes every n-th recording, and all yield the same answers.
        """
        device = next(self.groups[0].backbone.parameters()).device
        processes = processes or Processes(cpu=device.type == "cpu")
        first: dict[str, Any] | None = None
        every = list(recordings)
        for start in range(0, len(every), processes.count):
            own = processes.own(every[start : start + processes.count])
            for found in processes.interleave([self.predict_one(one) for one in own]):
                if "error" not in found:
                    first = first or found
                    found |= self.task.compare_with_first(first, found)
                yield found

    def predict_one(self, recording: Recording) -> dict[str, Any]:
        """Return the answer for a recording, with its `file`, or an `error` in place of it."""
        utterance = as_utterance(recording)
        about: dict[str, Any] = {"file": str(utterance.path)}
        if utterance.start_s or utterance.duration_s is not None:
            about |= {"start_s": utterance.start_s, "duration_s": utterance.duration_s}
        try:
            waves = [read_wave(utterance, group.backbone) for group in self.groups]
            for group, wave in zip(self.groups, waves, strict=True):
                rate = group.backbone.sample_rate
                check_whole(self.task, {str(utterance.path): len(wave)}, group.limit, rate)
            return about | self.predict_waves(waves, text_of(utterance))
        except DataError as error:
            return about | {"error": str(error)}

    def predict_waves(
        self, waves: Sequence[Float[np.ndarray, " N"]], text: Text = NO_TEXT
    ) -> dict[str, Any]:
        """Return the decoded answer for a recording, given its wave for each group.

        Args:
            waves: The recording at the sample rate of each group's backbone.
            text: Its prompt, for a task that writes text.
        """
        of_groups = [
            outputs_of_wave(group.model, group.limit, self.task, wave, text)
            for group, wave in zip(self.groups, waves, strict=True)
        ]
        outputs = in_order(self.groups, of_groups)
        return decide(self.task, outputs, self.vote, self.temperature).decoded


def outputs_of_wave(
    model: Model, limit: int, task: Task, wave: Float[np.ndarray, " N"], text: Text
) -> list[Tensor]:
    """Return the output of every member for a recording, windows combined.

    Args:
        model: The source of outputs.
        limit: Longest window, in samples.
        task: Combines the windows; it may say where the next one starts.
        wave: The recording at the sample rate of the backbone.
        text: Its prompt, for a task that writes text.

    Raises:
        DataError: windows would have to follow the texts of several members at once.
    """
    return outputs_of_members(model, limit, [task] * model.num_members, wave, text)


def outputs_of_members(
    model: Model,
    limit: int,
    tasks: Sequence[Task],
    wave: Float[np.ndarray, " N"],
    text: Text,
) -> list[Tensor]:
    """Return the output of every member for a recording, windows combined by the member's task.

    Args:
        model: The source of outputs.
        limit: Longest window, in samples.
        tasks: The task of each member.
        wave: The recording at the sample rate of the backbone.
        text: Its prompt, for a task that writes text.

    Raises:
        DataError: windows would have to follow the texts of several members at once.
    """
    rate = model.backbone.sample_rate
    goes_on = len(wave) > limit and any(task.goes_on for task in tasks)
    if goes_on and len(tasks) > 1:
        name = next(task.name for task in tasks if task.goes_on)
        raise DataError(
            f"the recording is longer than the window of {limit / rate:g} s, and each member of an "
            f"ensemble with the task {name} would continue at another time; use one of its "
            "members, or cut the recording"
        )

    def read(start: int, stop: int) -> list[Tensor]:
        silent = float(np.abs(wave[start:stop]).max()) < SILENCE
        about = replace(text, seconds=(stop - start) / rate, times=text.times or goes_on)
        row = BatchRow.of(model.backbone.row(wave[start:stop]), text=about)
        rows = (one.cpu().rows()[0] for one in model.outputs([row]))
        return [
            task.placed(one, start / rate, stop / rate, silent=silent)
            for task, one in zip(tasks, rows, strict=True)
        ]

    if goes_on:
        (task,) = tasks
        return [task.combine_windows(list(_one_by_one(model, limit, task, len(wave), read)))]
    by_window = [read(start, stop) for start, stop in windows(len(wave), limit)]
    of_members = zip(*by_window, strict=True)
    return [task.combine_windows(one) for task, one in zip(tasks, of_members, strict=True)]


def _one_by_one(
    model: Model, limit: int, task: Task, size: int, read: Callable[[int, int], list[Tensor]]
) -> Iterator[Tensor]:
    """Yield the outputs of windows, each of which starts where the one before it has ended."""
    start, backbone = 0, model.backbone
    while size - start >= backbone.min_samples:
        (output,) = read(start, min(start + limit, size))
        yield output
        start = max(start + 1, round(task.next_start(output) * backbone.sample_rate))


def in_order(groups: Sequence[Group], outputs: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the outputs of all members for a recording, in the order of the members.

    Args:
        groups: The groups.
        outputs: For each group, the output of every member of it.
    """
    by_place = {
        place: output
        for group, of_group in zip(groups, outputs, strict=True)
        for place, output in zip(group.places, of_group, strict=True)
    }
    return [by_place[place] for place in sorted(by_place)]


def decide(
    task: Task,
    outputs: Sequence[Tensor],
    vote: Vote | None = None,
    temperature: float | None = None,
) -> Decision:
    """Return the decision on a recording.

    Args:
        task: Decodes the outputs.
        outputs: The output of every member, windows combined.
        vote: How several members decide. None: by the mean of their outputs.
        temperature: What the logits that several members decide on are divided by; None: nothing.
    """
    if len(outputs) == 1:
        return Decision(task.decode(outputs[0]), outputs[0])
    decision = (vote or Soft()).decide(task, outputs)
    if temperature is None or decision.output is None:
        return decision
    output = at_temperature(task, decision.output, temperature)
    return Decision(task.decode(output), output)


def as_utterance(recording: Recording) -> Utterance:
    """Return a file as an utterance without a label; an utterance as it is."""
    if isinstance(recording, Utterance):
        return recording
    return Utterance(str(recording), Path(recording), "")


def read_wave(utterance: Utterance, backbone: Backbone) -> Float[np.ndarray, " N"]:
    """Return the wave of a recording at the backbone's sample rate.

    Raises:
        DataError: it cannot be read.
        AudioError: it is too short for the backbone.
    """
    rate, shortest = backbone.sample_rate, backbone.min_samples
    wave = load_utterance(utterance, rate)
    if len(wave) < shortest:
        long, needed = shortage_ms(len(wave), shortest, rate)
        raise AudioError(f"{utterance.path} is {long} ms long, but the backbone needs {needed} ms.")
    return wave


def longest_piece(backbone: Backbone, max_seconds: float) -> int:
    """Return the longest piece of a recording in samples: the setting, or the backbone's limit."""
    wanted = max(int(max_seconds * backbone.sample_rate), backbone.min_samples)
    return wanted if backbone.max_samples is None else min(wanted, backbone.max_samples)


def check_whole(task: Task, size_by_key: Mapping[str, int], limit: int, sample_rate: int) -> None:
    """Raise if a task with an output for each frame would have to combine windows.

    Args:
        task: The task.
        size_by_key: Samples of each recording.
        limit: Longest window, in samples.
        sample_rate: Samples per second.

    Raises:
        DataError: some recordings are longer than the longest window.
    """
    longer = [key for key, size in size_by_key.items() if size > limit]
    if task.by_frame and longer and not task.goes_on:
        longest = max(size_by_key.values()) / sample_rate
        raise DataError(
            f"{len(longer)} recordings are longer than the window of {limit / sample_rate:g} s "
            f"({listing(longer, 3)}), and the task {task.name} cannot combine windows. "
            f"Use --max-seconds {math.ceil(longest)}, or cut them"
        )
