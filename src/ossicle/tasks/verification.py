"""Speaker verification: is it one speaker in two recordings? Cosine of embeddings; EER, minDCF.

Trained to tell the speakers of training apart; judged on pairs of recordings of other speakers, by
a list of trials where the corpus has one, by all pairs elsewhere.

    softmax       cross-entropy of  W e                                        paper B's code
    am-softmax    of  s (cos(W, e) - m [own speaker])           s = 30, m = 0.4    SUPERB
    aam-softmax   of  s cos(angle(W, e) + m [own speaker])      s = 15, m = 0.3    its option

Cosines are also given after s-norm and AS-norm, with recordings of training as the cohort.

Sources: Wang et al. 2018, https://arxiv.org/abs/1801.05599; Deng et al. 2019,
https://arxiv.org/abs/1801.07698, whose margin past the half turn is a line, as there.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, ClassVar, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ossicle.data import Dataset, Trial, Utterance
from ossicle.errors import AdapterFileError, LabelError, RunError, listing
from ossicle.heads import Outputs
from ossicle.metrics.metric import Metric
from ossicle.metrics.verification import (
    ErrorCurve,
    Trials,
    cosines,
    normalised,
    trial_cosines,
    unit,
)
from ossicle.settings import Setting
from ossicle.tasks.averaging import stacked
from ossicle.tasks.base import Task, are_texts, is_number

PUBLISHED: Final = {"softmax": (1.0, 0.0), "am-softmax": (30.0, 0.4), "aam-softmax": (15.0, 0.3)}
PUBLISHED_OF_LOSS: Final = -1.0  # a scale or margin that is not given is the loss's own
MOST_PAIRS: Final = 1_000_000  # of all pairs, where there is no list; drawn if there are more
NEAREST: Final = 200  # of the cohort, for AS-norm
DET_POINTS: Final = 200


@final
class Verification(Task):
    """Whether two recordings are of one speaker.

    Attributes:
        speakers: Those of training, in the order of the outputs.
        loss_name: One of `PUBLISHED`.
        scale: On the cosines.
        margin: By which the own speaker has to win.
        trials: The pairs that are judged; empty: all.
        cohort: (K, E) embeddings of training, at length 1; None: scores are cosines alone.
    """

    name: ClassVar[str] = "verification"
    suggested_by: ClassVar[tuple[str, ...]] = ("trials",)
    about: ClassVar[str] = "whether two recordings are of one speaker"
    heads: ClassVar[tuple[str, ...]] = ("speaker-mean", "speaker-meanstd", "speaker-attentive")
    example: ClassVar[tuple[str, str]] = ("anna", "ben")
    higher_is_better: ClassVar[bool] = False
    primary_metric: ClassVar[str] = "eer"
    reported: ClassVar[Mapping[str, Metric]] = {
        "eer": Metric("EER"),
        "min_dcf_01": Metric("minDCF 0.01", percent=False),
        "min_dcf_05": Metric("minDCF 0.05", percent=False),
    }
    closed_set: ClassVar[bool] = False
    cohort_size: ClassVar[int] = 10_000
    settings: ClassVar[Mapping[str, Setting]] = {
        "loss": Setting("over the speakers of training", "aam-softmax", tuple(PUBLISHED)),
        "scale": Setting("s on the cosines; 30 and 15 as published for the two", PUBLISHED_OF_LOSS),
        "margin": Setting("m; 0.4 and 0.3 as published for the two", PUBLISHED_OF_LOSS),
    }

    def __init__(
        self,
        speakers: Sequence[str],
        loss: str = "aam-softmax",
        scale: float = PUBLISHED_OF_LOSS,
        margin: float = PUBLISHED_OF_LOSS,
    ) -> None:
        self.speakers = tuple(speakers)
        self.num_outputs = len(self.speakers)
        self.loss_name = loss
        published = PUBLISHED[loss]
        self.scale = published[0] if scale == PUBLISHED_OF_LOSS else scale
        self.margin = published[1] if margin == PUBLISHED_OF_LOSS else margin
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
        """Return the task of the speakers of training; the other sides need pairs."""
        del frame_rate
        speakers = dataset.labels
        if len(speakers) < 2:
            raise LabelError(
                f"{dataset.name}: training has the speaker {listing(speakers)} alone. Give two at "
                "least; the label of a recording is its speaker"
            )
        for side, part in (("valid", dataset.valid), ("test", dataset.test)):
            if trials := dataset.trials.get(side, ()):
                _check_trials(dataset.name, trials, part)
            else:
                _check_pairs(dataset.name, side, part)
        return cls(speakers, **settings)

    def loss(self, outputs: Outputs, labels: Sequence[str]) -> Float[Tensor, ""]:
        """Return the mean cross-entropy over the speakers of training."""
        output = outputs.values  # (B, E + 2 C)
        if strange := [label for label in labels if label not in self._number_by_speaker]:
            raise LabelError(
                f"the speaker '{strange[0]}' is none of training, so that no loss can be told"
            )
        numbers = torch.tensor([self._number_by_speaker[label] for label in labels])
        numbers = numbers.to(output.device)
        return F.cross_entropy(self._logits(output, numbers), numbers)

    def _logits(self, output: Tensor, numbers: Tensor) -> Tensor:
        products, cosine = output[:, -2 * self.num_outputs :].chunk(2, dim=1)  # (B, C) each
        if self.loss_name == "softmax":
            return products * self.scale
        own = F.one_hot(numbers, self.num_outputs).bool()
        if self.loss_name == "am-softmax":
            return self.scale * torch.where(own, cosine - self.margin, cosine)
        sine = (1 - cosine.square()).clamp(min=1e-9).sqrt()
        turned = cosine * math.cos(self.margin) - sine * math.sin(self.margin)
        line = cosine - math.sin(math.pi - self.margin) * self.margin  # past the half turn
        turned = torch.where(cosine > math.cos(math.pi - self.margin), turned, line)
        return self.scale * torch.where(own, turned, cosine)

    def combine_windows(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the mean of the windows' embeddings, which are not normalised before."""
        return torch.stack(list(outputs)).mean(dim=0)

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

    def decode(self, output: Tensor) -> dict[str, Any]:
        """Return the `embedding`; a recording alone has no label."""
        return {"label": "-", "embedding": output[: -2 * self.num_outputs].tolist()}

    def metrics(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return eer, min_dcf_01, min_dcf_05, the DET curve, and the same after each norm."""
        first, second, same = self._pairs(labels, decoded)
        scores = self._scores(decoded, first, second)
        found: dict[str, Any] = {}
        for norm, of_norm in scores.items():
            if of_norm is None:
                found |= {norm: None, "norm_missing": "the scores of the cohort are all alike"}
                continue
            curve = Trials(of_norm, same).curve()
            assert curve is not None  # `from_dataset` and `check_labels` see to both kinds
            metrics = _metrics(curve)
            found |= metrics if norm == "cosine" else {norm: metrics}
            if norm == "cosine":
                found["det"] = _thinned(curve)
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
        """Return a function from chosen rows to the metrics of the trials among them.

        A recording that is drawn twice makes its trials count twice; none is one with itself. The
        metrics are NaN where a draw has no trials of one kind.
        """
        first, second, same = self._pairs(labels, decoded)
        cosine = self._scores(decoded, first, second)["cosine"]
        assert cosine is not None
        trials = Trials(cosine, same)

        def of(rows: NDArray[np.intp]) -> Mapping[str, float]:
            counts = np.bincount(rows, minlength=len(labels)).astype(float)
            curve = trials.curve(counts[first] * counts[second])
            return dict.fromkeys(self.reported, math.nan) if curve is None else _metrics(curve)

        return of

    def with_trials(self, trials: Sequence[Trial]) -> Self:
        """Return the task with a list of trials; empty: all pairs."""
        made = copy(self)
        made.trials = tuple(trials)
        return made

    def compare_with_first(
        self, first: Mapping[str, Any], one: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return the cosine with the first, as `score`."""
        pair = np.array([first["embedding"], one["embedding"]])
        return {"score": float(trial_cosines(pair, np.array([0]), np.array([1]))[0])}

    def with_cohort(self, embeddings: NDArray[np.float64]) -> Self:
        """Return the task whose scores are also given after s-norm and AS-norm."""
        made = copy(self)
        made.cohort = unit(embeddings)
        return made

    def check_labels(self, labels: Sequence[str]) -> None:
        """Raise LabelError unless there are two speakers, and one of them twice."""
        counts = Counter(labels)
        if not self.trials and (len(counts) < 2 or max(counts.values()) < 2):
            raise LabelError(
                f"{len(labels)} recordings of {len(counts)} speakers make no pairs of both kinds. "
                "Give two speakers at least, with two recordings each"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the task, the speakers of training and the loss."""
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
        speakers, loss = data.get("speakers"), data.get("loss")
        scale, margin = data.get("scale"), data.get("margin")
        if not are_texts(speakers) or not isinstance(loss, str) or loss not in PUBLISHED:
            raise AdapterFileError(
                f"a verification has the loss {loss!r} and speakers {speakers!r}; restore them"
            )
        if not is_number(scale) or not is_number(margin):
            raise AdapterFileError(
                f"a verification has the scale {scale!r} and the margin {margin!r}; restore them"
            )
        return cls(speakers, loss, scale, margin)

    def _pairs(
        self, labels: Sequence[str], decoded: Sequence[Mapping[str, Any]]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
        """Return the rows of both sides of every trial, and whether it is one speaker."""
        keys = [one.get("key", str(row)) for row, one in enumerate(decoded)]
        if self.trials:
            row_by_key = {key: row for row, key in enumerate(keys)}
            first = np.array([row_by_key[one.first] for one in self.trials])
            second = np.array([row_by_key[one.second] for one in self.trials])
            return first, second, np.array([one.same for one in self.trials])
        first, second = np.triu_indices(len(labels), k=1)
        _, numbers = np.unique(keys, return_inverse=True)
        apart = numbers[first] != numbers[second]
        first, second = first[apart], second[apart]
        if len(first) > MOST_PAIRS:
            drawn = np.random.default_rng(0).choice(len(first), MOST_PAIRS, replace=False)
            first, second = first[drawn], second[drawn]
        _, speakers = np.unique(np.asarray(labels), return_inverse=True)
        return first, second, speakers[first] == speakers[second]

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
                    f"the embeddings of the cohort are {self.cohort.shape[1]} wide and those of "
                    f"the adapter {embeddings.shape[1]}; the cohort is that of another run"
                )
            to_cohort, sides = cosines(embeddings, self.cohort), (first, second)
            for norm, top in (("s_norm", None), ("as_norm", NEAREST)):
                of_norm = normalised(cosine, sides, to_cohort, top)
                scores[norm] = of_norm if np.isfinite(of_norm).all() else None
        return scores


def _metrics(curve: ErrorCurve) -> dict[str, float]:
    return {
        "eer": curve.eer,
        "min_dcf_01": curve.min_dcf(0.01),
        "min_dcf_05": curve.min_dcf(0.05),
    }


def _thinned(curve: ErrorCurve) -> list[list[float]]:
    """Return (false alarm, miss) at some of the steps, for a DET curve."""
    steps = np.unique(np.linspace(0, len(curve.miss) - 1, DET_POINTS).round().astype(int))
    return [[float(curve.false_alarm[i]), float(curve.miss[i])] for i in steps]


def _check_trials(name: str, trials: Sequence[Trial], part: Sequence[Utterance]) -> None:
    known = {one.key for one in part}
    strange = {key for one in trials for key in (one.first, one.second) if key not in known}
    if strange:
        raise LabelError(
            f"{name}: {len(strange)} recordings of the trials are not there: "
            f"{listing(sorted(strange))}. Mend the list, or add the recordings"
        )
    if len({one.same for one in trials}) < 2:
        raise LabelError(f"{name}: the trials are all of one kind; give pairs of both")


def _check_pairs(name: str, side: str, part: Sequence[Utterance]) -> None:
    counts = Counter(one.label for one in part)
    alone = sorted(speaker for speaker, count in counts.items() if count == 1)
    if alone:
        raise LabelError(
            f"{name}: {len(alone)} speakers of {side} have one recording and make no pair: "
            f"{listing(alone)}. Add another of each, or take them out"
        )
    if len(counts) < 2:
        raise LabelError(
            f"{name}: {side} has the speaker {listing(counts)} alone, so that nobody is to be told "
            "apart. Give it two at least"
        )
