"""Libri-Light, limited supervision: `librispeech_finetuning/{1h/{0..5},9h}/{clean,other}/...`.

Trained on ten hours, one hour or ten minutes; validation and test are LibriSpeech's.
"""

from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, choose_many, sided
from ossicle.data.corpora.librispeech import chapters, example, subsets_of
from ossicle.data.manifest import Dataset
from ossicle.errors import DataError

_PARTS = {"10h": ("1h", "9h"), "1h": ("1h",), "10min": ("1h/0",)}
_FOLDER = "librispeech_finetuning"


def _read(path: Path, options: Options) -> Dataset:
    part = choose("train", options["train"] or "", _PARTS)
    root = path / _FOLDER if (path / _FOLDER).is_dir() else path
    utterances, side_by_key = [], {}
    for name in _PARTS[part]:
        for one in chapters(root / name, path):
            utterances.append(one)
            side_by_key[one.key] = "train"
    if not utterances:
        raise DataError(f"{root} holds no {' and '.join(_PARTS[part])}. Give the folder {_FOLDER}.")
    books = Path(options["librispeech"] or path / "LibriSpeech").expanduser()
    if not books.is_dir():
        raise DataError(
            f"librispeech={books} does not exist. Give the folder of LibriSpeech, which validation "
            "and test are from, with librispeech=PATH."
        )
    subsets = subsets_of(books)
    for side in ("valid", "test"):
        for subset in choose_many(side, options[side] or "", subsets):
            for one in chapters(books / subset, path):
                utterances.append(one)
                side_by_key[one.key] = side
    return sided(
        f"librilight:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note=f"{part} is train, LibriSpeech's {options['valid']} valid, {options['test']} test.",
        task="asr",
    )


CORPUS = Corpus(
    name="librilight",
    summary=(
        "Libri-Light, the limited supervision part: ten hours of LibriSpeech, half of it clean, "
        "librispeech_finetuning/{1h,9h}, and LibriSpeech's dev-clean and test-clean."
    ),
    size="10 h: 2763 utterances, 24 speakers",
    protocol=(
        "Paper B's predecessor trains on the ten hours and reports dev-clean, decoded greedily, "
        "after the last epoch. Here dev-clean chooses the epoch and test-clean is reported."
    ),
    source="Kahn et al. 2020, https://github.com/facebookresearch/libri-light",
    licence="CC BY 4.0",
    options={
        "train": Option("10h, 1h or 10min", "10h"),
        "librispeech": Option("the folder of LibriSpeech (LibriSpeech inside the path)"),
        "valid": Option("subsets of LibriSpeech, by comma", "dev-clean"),
        "test": Option("subsets of LibriSpeech, by comma", "test-clean"),
    },
    read=_read,
    example=Example(
        example(("1h/0/clean", "9h/clean"), f"{_FOLDER}/")
        | example(("dev-clean", "test-clean"), "LibriSpeech/", first_speaker=200),
        labels=("NO ONE", "ON"),
    ),
)
