"""VoxCeleb1: `wav/{speaker}/{video}/{number}.wav`, also as `dev/wav` and `test/wav`.

`iden_split.txt` (split and file) for identification; for verification the lists of trials (1 or 0,
and two files) O `veri_test2.txt`, E `list_test_all2.txt` and H `list_test_hard2.txt`, or the
original lists before cleaning, without the 2.
"""

from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, in_fraction, sided
from ossicle.data.corpora.release import MISSING, fewer, left_out
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.trials import read_trials
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, SplitError, listing

_FOLDERS = ("wav", "dev/wav", "test/wav")
_LISTS = {
    "O": ("veri_test2.txt", "veri_test.txt"),
    "E": ("list_test_all2.txt", "list_test_all.txt"),
    "H": ("list_test_hard2.txt", "list_test_hard.txt"),
}
_SIDES = {"1": "train", "2": "valid", "3": "test"}
_WHOLE = 153_516  # recordings
_VALID_FRACTION = 0.1  # fraction of training speakers


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("identification", "verification"))
    trials = choose("trials", options["trials"] or "", _LISTS)
    by_name = _recordings(path, options)
    if label == "verification":
        return _verification(path, by_name, trials)
    table = path / "iden_split.txt"
    if not table.is_file():
        raise DataError(f"{table} does not exist. Copy the list from the release.")
    side_by_name = {}
    for row, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        number, _, name = line.strip().partition(" ")
        if line.strip() and (number not in _SIDES or not name):
            raise DataError(
                f"{table}, row {row} is '{line[:60]}'; expected 1, 2 or 3 and a recording. Copy "
                "the list from the release."
            )
        if name:
            side_by_name[name] = _SIDES[number]
    missing = sorted(side_by_name.keys() - by_name.keys())
    notices = left_out(table, len(missing), len(side_by_name), missing, options)
    listed = len(side_by_name)
    side_by_name = {name: side for name, side in side_by_name.items() if name in by_name}
    side_by_key = {by_name[name].key: side for name, side in side_by_name.items()}
    left = len(by_name) - len(side_by_name)
    skipped = f" {left} recordings that are not in the list were skipped." if left else ""
    return sided(
        f"voxceleb1:{path}",
        [by_name[name] for name in side_by_name],
        lambda one: side_by_key[one.key],
        speaker_independent=False,
        note=f"Official split of identification; every speaker is in all splits.{skipped}",
        lacks=fewer(listed, _WHOLE, f"lines of {table.name}"),
        notices=notices,
    )


def _recordings(path: Path, options: Options) -> dict[str, Utterance]:
    """Return every recording by its name in the lists."""
    keep = Keeper(options)
    found = {}
    for folder in _FOLDERS:
        for file in sorted((path / folder).glob("*/*/*.wav")):
            name = file.relative_to(path / folder).as_posix()
            speaker, columns = file.parents[1].name, keep({"video": file.parent.name})
            found[name] = Utterance.of(file, path, speaker, speaker, columns=columns)
    if not found:
        raise DataError(
            f"{path} has no wav/id10001/1zcIwhmdeo4/00001.wav. Give the folder that contains "
            f"{listing(_FOLDERS)}."
        )
    return found


def _verification(path: Path, by_name: dict[str, Utterance], trials: str) -> Dataset:
    tables = [path / name for name in _LISTS[trials] if (path / name).is_file()]
    if not tables:
        raise DataError(
            f"{path / _LISTS[trials][0]} does not exist. Copy the list of trials from the release."
        )
    pairs = read_trials(tables[0], {name: one.key for name, one in by_name.items()})
    named = {key for pair in pairs for key in (pair.first, pair.second)}
    tested = {one.speaker for one in by_name.values() if one.key in named}
    others = [one for one in by_name.values() if one.speaker not in tested]
    if len({one.speaker for one in others}) < 3:
        raise SplitError(
            f"{tables[0].name} has trials of nearly all speakers in {path}, so too few are left "
            "for training. E and H are for models trained on VoxCeleb2: evaluate such a run on "
            "them, or train with trials=O."
        )
    return sided(
        f"voxceleb1:{path}",
        [*others, *(one for one in by_name.values() if one.key in named)],
        lambda one: (
            "test"
            if one.speaker in tested
            else "valid"
            if in_fraction(one.speaker or "", _VALID_FRACTION)
            else "train"
        ),
        speaker_independent=True,
        note=f"Trials {trials}; their speakers are test, and a tenth of the others is validation.",
        label_name="trials",
        trials={"test": pairs},
        lacks=fewer(len({one.speaker for one in by_name.values()}), 1251, "speakers"),
    )


def _example() -> Example:
    files = {
        f"wav/id{speaker}/v/0000{number}.wav": None
        for speaker in (10001, 10002, 10011)
        for number in (1, 2, 3)
    }
    rows = [f"{name[-5]} {name.removeprefix('wav/')}" for name in files]
    return Example({**files, "iden_split.txt": "\n".join(rows)}, ("id10001", "id10002", "id10011"))


CORPUS = Corpus(
    name="voxceleb1",
    summary=(
        "VoxCeleb1: speech of celebrities in videos, wav/{speaker}/{video}/*.wav, for "
        "identification (1251 speakers) and verification (1211 training speakers, 40 in trials O)."
    ),
    size="153,516 recordings, 352 h, 1251 speakers",
    protocol=(
        "Identification: official split. Verification: the lists of trials O, E and H. O has 40 "
        "speakers who are not in training; E and H have the training speakers, so they need a "
        "model trained on VoxCeleb2. SUPERB and Otake et al. 2023 report O. A tenth of the "
        "training speakers is validation, with all their pairs."
    ),
    source="Nagrani et al. 2017, https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox1.html",
    licence="CC BY 4.0 (lists; recordings belong to their owners)",
    options={
        "label": Option("identification or verification", "identification"),
        "trials": Option("O, E or H", "O"),
    }
    | MISSING,
    read=_read,
    root=holds(*(f"{folder}/*/*/*.wav" for folder in _FOLDERS)),
    columns=("video",),
    example=_example(),
)
