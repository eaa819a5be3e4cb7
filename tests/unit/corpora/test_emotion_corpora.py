"""Readers of emotion corpora, on small trees in the released layouts."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from ossicle.data import open_data
from ossicle.data.corpora.emodb import phones
from ossicle.errors import DataError, LabelError
from ossicle.tasks import Verification, suggest_task


def labels(part):
    return sorted(one.label for one in part)


def iemocap(tree, sessions=(1, 2, 3)):
    files = {}
    turns = (("impro01", "F", "exc"), ("impro01", "M", "ang"), ("script01", "F", "hap"))
    turns += (("script01", "M", "neu"), ("impro01", "F", "fru"), ("impro01", "M", "xxx"))
    for session in sessions:
        lines = {}
        for number, (dialog, sex, emotion) in enumerate(turns):
            name = f"Ses0{session}M_{dialog}"
            turn = f"{name}_{sex}00{number}"
            files[f"Session{session}/sentences/wav/{name}/{turn}.wav"] = None
            lines.setdefault(name, ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""])
            lines[name] += [
                f"[6.2901 - 8.2357]\t{turn}\t{emotion}\t[{number}.5000, 2.0000, 3.0000]",
                "C-E2:\tNeutral;\t()",
            ]
        for name, text in lines.items():
            files[f"Session{session}/dialog/EmoEvaluation/{name}.txt"] = "\n".join(text)
    return tree(files)


def test_iemocap_leaves_a_session_out_with_excited_as_happy(tree):
    dataset = open_data(f"iemocap:{iemocap(tree)}")
    for part, speakers in zip(
        dataset.sides.values(),
        ({"Ses01F", "Ses01M"}, {"Ses02F", "Ses02M"}, {"Ses03F", "Ses03M"}),
        strict=True,
    ):
        assert labels(part) == ["angry", "happy", "happy", "neutral"]
        assert {one.speaker for one in part} == speakers
    assert "6 turns of other emotions were skipped" in dataset.note


def test_iemocap_s_options(tree):
    root = iemocap(tree)
    first = open_data(f"iemocap:{root}?test_session=1")
    assert {one.speaker for one in first.valid} == {"Ses03F", "Ses03M"}
    improvised = open_data(f"iemocap:{root}?domain=improvised")
    assert labels(improvised.test) == ["angry", "happy"]
    scripted = open_data(f"iemocap:{root}?domain=scripted&excited=left-out")
    assert labels(scripted.test) == ["happy", "neutral"]
    numbers = open_data(f"iemocap:{root}?label=dimensions")
    assert (suggest_task(numbers.label_name).name, len(numbers.test)) == ("regression", 6)
    superb = open_data(f"iemocap:{root}?protocol=superb&label=dimensions")
    assert {one.speaker for one in superb.test} == {"Ses03F", "Ses03M"}
    assert {one.speaker[:5] for one in superb.valid} <= {"Ses01", "Ses02"}
    assert 0 < len(superb.valid) < len(superb.train)
    by_turn = [
        open_data(f"iemocap:{root}?protocol=paper-b&label=dimensions&test_session={fold}").test
        for fold in (1, 2, 3)
    ]
    keys = [one.key for part in by_turn for one in part]
    assert len(set(keys)) == len(keys) > 3  # each turn is tested once, whoever speaks
    assert "valence=5.5,arousal=2.0000,dominance=3.0000".replace("5.5", "5.5000") in labels(
        numbers.test
    )
    next(root.rglob("Ses01M_impro01_F000.wav")).unlink()
    with pytest.raises(DataError, match=r"1 of 18 recordings .* \(Ses01M_impro01_F000.wav\)"):
        open_data(f"iemocap:{root}")


def test_ravdess_names_emotions_and_pairs_men_and_women(tree):
    files = {
        f"Actor_{actor:02d}/03-01-{emotion}-01-02-01-{actor:02d}.wav": None
        for actor in range(19, 25)
        for emotion in ("01", "06")
    }
    root = tree(files)
    dataset = open_data(f"ravdess:{root}")
    assert dataset.labels == ("fearful", "neutral")
    assert [sorted({one.speaker for one in part}) for part in dataset.sides.values()] == [
        ["21", "22"],
        ["19", "20"],  # the next after the last are the first
        ["23", "24"],
    ]
    assert open_data(f"ravdess:{root}?label=statement&test_speakers=19,20").train
    tree({"Actor_19/03-02-01-01-01-01-19.wav": None})
    with pytest.raises(DataError, match=r"1 file names are not like .*, which is speech \(03-02"):
        open_data(f"ravdess:{root}")


def test_cremad_tests_its_last_actors(tree):
    files = {
        f"AudioWAV/{actor}_IEO_{emotion}_HI.wav": None
        for actor in range(1001, 1007)
        for emotion in ("ANG", "NEU")
    }
    root = tree(files)
    dataset = open_data(f"cremad:{root}")
    assert [sorted({one.speaker for one in part}) for part in dataset.sides.values()] == [
        ["1003", "1004"],
        ["1001", "1002"],
        ["1005", "1006"],
    ]
    tree({"AudioWAV/1001_IEO_JOY_HI.wav": None})
    with pytest.raises(DataError, match=r"1 file names are not like 1001_DFA_ANG_XX.wav"):
        open_data(f"cremad:{root}")


def test_esd_has_folders_for_sides_or_counts_them_off(tree):
    files = {
        f"{speaker}/{emotion}/{speaker}_{number:06d}.wav": None
        for speaker in ("0010", "0011", "0012")
        for emotion in ("Angry", "Sad")
        for number in range(1, 53)
    }
    dataset = open_data(f"esd:{tree(files)}")
    assert [len(part) for part in dataset.sides.values()] == [2 * 2 * 2, 80, 120]
    assert {one.speaker for one in dataset.test} == {"0011", "0012"}  # 0010 speaks Mandarin
    root = tree({"0011/Glad/x.wav": None})
    with pytest.raises(DataError, match=r"the folders 0011/Glad are not emotions"):
        open_data(f"esd:{root}")


def test_esd_can_be_tested_on_an_unseen_speaker(tree):
    files = {
        f"{speaker}/{emotion}/test/{speaker}_{number:06d}.wav": None
        for speaker in ("0011", "0012", "0013")
        for emotion in ("Angry", "Sad")
        for number in (1, 2)
    }
    dataset = open_data(f"esd:{tree(files)}?test_speakers=0012")
    assert [{one.speaker for one in part} for part in dataset.sides.values()] == [
        {"0011"},
        {"0013"},
        {"0012"},
    ]


def test_msp_podcast_s_classes_dimensions_and_test_sets(tree):
    sides = ("Train", "Train", "Development", "Development", "Test1", "Test1", "Test2", "Train")
    rows = [
        f"P_{n}.wav,{'AN'[n % 2]},5.0,{n}.5,3.0,{'Unknown' if n == 4 else f's{n}'},Male,{side}"
        for n, side in enumerate(sides[:-1])
    ] + ["P_7.wav,X,5.0,1.0,3.0,s7,Male,Train"]
    table = "\n".join(["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set", *rows])
    files = {f"Audios/P_{n}.wav": None for n in range(8)}
    root = tree({**files, "Labels/labels_consensus.csv": table})
    dataset = open_data(f"msp-podcast:{root}")
    assert [labels(part) for part in dataset.sides.values()] == [["angry", "neutral"]] * 3
    assert not dataset.speaker_independent  # one of the speakers is not known
    assert "1 recordings of other emotions were skipped" in dataset.note
    assert [one.key for one in open_data(f"msp-podcast:{root}?test=Test2").test] == [
        "Audios/P_6.wav"
    ]
    numbers = open_data(f"msp-podcast:{root}?label=dimensions")
    assert len(numbers.train) == 3
    assert "valence=0.5,arousal=5.0,dominance=3.0" in labels(numbers.train)
    with pytest.raises(DataError, match="classes=Q is not available"):
        open_data(f"msp-podcast:{root}?classes=A,Q")


def test_msp_improv_leaves_a_session_out(tree):
    files, lines = {}, []
    for session in (1, 2, 3):
        for sex, heard in (("F", "H"), ("M", "N"), ("F", "X")):
            name = f"IMPROV-S01A-{sex}0{session}-{'P' if heard != 'X' else 'R'}-FM01"
            files[f"Audio/session{session}/S01A/P/MSP-{name}.wav"] = None
            lines.append(f"UTD-{name}.avi; {heard}; A:2.10; V:3.2{session}; D:2.0 ; N:3.1;")
            lines.append("AC; Neutral;;;")
    root = tree({**files, "Evalution.txt": "\n".join(lines)})
    dataset = open_data(f"msp-improv:{root}")
    assert [sorted({one.speaker for one in part}) for part in dataset.sides.values()] == [
        ["F01", "M01"],
        ["F02", "M02"],
        ["F03", "M03"],
    ]
    assert labels(dataset.test) == ["happy", "neutral"]
    assert "3 turns without one of the four emotions were skipped" in dataset.note
    numbers = open_data(f"msp-improv:{root}?label=dimensions&test_session=1")
    assert labels(numbers.test)[0] == "valence=3.21,arousal=2.10,dominance=2.0"
    next(root.rglob("*F01-P-FM01.wav")).unlink()
    with pytest.raises(DataError, match=r"1 of 9 recordings .* \(MSP-IMPROV-S01A-F01-P-FM01\)"):
        open_data(f"msp-improv:{root}")


LABLAUT = """signal x
type 0
#
    0.080109   -1 _t
    0.119160   -1 !t\t+asp
    0.125000   -1 tasp
    0.144370   -1 E6
    0.244223   -1 l
    0.348031   -1 aI\t\t2
    0.427091   -1 p
    0.509149   -1 p
    0.600000   -1 !p\t+na
    0.768183   -1 \t+hoe
    0.802292   -1 nn
    0.900000   -1 A
    0.910000   -1 (
    0.920000   -1 .
"""


def test_emodb_s_phones_are_those_of_its_alignment(tree):
    names = [f"{who}a01{how}" for who in ("03", "08", "09", "10", "11") for how in ("Wa", "Nb")]
    files = {f"wav/{name}.wav": None for name in names}
    root = tree({**files, **{f"lablaut/{name}xx.lablaut": LABLAUT for name in names}})
    # Closure, burst and aspiration are one t; two p are two, the burst goes with the second.
    soundfile.write(root / "wav/03a01Wa.wav", np.random.default_rng(0).uniform(-1, 1, 8000), 8000)
    assert phones(root / "wav/03a01Wa.wav") == ("t E 6 l aI p p n a", True)
    # The others are 0.1 s long, and have the phones that end in their first 0.15 s.
    assert phones(root / "wav/08a01Wa.wav") == ("t E 6", False)
    assert "9 alignments are longer than their file" in open_data(f"emodb:{root}?label=phones").note
    assert open_data(f"emodb:{root}?label=phones").label_name == "phones"
    # Some of the release's files have a colour's number where others have -1.
    (root / "lablaut/03a01Waxx.lablaut").write_text(
        "signal x\n#\n    0.08  125 t\n    0.1  125 !t\n"
    )
    assert phones(root / "wav/03a01Wa.wav") == ("t", True)
    (root / "lablaut/03a01Waxx.lablaut").write_text("signal x\n#\n")
    dataset = open_data(f"emodb:{root}?label=phones")
    assert "wav/03a01Wa.wav" not in {one.key for one in dataset.utterances}
    assert "1 recordings with an empty alignment were skipped" in dataset.note
    (root / "lablaut/03a01Waxx.lablaut").unlink()
    with pytest.raises(DataError, match=r"03a01Waxx.lablaut does not exist"):
        open_data(f"emodb:{root}?label=phones")


def test_speakers_of_verification_are_apart(tree):
    files = {
        f"recordings/{d}_{who}_{n}.wav": None for d in (1, 2) for who in "abcdef" for n in (0, 1)
    }
    root = tree(files)
    dataset = open_data(f"fsdd:{root}?label=verification&test_speaker=a,b")
    assert suggest_task(dataset.label_name).name == "verification"
    assert [{one.label for one in part} for part in dataset.sides.values()] == [
        {"e", "f"},
        {"c", "d"},
        {"a", "b"},
    ]
    assert Verification.from_dataset(dataset).speakers == ("e", "f")
    with pytest.raises(LabelError, match=r"valid has one speaker, b, and no pairs"):
        Verification.from_dataset(open_data(f"fsdd:{root}?label=verification&test_speaker=a"))


def test_missing_parts_of_a_release_are_named(tmp_path: Path):
    for reader in ("iemocap", "msp-improv", "ravdess", "cremad", "esd"):
        with pytest.raises(DataError, match=r"has no"):
            open_data(f"{reader}:{tmp_path}")
