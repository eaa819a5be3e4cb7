"""LibriSpeech: `{subset}/{speaker}/{chapter}/{speaker}-{chapter}.trans.txt` and its flac files."""

from collections.abc import Iterable
from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose_many, sided
from ossicle.data.manifest import SIDES, Dataset, Utterance
from ossicle.errors import DataError, listing


def _read(path: Path, options: Options) -> Dataset:
    root = path / "LibriSpeech" if (path / "LibriSpeech").is_dir() else path
    subsets = subsets_of(root)
    utterances, side_by_key = [], {}
    for side in SIDES:
        for subset in choose_many(side, options[side] or "", subsets):
            for one in chapters(root / subset, path):
                utterances.append(one)
                side_by_key[one.key] = side
    return sided(
        f"librispeech:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note=f"{options['train']} is train, {options['valid']} valid and {options['test']} test.",
        task="asr",
    )


def subsets_of(root: Path) -> list[str]:
    """Return the subsets that are there, such as dev-clean.

    Raises:
        DataError: there are none.
    """
    subsets = sorted({file.parents[2].name for file in root.glob("*/*/*/*.trans.txt")})
    if not subsets:
        raise DataError(
            f"{root} holds no subset such as train-clean-100/103/1240/103-1240.trans.txt. Give the "
            "folder LibriSpeech of the release."
        )
    return subsets


def chapters(folder: Path, root: Path) -> Iterable[Utterance]:
    """Yield the utterances of every chapter below a folder, with their transcripts.

    Raises:
        DataError: transcripts and recordings are not the same.
    """
    for table in sorted(folder.rglob("*.trans.txt")):
        lines = [line.partition(" ") for line in table.read_text(encoding="utf-8").splitlines()]
        text_by_name = {name: text.strip() for name, _, text in lines if name}
        files = {file.stem: file for file in sorted(table.parent.glob("*.flac"))}
        if odd := sorted(files.keys() ^ text_by_name.keys()):
            raise DataError(
                f"{table}: {len(odd)} utterances have a transcript or a recording and not both: "
                f"{listing(odd)}. Unpack the release again."
            )
        for name, file in files.items():
            yield Utterance.of(file, root, text_by_name[name], name.partition("-")[0])


def example(
    subsets: Iterable[str], prefix: str = "", first_speaker: int = 100
) -> dict[str, str | None]:
    """Return a small tree: two utterances of a speaker of its own in each subset."""
    files: dict[str, str | None] = {}
    for speaker, subset in enumerate(subsets, start=first_speaker):
        chapter = f"{prefix}{subset}/{speaker}/7"
        names = [f"{speaker}-7-000{number}" for number in range(2)]
        files |= {f"{chapter}/{name}.flac": None for name in names}
        files[f"{chapter}/{speaker}-7.trans.txt"] = f"{names[0]} NO ONE\n{names[1]} ON\n"
    return files


CORPUS = Corpus(
    name="librispeech",
    summary=(
        "LibriSpeech: read English from audio books, {subset}/{speaker}/{chapter} with flac files "
        "and a transcript in capitals for each chapter."
    ),
    size="train-clean-100: 28,539 utterances, 100 h, 251 speakers; all: 960 h",
    protocol=(
        "Official subsets, by speaker: train-clean-100, dev-clean and test-clean here, as in "
        "SUPERB; any others by option."
    ),
    source="Panayotov et al. 2015, https://www.openslr.org/12",
    licence="CC BY 4.0",
    options={
        "train": Option("subsets, by comma", "train-clean-100"),
        "valid": Option("subsets, by comma", "dev-clean"),
        "test": Option("subsets, by comma", "test-clean"),
    },
    read=_read,
    example=Example(
        example(("train-clean-100", "dev-clean", "test-clean")), labels=("NO ONE", "ON")
    ),
)
