"""Quality of frozen features: accuracy of logistic regression on each layer, compared with MFCC.

    python pretraining/probe.py --data FOLDER tiny-hubert pretraining/made/random-hubert

FOLDER holds the corpora fsdd/, esc10/ and emodb/ as released; one that is missing is left out. Each
further argument is a backbone as in `ossicle train --backbone`.

A recording becomes the mean and standard deviation over its frames (for AST, its patches) of one
layer, or of the sum of all layers or of half of them, each layer normalised. Which of these, and
the strength of the regularisation, is chosen by cross-validation within the training recordings (at
most 900 of them, drawn at random), never across a speaker or a fold. The MFCC row is 20 cepstra
with two differences, treated the same.
"""

import argparse
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.fft import dct
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import BaseCrossValidator, GroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch.nn import functional as F
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from ossicle import strict_json
from ossicle.backbones import Backbone, load_backbone
from ossicle.data import Dataset, Utterance, load_utterance, open_data

SAMPLE_RATE: Final = 16000
MFCC: Final = "mfcc"
STRENGTHS: Final = (0.003, 0.03, 0.3)
FIRST_STRENGTH: Final = 0.03  # at which the layer is chosen
INNER_FOLDS: Final = 3
MOST_TO_CHOOSE: Final = 900  # training recordings, drawn at random, that the choice is made by
UNHEARD: Final = ("theo", "george", "jackson")
EMODB_PAIRS: Final = ("03,08", "10,09", "11,13", "12,14", "15,16")
Features = NDArray[np.float32]


@dataclass(frozen=True)
class Task:
    """A column of the table: the mean over the splits that its data strings name.

    Attributes:
        name: The column's head.
        splits: Data strings, with FOLDER for the folder of all corpora.
        bar: The accuracy to reach, in percent.
        group: What must not stand on both sides of an inner fold; None: any split will do.
    """

    name: str
    splits: tuple[str, ...]
    bar: float
    group: Callable[[Utterance], str | None]


def _nothing(_: Utterance) -> None:
    return None


TASKS: Final = (
    Task(
        "fsdd, unheard speaker",
        tuple(f"fsdd:FOLDER/fsdd?test_speaker={one}" for one in UNHEARD),
        88,
        lambda one: one.speaker,
    ),
    Task("fsdd, official", ("fsdd:FOLDER/fsdd",), 99, _nothing),
    Task("fsdd, speaker", ("fsdd:FOLDER/fsdd?label=speaker",), 99, _nothing),
    Task(
        "emodb, emotion",
        tuple(f"emodb:FOLDER/emodb?test_speakers={pair}" for pair in EMODB_PAIRS),
        73,
        lambda one: one.speaker,
    ),
    Task(
        "esc10",
        tuple(f"esc50:FOLDER/esc10?test_fold={fold}" for fold in range(1, 6)),
        86,
        lambda one: one.path.name[0],
    ),
)


def mfcc(wave: NDArray[np.float32]) -> Features:
    """Return (1, 120): mean and deviation of 20 cepstra and their first and second differences."""
    filters = mel_filter_bank(257, 40, 20.0, 8000.0, SAMPLE_RATE, norm="slaney")
    window = window_function(400, "hann")
    mels = spectrogram(
        wave, window, 400, 160, fft_length=512, power=2.0, mel_filters=filters, mel_floor=1e-8,
        log_mel="log",
    )  # fmt: skip
    plain = dct(mels, axis=0, norm="ortho")[:20]
    first = np.gradient(plain, axis=1)
    frames = np.concatenate((plain, first, np.gradient(first, axis=1)))
    return np.concatenate((frames.mean(axis=1), frames.std(axis=1)))[None].astype(np.float32)


def layers(backbone: Backbone, wave: NDArray[np.float32]) -> Features:
    """Return (L + 4, 2D): every layer, all layers, the lower half and the upper half."""
    values, _ = backbone.batch([wave])
    with torch.no_grad():
        states = backbone.model(values, output_hidden_states=True).hidden_states
    hidden = torch.cat([F.layer_norm(state, state.shape[-1:]) for state in states])  # (L + 1, T, D)
    if backbone.anatomy.has_cls:
        hidden = hidden[:, 2:]
    half = len(hidden) // 2
    sums = [hidden.mean(dim=0), hidden[:half].mean(dim=0), hidden[half:].mean(dim=0)]
    hidden = torch.cat((hidden, torch.stack(sums)))
    return torch.cat((hidden.mean(dim=1), hidden.std(dim=1, correction=0)), dim=1).numpy()


