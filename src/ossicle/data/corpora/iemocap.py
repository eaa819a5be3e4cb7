"""IEMOCAP: `Session{1..5}/dialog/EmoEvaluation/*.txt` and `Session{1..5}/sentences/wav/`.

[6.2901 - 8.2357]	Ses01F_impro01_F000	neu	[2.5000, 2.5000, 2.5000]

Time, turn, emotion, then valence, activation (arousal) and dominance from 1 to 5. The last block of
a turn's name begins with F or M for the speaker: the woman or the man of the session.
"""

import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from ossicle.data.corpora.base import (
    Corpus,
    Example,
    Option,
    Options,
    choose,
    in_fraction,
    sided,
)
from ossicle.data.corpora.folds import Folds, sorted_folds
from ossicle.data.corpora.release import MISSING, fewer, lacking, present
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_LINE = re.compile(
    r"\[[\d. -]+\]\t(?P<turn>(?P<dialog>Ses0(?P<session>\d)[FM]_\w+)_(?P<sex>[FM])[\w]+)\t"
    r"(?P<emotion>\w{3})\t\[(?P<v>[\d.]+), (?P<a>[\d.]+), (?P<d>[\d.]+)\]"
)
_CLASSES = {"ang": "angry", "hap": "happy", "neu": "neutral", "sad": "sad"}
_PROTOCOLS = ("honest", "superb", "paper-b")
_DOMAINS = {"improvised": "impro", "scripted": "script"}


@dataclass(frozen=True, slots=True)
class _Turn:
    utterance: Utterance
    emotion: str


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("emotion", "dimensions"))
    domain = choose("domain", options["domain"] or "", ("all", *_DOMAINS))
    excited = choose("excited", options["excited"] or "", ("happy", "left-out"))
    protocol = choose("protocol", options["protocol"] or "", _PROTOCOLS)
    annotated, lacks, notices = _turns(path, options)
    turns = [turn for turn in annotated if _DOMAINS.get(domain, "") in turn.utterance.key]
    sessions = sorted({_session(turn.utterance) for turn in turns})
    test = choose("test_session", options["test_session"] or sessions[-1], sessions)
    valid = sessions[sessions.index(test) - 1]
    if valid == test:
        raise DataError(f"{path} has only session {test}. Unpack at least three sessions.")
    classes = _CLASSES | ({"exc": "happy"} if excited == "happy" else {})
    utterances, left = [], Counter[str]()
    for turn in turns:
        one = turn.utterance
        if label == "dimensions":
            utterances.append(one)
        elif turn.emotion in classes:
            utterances.append(replace(one, label=classes[turn.emotion]))
        else:
            left[turn.emotion] += 1
    out = f" {left.total()} turns of other emotions were skipped." if left else ""
    notes = {
        "honest": f"Session {test} is test and {valid} is valid, with different speakers.",
        "superb": f"Session {test} is test; a fifth of the other turns is valid.",
        "paper-b": f"Fifth {test} of the turns is test, {valid} is valid, with the same speakers.",
    }
    return sided(
        f"iemocap:{path}",
        utterances,
        lambda one: _side(one, protocol, test, valid),
        speaker_independent=protocol == "honest",
        note=notes[protocol] + out,
        label_name=label,
        lacks=lacks,
        notices=notices,
    )


def _side(one: Utterance, protocol: str, test: str, valid: str) -> str:
    """Return the split of a turn; fractions of turns are chosen by a hash of their names."""
    if protocol == "paper-b":
        fifth = next(number for number in range(1, 6) if in_fraction(one.key, number / 5))
        return {test: "test", valid: "valid"}.get(str(fifth), "train")
    if _session(one) == test:
        return "test"
    if protocol == "superb":
        return "valid" if in_fraction(one.key, 0.2) else "train"
    return "valid" if _session(one) == valid else "train"


