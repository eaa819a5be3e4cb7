"""LibriSpeech: `{subset}/{speaker}/{chapter}/{speaker}-{chapter}.trans.txt` and its flac files."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose_many, sided
from ossicle.data.corpora.release import MISSING, fewer, left_out
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_VALID = "dev-clean"
VALID_MEANING = (
    "validation subsets, separated by commas (dev-clean, or a tenth of training, by speaker)"
)
_WHOLE = {
    "train-clean-100": 28_539,
    "train-clean-360": 104_014,
    "train-other-500": 148_688,
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
}


@dataclass(frozen=True)
class Books:
    """Subsets read from LibriSpeech.

    Attributes:
        side_by_utterance: Split of each utterance, in the order train, valid, test.
        names: Names of the subsets of each split.
        lacks: Descriptions of missing parts of these subsets.
        notices: Notices on skipped utterances.
    """

    side_by_utterance: Mapping[Utterance, str]
    names: Mapping[str, str]
    lacks: Sequence[str]
    notices: Sequence[str]


def _read(path: Path, options: Options) -> Dataset:
    books = read_books(path, path, options, SIDES)
    names = books.names
    return sided(
        f"librispeech:{path}",
        list(books.side_by_utterance),
        books.side_by_utterance.__getitem__,
        speaker_independent=True,
        note=f"{names['train']} is train, {names['valid']} is valid and {names['test']} is test.",
        label_name="transcript",
        lacks=books.lacks,
        notices=books.notices,
    )


def read_books(books: Path, root: Path, options: Options, sides: Iterable[str]) -> Books:
    """Return the utterances of the subsets chosen by the options train, valid and test.

    Args:
        books: Folder LibriSpeech, or the one that contains it.
        root: Root of the keys.
        options: Subsets of each split, separated by commas. Without valid it is dev-clean, if that
            exists.
        sides: Splits to read.

    Raises:
        DataError: there are no subsets, or one is named twice.
    """
    folder = books / "LibriSpeech" if (books / "LibriSpeech").is_dir() else books
    subsets = _subsets(folder)
    side_by_subset: dict[str, str] = {}
    side_by_utterance: dict[Utterance, str] = {}
    names = {"valid": "no subset"}
    lacks: list[str] = []
    notices: list[str] = []
    for side in sides:
        wanted = options[side] or ""
        if side == "valid" and options[side] is None:
            wanted = _VALID
            if _VALID not in subsets:
                lacks.append(f"{_VALID} is missing")
                continue
        for subset in choose_many(side, wanted, subsets):
            if subset in side_by_subset:
                raise DataError(
                    f"{subset} is named twice, for {side_by_subset[subset]} and for {side}. Name "
                    "each subset once."
                )
            side_by_subset[subset] = side
            found, left = chapters(folder / subset, root, options)
            side_by_utterance |= dict.fromkeys(found, side)
            lacks += fewer(len(found), _WHOLE.get(subset, 0), f"utterances of {subset}")
            notices += left
        names[side] = wanted
    return Books(side_by_utterance, names, lacks, notices)


def _subsets(root: Path) -> list[str]:
    subsets = sorted({file.parents[2].name for file in root.glob("*/*/*/*.trans.txt")})
    if not subsets:
        raise DataError(
            f"{root} has no subset such as train-clean-100/103/1240/103-1240.trans.txt. Give the "
            "folder LibriSpeech of the release."
        )
    return subsets


def chapters(folder: Path, root: Path, options: Options) -> tuple[list[Utterance], tuple[str, ...]]:
    """Return the utterances of every chapter below a folder, and a notice on skipped ones.

    Raises:
        DataError: a recording has no transcript, or a transcript has no recording and the option
            `missing` is refuse.
    """
    tables = sorted(folder.rglob("*.trans.txt"))
    recorded = {file.parent for file in folder.rglob("*.flac")}
    if bare := sorted(str(chapter) for chapter in recorded - {table.parent for table in tables}):
        raise DataError(
            f"{folder}: {len(bare)} chapters have recordings but no .trans.txt: {listing(bare)}. "
            "Unpack the release again."
        )
    keep = Keeper(options)
    found: list[Utterance] = []
    missing: list[str] = []
    for table in tables:
        lines = [line.partition(" ") for line in table.read_text(encoding="utf-8").splitlines()]
        text_by_name = {name: text.strip() for name, _, text in lines if name}
        files = {file.stem: file for file in sorted(table.parent.glob("*.flac"))}
        if odd := sorted(files.keys() - text_by_name.keys()):
            raise DataError(
                f"{table}: {len(odd)} utterances have a recording but no transcript: "
                f"{listing(odd)}. Unpack the release again."
            )
        missing += sorted(text_by_name.keys() - files.keys())
        for name, file in files.items():
            speaker, _, rest = name.partition("-")
            columns = keep({"subset": folder.name, "chapter": rest.partition("-")[0]})
            found.append(Utterance.of(file, root, text_by_name[name], speaker, columns=columns))
    return found, left_out(folder, len(missing), len(found) + len(missing), missing, options)


def example(
    subsets: Iterable[str], prefix: str = "", first_speaker: int = 100
) -> dict[str, str | None]:
    """Return a small example tree: two utterances of one speaker in each subset."""
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
        "Official subsets, by speaker: by default train-clean-100, dev-clean and test-clean, as in "
        "SUPERB; others by option."
    ),
    source="Panayotov et al. 2015, https://www.openslr.org/12",
    licence="CC BY 4.0",
    options={
        "train": Option("training subsets, separated by commas", "train-clean-100"),
        "valid": Option(VALID_MEANING),
        "test": Option("test subsets, separated by commas", "test-clean"),
    }
    | MISSING,
    read=_read,
    root=holds(*(f"{place}*/*/*/*.trans.txt" for place in ("", "LibriSpeech/"))),
    columns=("subset", "chapter"),
    example=Example(
        example(("train-clean-100", "dev-clean", "test-clean")), labels=("NO ONE", "ON")
    ),
)
