"""Berlin Database of Emotional Speech: `wav/{speaker}{sentence}{emotion}{version}.wav`.

03a01Fa.wav is speaker 03, sentence a01, emotion F (Freude, happiness), version a.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from ossicle.data.audio import duration_s
from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    by_speaker,
    choose,
    named,
    sound_files,
)
from ossicle.data.corpora.folds import Folds
from ossicle.data.corpora.release import fewer, lacking
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError

_NAME = re.compile(r"(?P<speaker>\d\d)(?P<sentence>[ab]\d\d)(?P<emotion>[WLEAFTN])[a-z]")
_EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
_LABELS = {
    "emotion": "emotion",
    "sentence": "code",
    "phones": "phones",
    "verification": "trials",
}
_SLACK_S = 0.05  # most that an alignment may end after its file
_LINE = re.compile(
    r"\s*(?P<end>[\d.]+)\s+-?\d+ (?P<symbol>[^\t]*)"
)  # end, colour, symbol, tab, marks
_PHONE = re.compile(r"(?P<sign>[_!]?)(?P<phone>[A-Za-z0-9@?]{1,2}?)(?P<asp>asp?)?([+-].*)?")
_DIPHTHONGS = ("aI", "aU", "OY", "aO")
_RARE = str.maketrans("AJ8", "aj9")
_MEN = ("03", "10", "11", "12", "15")
_WOMEN = ("08", "09", "13", "14", "16")


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", _LABELS)
    folder = path / "wav"
    keep = Keeper(options)
    utterances, cut = [], 0
    files = sound_files(folder, "*.wav")
    for file, name in named(folder, files, _NAME, "like 03a01Fa.wav"):
        texts = {"emotion": _EMOTIONS[name["emotion"]], "verification": name["speaker"]}
        text = texts.get(label, name["sentence"])
        if label == "phones":
            text, whole = phones(file)
            cut += not whole
        sex = "M" if name["speaker"] in _MEN else "F"
        about = {"sex": sex, "sentence": name["sentence"], "emotion": _EMOTIONS[name["emotion"]]}
        utterances.append(Utterance.of(file, path, text, name["speaker"], columns=keep(about)))
    kept = [one for one in utterances if one.label]  # a few released alignments are empty
    left = len(utterances) - len(kept)
    note = f"{left} recordings with an empty alignment were skipped." if left else ""
    if cut:
        note += f" {cut} alignments are longer than their file; the phones after its end are cut."
    found = {one.speaker or "" for one in utterances}
    lacks = [*lacking("speakers", (*_MEN, *_WOMEN), found), *fewer(len(utterances), 535)]
    return by_speaker(
        f"emodb:{path}",
        kept,
        options,
        _pair,
        label_name=_LABELS[label],
        note=note.strip(),
        lacks=lacks,
    )


def _pair(test: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Return the man and the woman that follow the test speakers."""
    return [*_next(_MEN, test, rest), *_next(_WOMEN, test, rest)]


def _next(group: Sequence[str], test: Sequence[str], rest: Sequence[str]) -> list[str]:
    """Return the speaker of a group that follows the test speakers, cyclically, if there is one."""
    last = max((speaker for speaker in test if speaker in group), default="")
    free = [speaker for speaker in group if speaker in rest]
    return [speaker for speaker in free if speaker > last][:1] or free[:1]


def _folds(path: Path, options: Options) -> list[str]:
    """Return the pairs of a man and a woman; a speaker without a partner is a fold."""
    found = {one.speaker for one in _read(path, options).utterances}
    groups = ([one for one in group if one in found] for group in (_MEN, _WOMEN))
    return [",".join(filter(None, pair)) for pair in zip_longest(*groups)]


def phones(file: Path) -> tuple[str, bool]:
    """Return the phones of a recording from its alignment in `lablaut`, and whether all were used.

    Phones that end after the file does, as in recordings that were cut, are dropped.

    The closure of a stop (_t), its burst (!t) and its aspiration (tasp) are one phone; pauses,
    breaths and marks of articulation (+nas) are dropped; a long phone (nn) is one phone. aI, aU, OY
    and aO are single phones, other pairs (i6, @a) two. Three rare symbols are replaced by their
    neighbours: A by a, J by j, 8 by 9.

    The result is empty if the alignment is.

    Raises:
        DataError: the alignment does not exist.
    """
    table = file.parents[1] / "lablaut" / f"{file.stem}xx.lablaut"
    if not table.is_file():
        raise DataError(f"{table} does not exist. Unpack the alignments of the release there.")
    found: list[str] = []
    end, whole = duration_s(file) + _SLACK_S, True
    lines = table.read_text(encoding="ascii").partition("#\n")[2].splitlines()
    for line in lines:
        fields = _LINE.match(line)
        if fields is None or not (match := _PHONE.fullmatch(fields["symbol"])):
            continue
        if float(fields["end"]) > end:
            whole = False
            break
        written = match["phone"].translate(_RARE)
        if len(set(written)) == 1:
            written = written[0]
        goes_on = match["sign"] == "!" or match["asp"]
        if not (goes_on and found and found[-1] == written):
            found += [written] if written in _DIPHTHONGS else list(written)
    return " ".join(found), whole


CORPUS = Corpus(
    name="emodb",
    summary=(
        "Berlin Database of Emotional Speech (EmoDB): ten German sentences acted in seven emotions "
        "by five men (03 10 11 12 15) and five women (08 09 13 14 16). Test speakers are not in "
        "training: by default one man and one woman, with the next pair for validation."
    ),
    size="535 recordings, 18 min, 10 speakers",
    protocol=(
        "No official split. Here a man and a woman are test, the next pair is validation and the "
        "others training; five such pairs give five folds."
    ),
    source="Burkhardt et al. 2005, http://emodb.bilderbar.info",
    licence="free for research",
    options={
        "label": Option("emotion, sentence, phones or verification", "emotion"),
        "test_speakers": Option("test speakers, separated by commas", "03,08"),
        "valid_speakers": Option(
            "validation speakers, separated by commas (the next man and the next woman)"
        ),
    },
    read=_read,
    root=holds("wav/*.wav"),
    folds=Folds("test_speakers", _folds),
    columns=("sex", "sentence", "emotion"),
    example=Example(
        files={
            f"wav/{speaker}a01{emotion}a.wav": None
            for speaker in ("03", "08", "09", "10", "11", "13")
            for emotion in "WN"
        },
        labels=("anger", "neutral"),
    ),
)