def _turns(path: Path, options: Options) -> tuple[list[_Turn], list[str], tuple[str, ...]]:
    """Return all annotated turns, labelled with dimensions; missing parts; notices."""
    # Copies of the release contain macOS files ._Ses*.txt next to the annotations.
    files = sorted(path.glob("Session[1-5]/dialog/EmoEvaluation/[!.]*.txt"))
    if not files:
        raise DataError(
            f"{path} has no Session1/dialog/EmoEvaluation/*.txt. Give the folder of the release."
        )
    keep = Keeper(options)
    turns, strange = [], []
    for file in files:
        session = file.parents[2]
        for line in file.read_text(encoding="utf-8").splitlines():
            if not (found := _LINE.match(line)):
                if line.startswith("["):  # other lines are headings and single annotators' ratings
                    strange.append(f"{file.name}: {line}")
                continue
            wave = session / "sentences" / "wav" / found["dialog"] / f"{found['turn']}.wav"
            speaker = f"Ses0{found['session']}{found['sex']}"
            text = f"valence={found['v']},arousal={found['a']},dominance={found['d']}"
            style = next((name for name, mark in _DOMAINS.items() if mark in found["dialog"]), "")
            about = {"sex": found["sex"], "session": found["session"], "style": style}
            columns = keep({**about, "emotion": found["emotion"]})
            one = Utterance.of(wave, path, text, speaker, columns=columns)
            turns.append(_Turn(one, found["emotion"]))
    if strange:
        raise DataError(
            f"{path}: {len(strange)} turns cannot be read ({listing(strange, 3)}). Expected time, "
            "turn, emotion and three numbers. Copy the annotations from the release."
        )
    if not turns:
        raise DataError(f"{path}: the {len(files)} annotations have no turns. Unpack them again.")
    there, notices = present(path, [turn.utterance for turn in turns], options)
    keys = {one.key for one in there}
    lacks = [*lacking("sessions", "12345", map(_session, there)), *fewer(len(there), 10_039)]
    return [turn for turn in turns if turn.utterance.key in keys], lacks, notices


def _folds(path: Path, options: Options) -> list[str]:
    """Return the sessions of the turns."""
    return sorted_folds(map(_session, _read(path, options).utterances))


def _session(one: Utterance) -> str:
    return (one.speaker or "")[4]


def _example() -> Example:
    files: dict[str, str | None] = {}
    for session in (1, 2, 3):
        dialog = f"Ses0{session}F_impro01"
        lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
        for sex, emotion in (("F", "ang"), ("M", "exc"), ("M", "fru")):
            turn = f"{dialog}_{sex}00{len(lines)}"
            lines.append(f"[1.0000 - 2.0000]\t{turn}\t{emotion}\t[2.5000, 3.0000, {session}.0000]")
            files[f"Session{session}/sentences/wav/{dialog}/{turn}.wav"] = None
        name = f"Session{session}/dialog/EmoEvaluation/{dialog}.txt"
        files[name] = "\n".join(lines)
    unread = tuple(name for name in files if name.endswith("004.wav"))
    return Example(files, labels=("angry", "happy"), unread=unread)


CORPUS = Corpus(
    name="iemocap",
    summary=(
        "Interactive Emotional Dyadic Motion Capture: English dialogues of two actors, improvised "
        "and scripted, in five sessions. Four classes with excited as happy (5531 turns), or "
        "valence, arousal and dominance of all turns."
    ),
    size="10,039 turns, 12 h, 10 speakers",
    protocol=(
        "Five folds, each with one session of two speakers as test; here the session before it is "
        "validation. SUPERB draws a fifth of the training turns for validation (protocol=superb); "
        "Inoue et al. 2024 draw folds by turn, with the same speakers in all splits "
        "(protocol=paper-b). Lashkarashvili et al. 2024 train on scripted turns, then on "
        "improvised ones (option domain)."
    ),
    source="Busso et al. 2008, https://sail.usc.edu/iemocap",
    licence="for research, on request",
    options={
        "label": Option("emotion, or dimensions for valence, arousal and dominance", "emotion"),
        "test_session": Option("test session (the last)"),
        "domain": Option("all, improvised or scripted", "all"),
        "excited": Option("happy or left-out", "happy"),
        "protocol": Option(
            "honest, superb (a fifth of the training turns is validation) or paper-b (Inoue et al. "
            "2024: folds of turns, chosen by test_session)",
            "honest",
        ),
    }
    | MISSING,
    read=_read,
    root=holds("Session[1-5]/dialog/EmoEvaluation"),
    folds=Folds("test_session", _folds),
    columns=("sex", "session", "style", "emotion"),
    example=_example(),
)
