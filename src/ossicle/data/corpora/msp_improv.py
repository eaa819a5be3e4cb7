"""MSP-Improv: `Evalution.txt` (spelt so in the release) and `**/MSP-IMPROV-*.wav`.

UTD-IMPROV-S01A-F01-P-FM01.avi; A; A:2.100000; V:3.200000; D:2.0 ; N:3.1;

Sentence S01, target emotion A, actor F01, scenario P (of R, S, P, T), listener and speaker; then
the perceived emotion, and arousal, valence, dominance and naturalness from 1 to 5.
"""

import re
from collections import Counter
from pathlib import Path

from ossicle.data.corpora.base import Corpus, Example, Option, Options, choose, sided
from ossicle.data.corpora.folds import Folds, sorted_folds
from ossicle.data.corpora.release import MISSING, fewer, lacking, left_out
from ossicle.data.corpora.roots import holds
from ossicle.data.dataset import Dataset
from ossicle.data.selection import Keeper
from ossicle.data.utterance import Utterance
from ossicle.errors import DataError, listing

_TABLES = ("Evalution.txt", "Evaluation.txt")
_LINE = re.compile(
    r"UTD-(?P<name>IMPROV-(?P<sentence>S\d\d)(?P<target>[AHNS])-(?P<actor>[FM]\d\d)-"
    r"(?P<scenario>[A-Z])-\w+)\.avi;\s*(?P<emotion>\w);"
    r"\s*A:(?P<a>[^;]*);\s*V:(?P<v>[^;]*);\s*D:(?P<d>[^;]*);"
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SESSIONS = ("01", "02", "03", "04", "05", "06")
_CLASSES = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}


def _read(path: Path, options: Options) -> Dataset:
    label = choose("label", options["label"] or "", ("emotion", "dimensions"))
    tables = [path / name for name in _TABLES if (path / name).is_file()]
    if not tables:
        raise DataError(f"{path} has no {_TABLES[0]}. Give the folder of the release.")
    file_by_name = {file.stem: file for file in path.rglob("MSP-IMPROV-*.wav")}
    keep = Keeper(options)
    utterances, missing, strange, left = [], [], [], Counter[str]()
    found_sessions, turns = set(), 0
    for line in tables[0].read_text(encoding="utf-8").splitlines():
        if not (found := _LINE.match(line)):
            if line.startswith("UTD-"):  # other lines are ratings of single annotators
                strange.append(line)
            continue
        turns += 1
        if (file := file_by_name.get(f"MSP-{found['name']}")) is None:
            missing.append(f"MSP-{found['name']}")
            continue
        found_sessions.add(found["actor"][1:])
        if label == "emotion" and found["emotion"] not in _CLASSES:
            left["without one of the four emotions"] += 1
            continue
        valence, arousal, dominance = (found[one].strip() for one in "vad")
        if label == "dimensions" and not all(map(_NUMBER.fullmatch, (valence, arousal, dominance))):
            left["without all three dimensions"] += 1
            continue
        values = f"valence={valence},arousal={arousal},dominance={dominance}"
        text = _CLASSES[found["emotion"]] if label == "emotion" else values
        about = {name: found[name] for name in ("sentence", "target", "scenario", "emotion")}
        columns = keep({"sex": found["actor"][0], "session": found["actor"][1:], **about})
        utterances.append(Utterance.of(file, path, text, found["actor"], columns=columns))
    if strange:
        raise DataError(
            f"{tables[0]}: {len(strange)} turns cannot be read ({listing(strange, 3)}). Copy the "
            "file from the release."
        )
    notices = left_out(tables[0], len(missing), turns, missing, options)
    if not utterances:
        raise DataError(f"{tables[0]} has no turns. Copy the file from the release.")
    sessions = sorted({(one.speaker or "")[1:] for one in utterances})
    test = choose("test_session", (options["test_session"] or sessions[-1]).zfill(2), sessions)
    valid = sessions[sessions.index(test) - 1]
    out = "".join(f" {count} turns {what} were skipped." for what, count in left.items())
    return sided(
        f"msp-improv:{path}",
        utterances,
        lambda one: {test: "test", valid: "valid"}.get((one.speaker or "")[1:], "train"),
        speaker_independent=True,
        note=f"Session {test} is test and {valid} is valid, with different speakers.{out}",
        label_name=label,
        lacks=[
            *lacking("sessions", _SESSIONS, found_sessions),
            *fewer(turns - len(missing), 8438, "turns"),
        ],
        notices=notices,
    )


def _folds(path: Path, options: Options) -> list[str]:
    """Return the sessions of the turns."""
    return sorted_folds((one.speaker or "")[1:] for one in _read(path, options).utterances)


def _example() -> Example:
    turns = [(f"S01{code}-F0{n}-P-FM01", code) for n in (1, 2, 3) for code in ("A", "S")]
    lines = [
        f"UTD-IMPROV-{t}.avi; {c}; A:2.1; V:3.{i}; D:2.0 ; N:3.1;" for i, (t, c) in enumerate(turns)
    ]
    files: dict[str, str | None] = {
        f"Audio/session{turn[6]}/S01{code}/P/MSP-IMPROV-{turn}.wav": None for turn, code in turns
    }
    return Example(files | {"Evalution.txt": "\n".join(lines)}, labels=("angry", "sad"))


CORPUS = Corpus(
    name="msp-improv",
    summary=(
        "MSP-Improv: twenty English sentences in four emotions, elicited by improvised scenes of "
        "two actors, in six sessions; four classes, or valence, arousal and dominance."
    ),
    size="8438 turns, 9.5 h, 12 speakers",
    protocol=(
        "Six folds, each with one session of two speakers as test, as in PEFT-SER; here the "
        "session before it is validation."
    ),
    source="Busso et al. 2017, https://ecs.utdallas.edu/research/researchlabs/msp-lab",
    licence="academic licence, on request",
    options={
        "label": Option("emotion, or dimensions for valence, arousal and dominance", "emotion"),
        "test_session": Option("test session (the last)"),
    }
    | MISSING,
    read=_read,
    root=holds(*_TABLES),
    folds=Folds("test_session", _folds),
    columns=("sex", "session", "sentence", "target", "scenario", "emotion"),
    example=_example(),
)
