"""Attributions of a finished run's decisions on a few test recordings, kept in its folder.

RUN/attributions.safetensors    (R, W, F) over time windows and frequency bands, with the keys of
                                the recordings, their labels, lengths and the decisions
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float

from ossicle.data import Utterance
from ossicle.inference.attribution import BANDS, TIME_WINDOWS, attribute, band_edges
from ossicle.inference.single import SingleModel
from ossicle.progress import Progress, no_progress
from ossicle.training.folder import read_config
from ossicle.training.kept import Tensors, adapter_digest, keep, read_kept
from ossicle.training.tested import tested_clips
from ossicle.training.trained import Trained

ATTRIBUTIONS: Final = "attributions.safetensors"
MOST_EXPLAINED: Final = 6


@dataclass(frozen=True)
class Attributions:
    """Attributions of the decisions on recordings.

    Attributes:
        keys: Key of each recording.
        labels: Its true label.
        decisions: The decision of the model, in words.
        seconds: Length of the part that was explained: of a long recording, its first window.
        edges_hz: Edges of the frequency bands.
        maps: For each recording, how much less sure the decision is without a cell.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    decisions: tuple[str, ...]
    seconds: tuple[float, ...]
    edges_hz: tuple[float, ...]
    maps: Float[np.ndarray, "R W F"]


def read_attributions(folder: Path) -> Attributions | None:
    """Return the attributions in a run folder; None if there are none of its present adapter.

    Raises:
        AdapterFileError: the folder has no adapter file, or a file is damaged.
    """
    return read_kept(folder / ATTRIBUTIONS, "--explain", _parsed)


def _parsed(tensors: Tensors, facts: Any) -> Attributions:
    return Attributions(
        keys=tuple(facts["keys"]),
        labels=tuple(facts["labels"]),
        decisions=tuple(facts["decisions"]),
        seconds=tuple(facts["seconds"]),
        edges_hz=tuple(facts["edges_hz"]),
        maps=tensors["maps"].numpy(),
    )


def examples(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Return at most `MOST_EXPLAINED` recordings of different labels, always the same."""
    first: dict[str, Utterance] = {}
    for row in np.random.default_rng(0).permutation(len(utterances)):
        first.setdefault(utterances[row].label, utterances[row])
    chosen = list(first.values())[:MOST_EXPLAINED]
    return sorted(chosen, key=lambda one: one.label)


def compute_attributions(
    folder: Path, *, device: str = "auto", progress: Progress = no_progress
) -> Attributions:
    """Compute the attributions of the decisions on `examples` of the test, and keep them.

    Args:
        folder: The folder of a finished run.
        device: Where to compute them: auto, cpu, cuda, ...
        progress: Called after every batch.

    Raises:
        OssicleError: the backbone or the recordings are no longer what they were in the run, the
            task does not decide once for a recording, captum is missing, or the file cannot be
            written.
    """
    adapter, config = adapter_digest(folder), read_config(folder)
    trained = Trained.open(folder, device=device)
    clips = tested_clips(trained, examples, progress)
    model = SingleModel(trained.model, precision=config.precision)
    rate = trained.model.backbone.sample_rate
    total, done = len(clips.sizes) * (TIME_WINDOWS * BANDS + 2), 0
    decisions, maps = [], []

    def called(rows: int) -> None:
        nonlocal done
        done += rows
        progress("attribution", done, total)

    spans = [(0, min(size, clips.limit)) for size in clips.sizes]
    for number, span in enumerate(spans):
        wave = clips.read((number, span), rate)
        decision, found = attribute(model, trained.task, wave, called=called)
        decisions.append(decision)
        maps.append(found)
    made = Attributions(
        keys=tuple(one.key for one in clips.utterances),
        labels=tuple(one.label for one in clips.utterances),
        decisions=tuple(decisions),
        seconds=tuple(stop / rate for _, stop in spans),
        edges_hz=tuple(band_edges(rate).round(1).tolist()),
        maps=np.stack(maps),
    )
    facts = {key: value for key, value in vars(made).items() if key != "maps"}
    keep(folder / ATTRIBUTIONS, adapter, {"maps": torch.from_numpy(made.maps)}, facts)
    return made
