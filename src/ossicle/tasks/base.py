"""The interface of a task: what labels and outputs mean, the loss, decoding and the metrics.

Labels are text (`Utterance.label`): a class, tags, numbers, a transcript. The task parses them. An
output is the head's output for one recording: (C,), or (T, C) for a task by frame, where T counts
its real frames, without padding.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ossicle.data import Dataset, Trial, Utterance
from ossicle.errors import LabelError, MergeError, RunError
from ossicle.head_form import OutputKind
from ossicle.heads import Head, Outputs
from ossicle.metrics.metric import Metric
from ossicle.settings import Setting
from ossicle.tasks.answer import Answer
from ossicle.tasks.averaging import mean_of_answers, stacked
from ossicle.writing import TokenTable


class Task(ABC):
    """Labels, loss, decoding and metrics of a task.

    Attributes:
        name: Its name in `--task` and in saved adapters.
        about: A description of one line.
        suggested_by: Names of labels (`Dataset.label_name`) that suggest the task where no task is
            given, such as the column `tags`.
        heads: Names of the heads that suit the task; the first is the default.
        by_frame: Whether an output has a row for each frame.
        has_times: Whether labels hold times, so that changing the speed of a recording makes them
            wrong.
        label_format: How a label is written.
        example: Two different labels.
        primary_metric: Key of the metric that chooses the best epoch.
        higher_is_better: Whether a higher primary metric is better, and 1 the best; otherwise it
            is an error, and 0 the best.
        reported: The metrics that are reported with an interval, by key.
        recording_score: The mean of `recording_scores`; None if only pairs have a score.
        settings: The settings of `--task`, by name.
        closed_set: Whether labels that are evaluated must be known from training. Only then is
            there a validation loss.
        cohort_size: Number of training recordings that scores are normalised by; 0 turns it off.
        min_steps: Fewest optimiser steps of a run with the default number of epochs.
        hub_task: What the hub calls it; None: nothing.
        num_outputs: Width of the head's output.
        needs_decoder: Whether it is for a backbone with a text decoder.
        graph_output: Name of the output in an exported graph, after `to_graph`.
        goes_on: Whether each window of a long recording starts where `next_start` says, instead of
            at even distances.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    suggested_by: ClassVar[tuple[str, ...]] = ()
    heads: ClassVar[tuple[str, ...]] = ("mean", "cls", "meanstd", "superb", "ast")
    by_frame: ClassVar[bool] = False
    has_times: ClassVar[bool] = False
    label_format: ClassVar[str]
    example: ClassVar[tuple[str, str]]
    higher_is_better: ClassVar[bool] = True
    primary_metric: ClassVar[str]
    reported: ClassVar[Mapping[str, Metric]]
    recording_score: ClassVar[Metric | None] = None
    settings: ClassVar[Mapping[str, Setting]] = {}
    closed_set: ClassVar[bool] = True
    cohort_size: ClassVar[int] = 0
    min_steps: ClassVar[int] = 0
    needs_decoder: ClassVar[bool] = False
    goes_on: ClassVar[bool] = False
    hub_task: ClassVar[str | None] = None
    graph_output: ClassVar[str] = "logits"
    num_outputs: int

    @classmethod
    @abstractmethod
    def from_dataset(cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any) -> Self:
        """Return the task for a dataset: its classes, units or ranges are those of training.

        Args:
            dataset: The recordings.
            frame_rate: Frames per second of the backbone.
            settings: Values by name; settings that are not given have their default.

        Raises:
            LabelError: labels cannot be parsed, there is nothing to learn, or a side cannot be
                evaluated.
        """

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> "tuple[type[Task], dict[str, Any]]":
        """Return the task that settings stand for, and those that it takes: here, the same."""
        return cls, dict(settings)

    def with_tokens(self, tokens: TokenTable | None) -> Self:  # noqa: ARG002 - most write no text
        """Return the task with the tokenizer of the backbone's text decoder, if it has one.

        Raises:
            RunError: a setting does not suit the tokenizer.
        """
        return self

    def configure(self, head: Head) -> None:  # noqa: B027 - most heads have no settings
        """Tell the head what it does for this task, beyond the number of its outputs."""

    @abstractmethod
    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the loss of a batch, a mean over its recordings."""

    @property
    @abstractmethod
    def output_names(self) -> tuple[str, ...]:
        """What each output stands for: a class, a tag, a unit, a dimension, ..."""

    @abstractmethod
    def names_in(self, label: str) -> Collection[str]:
        """Return the names of the outputs that a label needs, whether the task has them or not."""

    @abstractmethod
    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with other outputs, in an order that depends on their names alone.

        Args:
            names: Names of outputs of this task or of the parent.
            parent: A task of the same type; it defines what only it knows of an output.

        Raises:
            LabelError: there is nothing to learn with these outputs, or labels cannot have them.
        """

    @property
    @abstractmethod
    def answers(self) -> tuple[Answer, ...]:
        """The answers in an output; none if it is an embedding."""

    def output_kind(self) -> OutputKind:
        """Return what the outputs mean, in terms that other libraries share.

        Raises:
            MergeError: others have no such outputs.
        """
        raise MergeError(
            f"answers of the task {self.name} are {self.about}, and no class of transformers "
            "decodes outputs in that way"
        )

    @classmethod
    def has_confidence(cls) -> bool:
        """Return whether predictions have a confidence: choices for a whole recording have one."""
        return cls.confidence is not Task.confidence

    def confidence(self, decoded: Mapping[str, Any]) -> float | None:  # noqa: ARG002 - most have none
        """Return the probability that a label is right, as the model states it; None without."""
        return None

    def truth(self, labels: Sequence[str]) -> Float[np.ndarray, "B A"] | None:  # noqa: ARG002 - as above
        """Return the true value of each of A answers; None if there is none, as in tasks by frame.

        The option of a choice by its number, from 0; 1 or 0 for a presence; a number in the unit
        of the output.
        """
        return None

    def combine_members(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return one output from those of several models for the same recording.

        Here: the mean of each answer, as `ossicle.tasks.averaging` says.

        Raises:
            RunError: the outputs cannot be combined, because they differ in their frames.
        """
        return mean_of_answers(stacked(outputs), self.answers, by_frame=self.by_frame)

    def combine_windows(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return one output for a long recording from those of its windows.

        Here: windows are combined as members are. A task with an output for each frame has only
        one window, since its recordings are not cut.
        """
        if not self.by_frame:
            return self.combine_members(outputs)
        (whole,) = outputs
        return whole

    def placed(
        self,
        output: Tensor,
        start_s: float,  # noqa: ARG002 - most outputs need no place
        end_s: float,  # noqa: ARG002 - as above
        *,
        silent: bool = False,  # noqa: ARG002 - as above
    ) -> Tensor:
        """Return the output of a window with its place in the recording, in seconds.

        Args:
            output: The output.
            start_s: Start of the window.
            end_s: End of the window.
            silent: Whether the window is known to have no sound.
        """
        return output

    def next_start(self, output: Tensor) -> float:
        """Return where the window after this one starts, in seconds, of a task that `goes_on`."""
        raise NotImplementedError

    def with_times(self) -> Self:
        """Return the task with times in its answers.

        Raises:
            RunError: its answers have none.
        """
        raise RunError(
            f"answers of the task {self.name} have no times; use a run of the task seq2seq, or no "
            "--timestamps and no --format srt or vtt"
        )

    def to_graph(self, output: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Return what a program without ossicle needs of the outputs of a batch: here, all."""
        return output

    def from_graph(self, values: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Return outputs that are decoded as those were that `to_graph` was given."""
        return values

    @abstractmethod
    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the prediction as plain data: at least a `label`, in the format of labels.

        The metrics are computed from these, with the `key` of the utterance added to each.
        """

    @abstractmethod
    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return the metrics of a set of recordings, as plain data.

        All of `reported` by key, and the number of recordings as `count`. A confusion matrix under
        `confusion`, with its classes under `labels`, is printed as a table.
        """

    @abstractmethod
    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a fast function from row numbers to the reported metrics of those recordings.

        The bootstrap calls it a thousand times, with rows that repeat.
        """

    @classmethod
    def pooled_metrics(
        cls,
        labels: Sequence[str],  # noqa: ARG003 - not every task can be pooled
        predicted: Sequence[str],  # noqa: ARG003 - as above
        **settings: Any,  # noqa: ARG003 - as above
    ) -> dict[str, float] | None:
        """Return the reported metrics of recordings that were tested by several models.

        Over the folds of a cross-validation, each recording is tested once, by the model of its
        fold. Metrics of labels alone are computed from all of these recordings together.

        Args:
            labels: True label of each recording.
            predicted: Predicted label of each recording, the `label` of `decode`.
            settings: Settings of the task by name, as `parse_task` returns them.

        Returns:
            None if the metrics need more than labels, such as probabilities of tags or scores of
            pairs, which are not comparable between models. Metrics are then averaged over folds.
        """
        return None

    def score(self, metrics: Mapping[str, Any]) -> float:
        """Return the primary metric, with its sign changed where lower is better."""
        value: float = metrics[self.primary_metric]
        return value if self.higher_is_better else -value

    def chance(self, labels: Sequence[str]) -> float:  # noqa: ARG002 - most tasks have none
        """Return the score of the best answer to these labels that ignores the recordings.

        Epochs whose score is not above it are compared by loss. -inf: the score always decides.
        """
        return -math.inf

    def chance_notice(self, metrics: Mapping[str, Any], chance: float) -> str:
        """Return the notice for a run whose best epoch scores no better than `chance`."""
        metric = self.reported[self.primary_metric]
        reached = chance if self.higher_is_better else -chance
        return (
            f"The best epoch has a validation {metric.label} of "
            f"{metric.text(metrics[self.primary_metric])}, and an answer that ignores the "
            f"recordings reaches {metric.text(reached)}: {metric.label} shows no learning. The "
            "epoch with the lowest validation loss is kept"
        )

    def recording_scores(
        self,
        labels: Sequence[str],  # noqa: ARG002 - most tasks have a score
        decoded: Sequence[Mapping[str, Any]],  # noqa: ARG002 - as above
    ) -> list[float] | None:
        """Return a score for each recording, higher being better; None if only pairs have one.

        The paired test of two recipes compares these.
        """
        return None

    @classmethod
    def details(
        cls,
        metrics: Mapping[str, Any],  # noqa: ARG003 - most tasks have no more to show
    ) -> list[str]:
        """Return lines to print below the reported metrics, such as one for each dimension."""
        return []

    def with_trials(self, trials: Sequence[Trial]) -> Self:
        """Return the task with the trials that it is evaluated on.

        Raises:
            LabelError: there are trials, and the task is not evaluated on pairs of recordings.
        """
        if trials:
            raise LabelError(
                f"the task {self.name} is not evaluated on pairs of recordings; leave the list of "
                "trials out"
            )
        return self

    def check_prompt(self, prompt: str) -> None:  # noqa: ARG002 - most tasks have none
        """Raise RunError for a prompt that the task cannot be given.

        Raises:
            RunError: it writes no text, or the prompt is too long.
        """
        raise RunError(f"the task {self.name} writes no text, so it has no prompt; leave it out")

    def with_decoder(self, decoder: str) -> Self:
        """Return the task with another decoder, for example `beam(size=50)`.

        Raises:
            RunError: the task has no choice of decoders, or the decoder cannot be built.
        """
        raise RunError(f"the task {self.name} has no choice of decoders; leave '{decoder}' out")

    def compare_with_first(
        self,
        first: Mapping[str, Any],  # noqa: ARG002 - most tasks do not compare recordings
        other: Mapping[str, Any],  # noqa: ARG002 - as above
    ) -> dict[str, Any]:
        """Return what to add to a prediction from comparing it with that of the first file."""
        return {}

    def with_cohort(
        self,
        embeddings: NDArray[np.float64],  # noqa: ARG002 - only verification normalises
    ) -> Self:
        """Return the task with the embeddings (K, E) by which scores are normalised."""
        return self

    def without_cohort(self) -> Self:
        """Return the task without the embeddings of `with_cohort`, which are those of one model."""
        return self

    def notices(
        self,
        side: str,  # noqa: ARG002 - most tasks have no notices
        labels: Sequence[str],  # noqa: ARG002 - as above
    ) -> tuple[str, ...]:
        """Return notices about the labels of a side that is evaluated."""
        return ()

    @classmethod
    def classes_in(cls, label: str) -> Sequence[str]:  # noqa: ARG003 - most labels name none
        """Return the classes that a label names, so that those with few recordings are reported."""
        return ()

    @abstractmethod
    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError for the first label that the task cannot be trained or evaluated on."""

    def check_training(
        self,
        utterances: Sequence[Utterance],  # noqa: ARG002 - only texts can be too long
    ) -> None:
        """Raise LabelError for training recordings with labels that the loss cannot take."""
        return

    def check_lengths(
        self,
        utterances: Sequence[Utterance],  # noqa: ARG002 - most labels state no times
        seconds: Sequence[float],  # noqa: ARG002 - as above
    ) -> None:
        """Raise LabelError for labels with times beyond the end of their recordings."""
        return

    def frames_needed(self, label: str) -> int:  # noqa: ARG002 - only tasks by frame need some
        """Return the number of frames that the label needs at least."""
        return 1

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return plain data to save with an adapter: all that decoding and the loss depend on."""

    @classmethod
    @abstractmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the task that `to_dict` described.

        Raises:
            AdapterFileError: an entry is missing, or has a wrong type.
        """


def check_count(task: str, names: Collection[str], fewest: int = 2) -> None:
    """Raise LabelError unless there are enough outputs to learn something."""
    if len(names) < fewest:
        raise LabelError(
            f"the task {task} needs at least {fewest} outputs, and the head would have "
            f"{len(names)}: {', '.join(sorted(names)) or 'none'}. Use data with more labels that "
            "both stages have, or rename labels with --map-labels"
        )
