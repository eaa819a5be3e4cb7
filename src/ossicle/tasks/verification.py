"""Speaker verification: whether two recordings are of one speaker. Cosines; EER and minDCF.

The model is trained to classify the training speakers, with one of the losses of
`ossicle.tasks.margin`, and evaluated on pairs of recordings of other speakers: a list of
trials, or else all pairs. The score of a pair is the cosine of its embeddings. It is also reported
after s-norm and AS-norm, with training recordings as the cohort.
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from msgspec import Struct
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset, Trial
from ossicle.errors import AdapterFileError, LabelError, RunError, listing
from ossicle.head_form import OutputKind
from ossicle.heads import Outputs
from ossicle.metrics.metric import Metric
from ossicle.metrics.verification import (
    Trials,
    cohort_normalised,
    trial_cosines,
    unit,
)
from ossicle.settings import Setting, check_known
from ossicle.tasks.answer import Answer
from ossicle.tasks.averaging import stacked
from ossicle.tasks.base import Task, check_count
from ossicle.tasks.margin import MARGIN_LOSSES, margin_logits
from ossicle.tasks.pairs import Pairs, all_pairs, check_pairs, check_trials, listed_pairs
from ossicle.tasks.saved import Names, read_saved

FROM_LOSS: Final = -1.0  # a scale or margin that is not given is the published one of the loss
DET_POINTS: Final = 200


class SavedVerification(Struct):
    """Entries of a saved verification."""

    speakers: Names
    loss: str
    scale: float
    margin: float


@final
class Verification(Task):
    """Whether two recordings are of one speaker.

    Attributes:
        speakers: The training speakers, in the order of the outputs.
        loss_name: One of `MARGIN_LOSSES`.
        scale: Factor of the cosines.
        margin: Margin of the speaker's own cosine or angle.
        trials: The pairs that are evaluated; empty for all pairs.
        cohort: (K, E) embeddings of training recordings, at length 1; None: no normalised scores.
    """

    name: ClassVar[str] = "verification"
    suggested_by: ClassVar[tuple[str, ...]] = ("trials",)
    about: ClassVar[str] = "whether two recordings are of the same speaker"
    heads: ClassVar[tuple[str, ...]] = ("speaker-mean", "speaker-meanstd", "speaker-attentive")
    label_format: ClassVar[str] = "the speaker"
    example: ClassVar[tuple[str, str]] = ("anna", "ben")
    higher_is_better: ClassVar[bool] = False
    graph_output: ClassVar[str] = "embedding"
    primary_metric: ClassVar[str] = "eer"
    reported: ClassVar[Mapping[str, Metric]] = {
        "eer": Metric("EER"),
        "min_dcf_01": Metric("minDCF 0.01", percent=False),
        "min_dcf_05": Metric("minDCF 0.05", percent=False),
    }
    closed_set: ClassVar[bool] = False
    cohort_size: ClassVar[int] = 10_000
    settings: ClassVar[Mapping[str, Setting]] = {
        "loss": Setting("loss over the training speakers", "aam-softmax", tuple(MARGIN_LOSSES)),
        "scale": Setting(
            "factor of the cosines; -1: as published, 30 for am-softmax and 15 for aam-softmax",
            FROM_LOSS,
        ),
        "margin": Setting(
            "margin; -1: as published, 0.4 for am-softmax and 0.3 for aam-softmax", FROM_LOSS
        ),
    }

    def __init__(
        self,
        speakers: Sequence[str],
        loss: str = "aam-softmax",
        scale: float = FROM_LOSS,
        margin: float = FROM_LOSS,
    ) -> None:
        self.speakers = tuple(speakers)
        self.num_outputs = len(self.speakers)
        self.loss_name = loss
        published = MARGIN_LOSSES[loss]
        self.scale = published[0] if scale == FROM_LOSS else scale
        self.margin = published[1] if margin == FROM_LOSS else margin
        if self.scale <= 0 or not 0 <= self.margin < math.pi / 2:
            raise RunError(
                f"verification(scale={self.scale:g},margin={self.margin:g}) cannot be trained; use "
                "a positive scale and a margin from 0 to 1.5"
            )
        self.trials: tuple[Trial, ...] = ()
        self.cohort: NDArray[np.float64] | None = None
        self._number_by_speaker = {one: number for number, one in enumerate(self.speakers)}

    @classmethod
    def from_dataset(
        cls, dataset: Dataset, frame_rate: float = 50.0, **settings: Any
    ) -> "Verification":
        """Return the task of classifying the training speakers; the other sides need pairs."""
        del frame_rate
        speakers = dataset.labels
        if len(speakers) < 2:
            raise LabelError(
                f"{dataset.name}: the training recordings have one speaker, {listing(speakers)}. "
                "Use at least two; the label of a recording must be its speaker"
            )
        for side, part in (("valid", dataset.valid), ("test", dataset.test)):
            if trials := dataset.trials.get(side, ()):
                check_trials(dataset.name, trials, part)
            else:
                check_pairs(dataset.name, side, part)
        return cls(speakers, **settings)

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy over the training speakers."""
        output = outputs.values  # (B, E + 2 C)
        if strange := [label for label in labels if label not in self._number_by_speaker]:
            raise LabelError(
                f"the speaker '{strange[0]}' has no training recordings, so the loss is undefined"
            )
        numbers = torch.tensor([self._number_by_speaker[label] for label in labels])
        numbers = numbers.to(output.device)
        products, cosines = output[:, -2 * self.num_outputs :].chunk(2, dim=1)  # (B, C) each
        logits = margin_logits(
            products, cosines, numbers, loss=self.loss_name, scale=self.scale, margin=self.margin
        )
        return F.cross_entropy(logits, numbers)

    def combine_windows(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the mean of the windows' embeddings, which are not normalised before."""
        return torch.stack(list(outputs)).mean(dim=0)

    @property
    def output_names(self) -> tuple[str, ...]:
        """The training speakers."""
        return self.speakers

    def names_in(self, label: str) -> Collection[str]:
        """Return the label: it is a speaker."""
        return (label,)

    def with_outputs(self, names: Collection[str], parent: Self) -> Self:
        """Return the task with these training speakers, without trials and cohort."""
        del parent
        check_count(self.name, names)
        return type(self)(sorted(names), self.loss_name, self.scale, self.margin)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """None: the output is an embedding."""
        return ()

    def combine_members(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the members' embeddings at length 1, one after the other.

        Embeddings of different models are not in one space, so a mean of them means nothing. The
        cosine of two such concatenations is the mean of the M members' cosines:

            cos([u_1 .. u_M], [v_1 .. v_M]) = (sum_m u_m . v_m) / (sqrt(M) sqrt(M))

        with |u_m| = |v_m| = 1.

        The order of the members must be the same for all recordings; scores do not depend on it.
        Products and cosines with the speakers of training are averaged.
        """
        end = 2 * self.num_outputs
        embeddings = [F.normalize(output[:-end], dim=0) for output in outputs]
        return torch.cat([*embeddings, stacked([output[-end:] for output in outputs]).mean(dim=0)])

    def output_kind(self) -> OutputKind:
        """Return the training speakers of an embedding."""
        return OutputKind("embedding", self.speakers)

    def to_graph(self, output: Float[Tensor, "B O"]) -> Float[Tensor, "B E"]:
        """Return the embeddings, without the scores of the training speakers."""
        return output[:, : -2 * self.num_outputs]

    def from_graph(self, values: Float[Tensor, "B E"]) -> Float[Tensor, "B O"]:
        """Return the embeddings with zeros for the scores, which are not decoded."""
        return F.pad(values, (0, 2 * self.num_outputs))

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the `embedding`; a single recording has no label."""
        return {"label": "-", "embedding": output[: -2 * self.num_outputs].tolist()}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return eer, min_dcf_01, min_dcf_05, the DET curve, and the same after each norm.

        Pairs with a cosine from `eer_threshold` on are said to be of one speaker; see
        `ErrorCurve.eer_threshold`.
        """
        first, second, same = self._pairs(labels, decoded)
        scores = self._scores(decoded, first, second)
        found: dict[str, Any] = {}
        for norm, of_norm in scores.items():
            if of_norm is None:
                found |= {norm: None, "norm_missing": "the scores of the cohort are all alike"}
                continue
            curve = Trials(of_norm, same).curve()
            assert curve is not None  # `from_dataset` and `check_labels` ensure both kinds
            metrics = curve.metrics
            found |= metrics if norm == "cosine" else {norm: metrics}
            if norm == "cosine":
                found["det"] = curve.points(DET_POINTS)
                found["eer_threshold"] = curve.eer_threshold
        counts = {"count": len(labels), "trials": len(same), "targets": int(same.sum())}
        return {**found, **counts}

    @classmethod
    def details(cls, metrics: Mapping[str, Any]) -> list[str]:
        """Return the number of trials, and the EER after each normalisation of scores."""
        lines = [f"{metrics['trials']:,} trials, {metrics['targets']:,} of one speaker"]
        for key, label in (("s_norm", "s-norm"), ("as_norm", "AS-norm")):
            if metrics.get(key):
                lines.append(f"after {label}: EER {cls.reported['eer'].text(metrics[key]['eer'])}")
            elif key in metrics:
                lines.append(f"after {label}: not available: {metrics['norm_missing']}")
        return lines

    def metrics_by_rows(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> Callable[[NDArray[np.intp]], Mapping[str, float]]:
        """Return a function from row numbers to the metrics of the trials among these rows.

        Trials of a recording that is drawn twice count twice; it makes none with itself. Metrics
        are NaN if a draw has no trials of one speaker, or none of two.
        """
        first, second, same = self._pairs(labels, decoded)
        cosine = self._scores(decoded, first, second)["cosine"]
        assert cosine is not None
        trials = Trials(cosine, same)

        def of(rows: NDArray[np.intp]) -> Mapping[str, float]:
            counts = np.bincount(rows, minlength=len(labels)).astype(float)
            curve = trials.curve(counts[first] * counts[second])
            return dict.fromkeys(self.reported, math.nan) if curve is None else curve.metrics

        return of

    def with_trials(self, trials: Sequence[Trial]) -> Self:
        """Return the task with a list of trials; empty for all pairs."""
        made = copy(self)
        made.trials = tuple(trials)
        return made

    def compare_with_first(
        self, first: Mapping[str, Any], other: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the cosine with the first file, as `score`."""
        pair = np.array([first["embedding"], other["embedding"]])
        return {"score": float(trial_cosines(pair, np.array([0]), np.array([1]))[0])}

    def with_cohort(self, embeddings: NDArray[np.float64]) -> Self:
        """Return the task with scores after s-norm and AS-norm as well."""
        made = copy(self)
        made.cohort = unit(embeddings)
        return made

    def without_cohort(self) -> Self:
        """Return the task as it is saved."""
        return type(self).from_dict(self.to_dict())

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError unless there are two speakers, and one of them twice."""
        counts = Counter(labels)
        if not self.trials and (len(counts) < 2 or max(counts.values()) < 2):
            raise LabelError(
                f"{len(labels)} recordings of {len(counts)} speakers have no pairs of one speaker "
                "and of two. Use at least two speakers with two recordings each"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, the training speakers and the loss."""
        return {
            "name": self.name,
            "speakers": list(self.speakers),
            "loss": self.loss_name,
            "scale": self.scale,
            "margin": self.margin,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Verification":
        """Return the task that `to_dict` described."""
        saved = read_saved(data, SavedVerification)
        check_known("loss", saved.loss, MARGIN_LOSSES, AdapterFileError)
        return cls(saved.speakers, saved.loss, saved.scale, saved.margin)

    def _pairs(self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]) -> Pairs:
        """Return the rows of both sides of every trial, and whether it is one speaker."""
        keys = [one.get("key", str(row)) for row, one in enumerate(decoded)]
        if self.trials:
            return listed_pairs(self.trials, keys)
        return all_pairs(labels, keys)

    def _scores(
        self,
        decoded: Sequence[Mapping[str, Any]],
        first: NDArray[np.intp],
        second: NDArray[np.intp],
    ) -> dict[str, NDArray[np.float64] | None]:
        """Return the score of every trial, by norm; None where a norm does not exist."""
        embeddings = np.array([one["embedding"] for one in decoded])
        if not np.isfinite(embeddings).all():
            raise RunError(
                "some embeddings are NaN or infinite: the training has diverged. Start a new run "
                "with a lower --lr"
            )
        cosine = trial_cosines(embeddings, first, second)
        scores: dict[str, NDArray[np.float64] | None] = {"cosine": cosine}
        if self.cohort is not None:
            if self.cohort.shape[1] != embeddings.shape[1]:
                raise AdapterFileError(
                    f"the embeddings of the cohort have width {self.cohort.shape[1]} and those of "
                    f"the adapter {embeddings.shape[1]}; the cohort belongs to another run"
                )
            scores |= cohort_normalised(cosine, (first, second), embeddings, self.cohort)
        return scores