def extract(name: str, utterances: Sequence[Utterance]) -> dict[str, Features]:
    """Return the candidates (K, F) of every recording by its path."""
    if name == MFCC:
        return {str(one.path): mfcc(load_utterance(one, SAMPLE_RATE)) for one in utterances}
    backbone = load_backbone(name)
    longest = backbone.max_samples
    return {
        str(one.path): layers(backbone, load_utterance(one, SAMPLE_RATE)[:longest])
        for one in utterances
    }


def classifier(strength: float) -> LogisticRegression:
    """Return standardisation and logistic regression."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=150, tol=1e-3))


def probe(
    dataset: Dataset, features: Mapping[str, Features], group: Callable[[Utterance], str | None]
) -> tuple[float, int]:
    """Return test accuracy and the candidate chosen, both from one split."""
    train = (*dataset.train, *dataset.valid)
    given = np.stack([features[str(one.path)] for one in train])  # (N, K, F)
    labels = np.array([one.label for one in train])
    groups = np.array([group(one) or "" for one in train])
    some = np.random.default_rng(0).permutation(len(train))[:MOST_TO_CHOOSE]
    drawn, drawn_labels, drawn_groups = given[some], labels[some], groups[some]
    grouped = len(set(groups)) > 1
    folds: BaseCrossValidator = (
        GroupKFold(min(INNER_FOLDS, len(set(groups))))
        if grouped
        else StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=0)
    )
    parts = list(folds.split(drawn, drawn_labels, drawn_groups if grouped else None))

    def inner(candidate: int, strength: float) -> float:
        right = 0
        for fitted, judged in parts:
            model = classifier(strength).fit(drawn[fitted, candidate], drawn_labels[fitted])
            right += int((model.predict(drawn[judged, candidate]) == drawn_labels[judged]).sum())
        return right / len(drawn)

    best = max(range(given.shape[1]), key=lambda candidate: inner(candidate, FIRST_STRENGTH))
    strength = max(STRENGTHS, key=lambda strength: inner(best, strength))
    model = classifier(strength).fit(given[:, best], labels)
    test = np.stack([features[str(one.path)][best] for one in dataset.test])
    return float(model.score(test, [one.label for one in dataset.test])), best


def row(name: str, folder: Path, tasks: Sequence[str]) -> dict[str, dict[str, object]]:
    """Return accuracy in percent, and the candidate of each split, by task."""
    warnings.filterwarnings("ignore", message=".*lbfgs failed to converge")
    torch.set_num_threads(1)
    found: dict[str, dict[str, object]] = {}
    features: dict[str, Features] = {}
    for task in TASKS:
        corpus = folder / task.splits[0].partition("FOLDER/")[2].partition("?")[0]
        if task.name not in tasks or not corpus.is_dir():
            continue
        datasets = [open_data(split.replace("FOLDER", str(folder))) for split in task.splits]
        missing = [one for one in datasets[0].utterances if str(one.path) not in features]
        features |= extract(name, missing)
        results = [probe(dataset, features, task.group) for dataset in datasets]
        found[task.name] = {
            "accuracy": 100 * float(np.mean([accuracy for accuracy, _ in results])),
            "splits": [100 * accuracy for accuracy, _ in results],
            "candidates": [candidate for _, candidate in results],
        }
    return found


def main() -> None:
    """Print the table as Markdown, with MFCC first and the targets last."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("backbones", nargs="*", metavar="BACKBONE")
    parser.add_argument("--data", type=Path, required=True, help="holds fsdd/, esc10/ and emodb/")
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS])
    parser.add_argument("--json", type=Path, help="write the results here too")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-mfcc", action="store_true", help="leave the MFCC row out")
    options = parser.parse_args()
    names = [*([] if options.no_mfcc else [MFCC]), *options.backbones]
    if not any((options.data / corpus).is_dir() for corpus in ("fsdd", "esc10", "emodb")):
        raise SystemExit(f"{options.data} holds none of fsdd/, esc10/ and emodb/.")
    with ProcessPoolExecutor(options.workers) as pool:
        waiting = [pool.submit(row, name, options.data, options.tasks) for name in names]
        table = {name: one.result() for name, one in zip(names, waiting, strict=True)}
    columns = [task for task in TASKS if task.name in options.tasks]
    print("| features | " + " | ".join(task.name for task in columns) + " |")
    print("|---|" + "---|" * len(columns))
    for name, found in table.items():
        cells = [
            f"{found[task.name]['accuracy']:.1f}" if task.name in found else "-" for task in columns
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("| bar | " + " | ".join(f"{task.bar:.0f}" for task in columns) + " |")
    if options.json:
        options.json.write_text(strict_json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
