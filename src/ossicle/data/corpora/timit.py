"""TIMIT: `{TRAIN,TEST}/DR{1..8}/{speaker}/{sentence}.WAV`, with `.PHN` and `.TXT`.

0 2260 h#        first sample, last sample plus one, phone
2260 4070 sh

The two SA sentences, which every speaker reads, are skipped, as is usual.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, sided
from ossicle.data.corpora.release import fewer
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

# The core test set: a woman and two men of each region.
CORE: Final = frozenset(
    """
    FDHC0 FELC0 FJLM0 FMGD0 FMLD0 FNLP0 FPAS0 FPKT0 MBPM0 MCMJ0 MDAB0 MGRT0
    MJDH0 MJLN0 MJMP0 MKLT0 MLLL0 MLNT0 MNJM0 MPAM0 MTAS1 MTLS0 MWBT0 MWEW0
    """.split()  # noqa: SIM905 - a list of names is most readable as a text
)
# The development set of Halberstadt 1998, fifty of the other test speakers.
DEVELOPMENT: Final = frozenset(
    """
    FADG0 FAKS0 FCAL1 FCMH0 FDAC1 FDMS0 FDRW0 FEDW0 FGJD0 FJEM0 FJMG0 FJSJ0 FKMS0
    FMAH0 FMML0 FNMR0 FREW0 FSEM0 MAJC0 MBDG0 MBNS0 MBWM0 MCSH0 MDLF0 MDLS0 MDVC0
    MERS0 MGJF0 MGLB0 MGWT0 MJAR0 MJFC0 MJSW0 MMDB1 MMDM2 MMJR0 MMWH0 MPDF0 MRCS0
    MREB0 MRJM4 MRJR0 MROA0 MRTK0 MRWS1 MTAA0 MTDT0 MTEB0 MTHC0 MWJG0
    """.split()  # noqa: SIM905 - as above
)
# Lee & Hon 1989: phones merged in the set of 39, by the name of the merged phone.
_FOLDED: Final = {
    "aa": "ao",
    "ah": "ax ax-h",
    "er": "axr",
    "hh": "hv",
    "ih": "ix",
    "l": "el",
    "m": "em",
    "n": "en nx",
    "ng": "eng",
    "sh": "zh",
    "uw": "ux",
    "sil": "pcl tcl kcl bcl dcl gcl h# pau epi",
}
_TO_39: Final = {old: new for new, olds in _FOLDED.items() for old in olds.split()} | {"q": ""}
_KEPT: Final = """
    ae aw ay b ch d dh dx eh ey f g iy jh k ow oy p r s t th uh v w y z
