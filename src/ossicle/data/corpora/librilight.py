"""Libri-Light, limited supervision: `librispeech_finetuning/{1h/{0..5},9h}/{clean,other}/...`.

Training data are ten hours, one hour or ten minutes; validation and test are from LibriSpeech.
"""

from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, sided
from ossicle.data.corpora.librispeech import VALID_MEANING, chapters, example, read_books
from ossicle.data.corpora.release import MISSING, fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

_PARTS = {"10h": ("1h", "9h"), "1h": ("1h",), "10min": ("1h/0",)}
_FOLDER = "librispeech_finetuning"


def _read(path: Path, options: Options) -> Dataset:
    part = choose("train", options["train"] or "", _PARTS)
    root = path / _FOLDER if (path / _FOLDER).is_dir() else path
    side_by_utterance: dict[Utterance, str] = {}
    notices: list[str] = []
    for name in _PARTS[part]:
        recordings, left = chapters(root / name, path, options)
        notices += left
        if not recordings:
            raise DataError(
                f"{root} has no {name}, which train={part} needs. Give the folder {_FOLDER} of the "
                "release, or choose another value of train."
            )
        side_by_utterance |= dict.fromkeys(recordings, "train")
    lacks = fewer(len(side_by_utterance), 2763, "utterances") if part == "10h" else []
    if "1h" in _PARTS[part]:
        hours = [one.name for one in (root / "1h").iterdir() if one.is_dir()]
        lacks += lacking("parts of 1h,", "012345", hours)
    nearby = [place / "LibriSpeech" for place in (path, path.resolve().parent)]
    books = Path(
        options["librispeech"] or next((one for one in nearby if one.is_dir()), nearby[0])
    ).expanduser()
    if not books.is_dir():
        raise DataError(
            f"librispeech={books} does not exist. Give the folder of LibriSpeech, for validation "
            "and test, with librispeech=PATH."
        )
    found = read_books(books, path, options, ("valid", "test"))
    side_by_utterance |= found.side_by_utterance
    return sided(
        f"librilight:{path}",
        list(side_by_utterance),
        side_by_utterance.__getitem__,
        speaker_independent=True,
        note=(
            f"{part} is train, LibriSpeech's {found.names['valid']} is valid and "
            f"{found.names['test']} is test."
        ),
        label_name="transcript",
        lacks=[*lacks, *found.lacks],
        notices=[*notices, *found.notices],
    )


CORPUS = Corpus(
    name="librilight",
    summary=(
        "Libri-Light, limited supervision: ten hours of LibriSpeech, half of it clean, "
        "librispeech_finetuning/{1h,9h}, with LibriSpeech's dev-clean and test-clean."
    ),
    size="10 h: 2763 utterances, 24 speakers",
    protocol=(
        "Otake et al. 2023 train on the ten hours and report dev-clean after the last epoch, "
        "decoded greedily. Here dev-clean is validation and test-clean is test."
    ),
    source="Kahn et al. 2020, https://github.com/facebookresearch/libri-light",
    licence="CC BY 4.0",
    options={
        "train": Option("10h, 1h or 10min", "10h"),
        "librispeech": Option(
            "folder of LibriSpeech (a folder LibriSpeech in the path or next to it)"
        ),
        "valid": Option(VALID_MEANING),
        "test": Option("test subsets of LibriSpeech, separated by commas", "test-clean"),
    }
    | MISSING,
    read=_read,
    root=holds(_FOLDER, "1h", "9h"),
    columns=("subset", "chapter"),
    example=Example(
        example(("1h/0/clean", "9h/clean"), f"{_FOLDER}/")
        | example(("dev-clean", "test-clean"), "LibriSpeech/", first_speaker=200),
        labels=("NO ONE", "ON"),
    ),
)
