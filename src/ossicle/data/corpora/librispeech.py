"""LibriSpeech: `{subset}/{speaker}/{chapter}/{speaker}-{chapter}.trans.txt` and its flac files."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose_many, sided
from ossicle.data.manifest import SIDES, Dataset, Utterance
from ossicle.errors import DataError, listing


def _read(path: Path, options: Options) -> Dataset:
    side_by_utterance = {one: side for side, one in subsets_by_side(path, path, options, SIDES)}
    return sided(
        f"librispeech:{path}",
        list(side_by_utterance),
        side_by_utterance.__getitem__,
        speaker_independent=True,
        note=f"{options['train']} is train, {options['valid']} valid and {options['test']} test.",
        task="asr",
    )


def subsets_by_side(
    books: Path, root: Path, options: Options, sides: Iterable[str]
) -> Iterator[tuple[str, Utterance]]:
    """Yield the utterances of the subsets that an option for each side names, with their side.

    Args:
        books: The folder LibriSpeech, or the one that holds it.
        root: Where keys start.
        options: By side, the subsets, by comma.
        sides: Those to read.

    Raises:
        DataError: there are no subsets, or one is named twice.
    """
    folder = books / "LibriSpeech" if (books / "LibriSpeech").is_dir() else books
    subsets = _subsets(folder)
    side_by_subset: dict[str, str] = {}
    for side in sides:
        for subset in choose_many(side, options[side] or "", subsets):
            if subset in side_by_subset:
                raise DataError(
                    f"{subset} is named for {side_by_subset[subset]} and for {side}. Name each "
                    "subset once."
                )
            side_by_subset[subset] = side
            for one in chapters(folder / subset, root):
                yield side, one


def _subsets(root: Path) -> list[str]:
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
    tables = sorted(folder.rglob("*.trans.txt"))
    heard = {file.parent for file in folder.rglob("*.flac")}
    if bare := sorted(str(chapter) for chapter in heard - {table.parent for table in tables}):
        raise DataError(
            f"{folder}: {len(bare)} chapters have recordings and no .trans.txt: {listing(bare)}. "
            "Unpack the release again."
        )
    for table in tables:
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
