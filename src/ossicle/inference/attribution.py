"""Attribution of a decision over time and frequency: the parts of a sound that it depends on.

    attribution of a cell = score of the decision - score with the cell silenced

A cell is a time window and a frequency band. It is silenced in the short-time Fourier transform of
the wave, which is then inverted. All cells together are the whole sound, so of a model that is
linear in its wave, the attributions add up to its score minus that of silence.

Occlusion rather than gradients, because it works for every backbone: the mel frames of spectrogram
models are computed outside of torch, without gradients, and the input of waveform models has no
frequency axis. A silenced part of a sound means the same to all of them.

Source: Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, section 4.2, as `FeatureAblation`
in Captum (Kokhlikyan et al. 2020, https://arxiv.org/abs/2009.07896).
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ossicle.errors import RunError
from ossicle.frozen.part import BatchRow
from ossicle.inference.single import SingleModel
from ossicle.tasks import Task
from ossicle.tasks.answer import Answer

TIME_WINDOWS: Final = 12
BANDS: Final = 8
SPECTRUM_MS: Final = 32
HOPS: Final = 4  # of a spectrum
BATCH: Final = 16

Score = Callable[[Float[Tensor, "B C"]], Float[Tensor, " B"]]


def band_edges(sample_rate: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Return the edges of frequency bands in Hz, from 0, of equal width on the mel scale."""
    highest = 2595 * np.log10(1 + sample_rate / 2 / 700)
    return 700 * (10 ** (np.linspace(0, highest, bands + 1) / 2595) - 1)


def silenced(
    wave: Float[Tensor, " N"], gains: Float[Tensor, "B W F"], sample_rate: int
) -> Float[Tensor, "B N"]:
    """Return copies of a wave whose cells are scaled by gains; with gains of 1, the wave itself.

    Args:
        wave: The wave.
        gains: For each copy, the gain of each of W time windows of equal length and each of F
            bands of equal width on the mel scale.
        sample_rate: Samples per second.
    """
    size = int(SPECTRUM_MS * sample_rate / 1000) // HOPS * HOPS
    hop, window = size // HOPS, torch.hann_window(size)
    spectrum = torch.stft(
        wave, size, hop, window=window, pad_mode="constant", return_complex=True
    )  # (bins, frames)
    num_windows, num_bands = gains.shape[1:]
    frequencies = np.arange(len(spectrum)) * sample_rate / size
    band = np.searchsorted(band_edges(sample_rate, num_bands)[1:-1], frequencies, side="right")
    times = np.arange(spectrum.shape[1]) * hop * num_windows // len(wave)
    of_cell = gains[:, np.minimum(times, num_windows - 1)][:, :, band]  # (B, frames, bins)
    return torch.istft(
        spectrum * of_cell.transpose(1, 2), size, hop, window=window, length=len(wave)
    )


def check_one_decision(task: Task) -> None:
    """Raise RunError unless a task decides once for a recording."""
    if task.by_frame or not task.answers:
        why = "decides frame by frame" if task.by_frame else "decides on pairs of recordings"
        raise RunError(f"the task {task.name} {why}; attribution is of one decision on a recording")


def decision_score(answers: Sequence[Answer], output: Float[Tensor, " C"]) -> tuple[str, Score]:
    """Return the decision that an output stands for, and the function that scores it.

    The score is the mean over the answers: the log odds of the class or of the presence or absence
    that was decided, or the value of a number.

    Args:
        answers: The answers of the task.
        output: The output for a recording, whose decision is scored.
    """
    words: list[str] = []
    parts: list[Score] = []
    for answer in answers:
        of_answer = output[answer.columns]
        if answer.kind == "choice":
            best = int(of_answer.argmax())
            words.append(answer.options[best])
            parts.append(_log_odds(answer.columns, best))
        elif answer.kind == "presence":
            is_there = bool(of_answer.sigmoid() > answer.threshold)
            words += answer.options if is_there else ()
            parts.append(_scaled(answer.start, 1 if is_there else -1))
        else:
            words.append(f"{answer.options[0]} {float(of_answer):.2f}")
            parts.append(_scaled(answer.start, 1))
    return ", ".join(words), lambda outputs: torch.stack([part(outputs) for part in parts]).mean(0)


def _log_odds(columns: slice, best: int) -> Score:
    def score(outputs: Float[Tensor, "B C"]) -> Float[Tensor, " B"]:
        logits = outputs[:, columns]
        others = torch.cat((logits[:, :best], logits[:, best + 1 :]), dim=1)
        return logits[:, best] - others.logsumexp(dim=1)

    return score


def _scaled(column: int, sign: int) -> Score:
    return lambda outputs: sign * outputs[:, column]


@torch.no_grad()
def attribute(
    model: SingleModel,
    task: Task,
    wave: NDArray[np.float32],
    *,
    called: Callable[[int], None] = lambda _: None,
) -> tuple[str, Float[np.ndarray, "W F"]]:
    """Return the decision on a wave, and its attribution to time windows and frequency bands.

    Args:
        model: The model.
        task: Its task, which must decide once for a recording.
        wave: The wave at the backbone's sample rate.
        called: Called after every batch with the number of its rows.

    Raises:
        RunError: captum is missing, or the task does not decide once for a recording.
    """
    check_one_decision(task)
    check_captum()
    from captum.attr import FeatureAblation

    backbone, sound = model.backbone, torch.from_numpy(wave)

    def outputs(gains: Float[Tensor, "B W F"]) -> Float[Tensor, "B C"]:
        waves = silenced(sound, gains, backbone.sample_rate).numpy()
        (found,) = model.outputs([BatchRow.of(backbone.row(one)) for one in waves])
        called(len(waves))
        return torch.stack(found.cpu().rows())

    whole = torch.ones(1, TIME_WINDOWS, BANDS)
    decision, score = decision_score(task.answers, outputs(whole)[0])
    found = FeatureAblation(lambda gains: score(outputs(gains))).attribute(
        whole, baselines=0.0, perturbations_per_eval=BATCH
    )
    attribution: Float[np.ndarray, "W F"] = found[0].numpy()
    return decision, attribution


def check_captum() -> None:
    """Raise RunError unless captum is installed."""
    try:
        import captum.attr  # noqa: F401 - looked up again where it is used
    except ImportError as error:
        raise RunError("attribution needs captum: pip install 'ossicle[explain]'") from error