""".split()  # noqa: SIM905 - as above
_PHONES: Final = frozenset((*_TO_39, *(new for new in _FOLDED if new != "sil"), *_KEPT))  # 61


_WHOLE: Final = {"train": 3696, "valid": 400, "test": 192}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("phones", "transcript"))
    phones = choose("phones", options["phones"] or "", ("39", "61"))
    valid = choose("valid", options["valid"] or "", ("development", "all"))
    keep = Keeper(options)
    utterances, side_by_key, left = [], {}, set[str]()
    for side, folder in _sides(path).items():
        for file in _files(folder, "wav"):
            if file.stem.upper().startswith("SA"):
                continue
            speaker = file.parent.name.upper()
            if side == "test" and valid != "all" and speaker not in CORE | DEVELOPMENT:
                left.add(speaker)
                continue
            text = _phones(file, phones) if label == "phones" else _transcript(file)
            region, sentence = file.parents[1].name.upper(), file.stem.upper()
            columns = keep({"sex": speaker[0], "region": region, "sentence": sentence})
            one = Utterance.of(file, path, text, speaker, columns=columns)
            utterances.append(one)
            core = "test" if speaker in CORE else "valid"
            side_by_key[one.key] = core if side == "test" else "train"
    counts = Counter(side_by_key.values())
    lacks: list[str] = []
    for side, count in (_WHOLE | ({"valid": 1152} if valid == "all" else {})).items():
        lacks += fewer(counts[side], count, f"{side} utterances")
    chosen = "all other test speakers are" if valid == "all" else "the development set is"
    skipped = f" {len(left)} test speakers are in neither and were skipped." if left else ""
    return sided(
        f"timit:{path}",
        utterances,
        lambda one: side_by_key[one.key],
        speaker_independent=True,
        note=f"The core test set is test, {chosen} valid; without SA sentences.{skipped}",
        label_name=label,
        lacks=lacks,
    )


def _is_root(path: Path) -> bool:
    names = {child.name.lower() for child in path.iterdir()} if path.is_dir() else set()
    return {"train", "test"} <= names and any(path.glob("*/[Dd][Rr][1-8]"))


def _sides(path: Path) -> Mapping[str, Path]:
    found = {child.name.lower(): child for child in path.iterdir() if child.is_dir()}
    if missing := sorted({"train", "test"} - found.keys()):
        raise DataError(f"{path} has no {listing(missing)}. Give the folder with TRAIN and TEST.")
    return {side: found[side] for side in ("train", "test")}


def _files(folder: Path, suffix: str) -> list[Path]:
    files = [file for file in folder.rglob("*") if file.suffix.lower() == f".{suffix}"]
    if not files:
        raise DataError(f"{folder} has no .{suffix} files. Unpack the release again.")
    return sorted(files)


def _annotation(file: Path, suffix: str) -> list[list[str]]:
    """Return the fields of each line of a recording's annotation file."""
    for name in (suffix.upper(), suffix.lower()):
        annotation = file.with_suffix(f".{name}")
        if annotation.is_file():
            try:
                lines = annotation.read_text(encoding="ascii").splitlines()
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{annotation} is not a text file. Unpack the release again."
                ) from error
            fields = [line.split() for line in lines if line.strip()]
            if not fields or any(len(line) < 3 for line in fields):
                raise DataError(
                    f"{annotation}: expected lines of two sample numbers and a phone or text. "
                    "Unpack the release again."
                )
            return fields
    raise DataError(f"{file} has no .{suffix} file next to it. Unpack the release again.")


def _phones(file: Path, phones: str) -> str:
    names = [fields[2] for fields in _annotation(file, "PHN")]
    if odd := sorted(set(names) - _PHONES):
        raise DataError(
            f"{file}: its .PHN file has {listing(odd)}, which are not phones of TIMIT. Unpack the "
            "release again."
        )
    if phones == "39":
        names = [name for name in (_TO_39.get(name, name) for name in names) if name]
    return " ".join(names)


def _transcript(file: Path) -> str:
    (fields, *_) = _annotation(file, "TXT")
    return " ".join(fields[2:]).lower()


def _example() -> Example:
    files: dict[str, str | None] = {}
    for side, speaker in (("TRAIN", "FCJF0"), ("TEST", "MDAB0"), ("TEST", "FAKS0")):
        for sentence, phones in (("SX1", "0 10 h#\n10 20 ax\n20 30 q"), ("SI2", "0 9 pcl\n9 20 p")):
            name = f"{side}/DR1/{speaker}/{sentence}"
            files |= {f"{name}.WAV": None, f"{name}.PHN": phones, f"{name}.TXT": "0 20 A pea."}
    files["TRAIN/DR1/FCJF0/SA1.WAV"] = None
    return Example(files, labels=("sil ah", "sil p"), unread=("TRAIN/DR1/FCJF0/SA1.WAV",))


CORPUS = Corpus(
    name="timit",
    summary=(
        "TIMIT: read American English with manual phone alignments, {TRAIN,TEST}/DR{1..8}/"
        "{speaker}/*.WAV with .PHN and .TXT."
    ),
    size="5040 utterances without SA, 4.3 h, 630 speakers; 3696 train, 400 valid, 192 test",
    protocol=(
        "Official split by speaker; the test set is the core set of 24 speakers. As is usual, the "
        "50 speakers of Halberstadt's development set are validation, and the other 94 test "
        "speakers are skipped. 61 phones are mapped to 39, and q is dropped."
    ),
    source="Garofolo et al. 1993, https://catalog.ldc.upenn.edu/LDC93S1",
    licence="LDC user agreement",
    options={
        "label": Option("phones or transcript", "phones"),
        "phones": Option("39 (mapping of Lee & Hon) or 61", "39"),
        "valid": Option(
            "development (the 50 speakers of Halberstadt) or all test speakers but the core set",
            "development",
        ),
    },
    read=_read,
    root=_is_root,
    columns=("sex", "region", "sentence"),
    example=_example(),
)
