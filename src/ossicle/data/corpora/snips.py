"""Audio SNIPS: `all.iob.snips.txt` and `train/`, `valid/`, `test/` with a recording for each line.

Ivy-snips-train-0 BOS PLAY ABBA EOS	O O artist PlayMusic

Voice and number; words; then the slot of each word or O, with the intent as the last tag.
"""

from pathlib import Path

from ossicle.data.columns import SIDES
from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, sided
from ossicle.data.corpora.release import MISSING, lacking, left_out
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, ManifestError, listing

_TABLE = "all.iob.snips.txt"
_VOICES = {  # of SUPERB's splits; each voice is in the folders of all splits
    "train": ("Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kimberly", "Matthew", "Salli"),
    "valid": ("Aditi", "Amy", "Geraint", "Nicole"),
    "test": ("Brian", "Emma", "Raveena", "Russell"),
}
_LABELS = ("slots", "intent", "transcript")


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _LABELS)
    text_by_name = _texts(path / _TABLE, label)
    utterances, side_by_key, strange = [], {}, []
    for side in SIDES:
        for file in sorted((path / side).rglob("*.*")):
            voice = file.stem.partition("-")[0]
            if file.stem not in text_by_name:
                strange.append(f"{side}/{file.name}")
            elif voice in _VOICES[side]:
                one = Utterance.of(file, path, text_by_name[file.stem], voice)
                utterances.append(one)
                side_by_key[one.key] = side
    if strange:
        raise DataError(
            f"{path}: {len(strange)} recordings are not in {_TABLE}: {listing(strange)}. Remove "
            "them, or copy the table from the release."
        )
    if not utterances:
        raise DataError(f"{path} has no recordings in train, valid and test. Unpack it again.")
    there = {one.path.stem for one in utterances}
    listed = [name for name in text_by_name if _side(name)]
    missing = [name for name in listed if name not in there]
    notices = left_out(path / _TABLE, len(missing), len(listed), missing, options)
    voices = {one.speaker or "" for one in utterances}
    return sided(
        f"snips:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note="SUPERB's split: each split has its own sentences and voices.",
        label_name=label,
        lacks=lacking("voices", [voice for side in SIDES for voice in _VOICES[side]], voices),
        notices=notices,
    )


def _side(name: str) -> str | None:
    """Return the split of a name such as Ivy-snips-train-0, if its voice belongs to that split."""
    voice, _, rest = name.partition("-")
    return next(
        (side for side in SIDES if f"-{side}-" in f"-{rest}" and voice in _VOICES[side]), None
    )


def _texts(table: Path, label: str) -> dict[str, str]:
    if not table.is_file():
        raise ManifestError(f"{table} does not exist. Give the folder of the release.")
    texts = {}
    for row, line in enumerate(table.read_text(encoding="utf-8").splitlines(), start=1):
        head, tab, tail = line.partition("\t")
        name, *words = head.split()
        tags = tail.split()
        if not tab or len(words) != len(tags) or words[:1] != ["BOS"] or words[-1] != "EOS":
            raise ManifestError(
                f"{table}, row {row}: expected BOS, words, EOS, a tab and as many tags. Copy the "
                "file from the release."
            )
        if label == "intent":
            texts[name] = tags[-1]
        else:
            inner = list(zip(words[1:-1], tags[1:-1], strict=True))
            texts[name] = _marked(inner) if label == "slots" else " ".join(w for w, _ in inner)
    return texts


def _marked(words: list[tuple[str, str]]) -> str:
    """Return the words with SUPERB's markers around each slot.

    The release repeats the name of a slot at each of its words, so adjacent words with the same
    name are one slot; in a file with the prefixes B- and I-, B- begins a new one.
    """
    units: list[str] = []
    slot = ""
    for word, tag in [*words, ("", "O")]:
        name = "" if tag == "O" else tag.removeprefix("B-").removeprefix("I-")
        if slot and (name != slot or tag.startswith("B-")):
            units.append(f"E-{slot}")
            slot = ""
        if name and not slot:
            slot = name
            units.append(f"B-{slot}")
        units.append(word)
    return " ".join(units).strip()


def _example() -> Example:
    lines: list[str] = []
    files: dict[str, str | None] = {}
    for side, voice in (("train", "Ivy"), ("valid", "Amy"), ("test", "Emma")):
        for number, artist in enumerate(("ABBA", "MAX")):
            name = f"{voice}-snips-{side}-{number}"
            lines.append(f"{name} BOS PLAY {artist} EOS\tO O artist PlayMusic")
            files[f"{side}/{name}.wav"] = None
    labels = ("PLAY B-artist ABBA E-artist", "PLAY B-artist MAX E-artist")
    return Example({**files, _TABLE: "\n".join(lines)}, labels=labels)


CORPUS = Corpus(
    name="snips",
    summary=(
        "Audio SNIPS: commands to an assistant, spoken by sixteen synthetic voices, with the slots "
        "of each sentence (39 types) and its intent (7)."
    ),
    size="13,084 + 700 + 700 sentences, each spoken by several of 16 voices",
    protocol=(
        "SUPERB's split: eight voices of the released training set, four of validation and four of "
        "test; recordings of the other voices are not read. Metrics of slot filling are slot-type "
        "F1 and slot-value CER."
    ),
    source="Lai et al. 2021, https://arxiv.org/abs/2010.13105; text by Coucke et al. 2018",
    licence="CC0 (text); voices of Amazon Polly",
    options={"label": Option("slots, intent or transcript", "slots")} | MISSING,
    read=_read,
    root=holds(_TABLE),
    example=_example(),
)
